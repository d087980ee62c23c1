"""Engines that are broken in different ways do not pass the self-test; a sound one does.

The broken ones are small libraries before the embedded one, which take over some of its functions.
"""

import subprocess
from pathlib import Path

import pytest

from puna.builds import testing
from puna.builds.choosing import choose, proved
from puna.builds.machine import this_machine
from puna.builds.own import taken_in
from puna.builds.shelf import EMBEDDED, Shelf
from puna.engine.origin import embedded
from puna.errors import EngineFailed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NEXT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }
"""
SOUND = "int puna_nothing(void) { return 0; }"
CRASH = "int llama_decode(void) { abort(); }"
HANG = "int llama_decode(void) { for (;;) pause(); }"
SLIGHTLY_WRONG = """
float *llama_get_logits_ith(void *context, int row) {
    float *(*real)(void *, int) = next("llama_get_logits_ith");
    float *logits = real(context, row);
    for (int token = 0; token < 2048; token += 2) logits[token] += token % 4 ? 1.0f : -1.0f;
    return logits;
}
"""
NO_NUMBER = """
float *llama_get_logits_ith(void *context, int row) {
    float *(*real)(void *, int) = next("llama_get_logits_ith");
    float *logits = real(context, row);
    logits[7] = 0.0f / 0.0f;
    return logits;
}
"""
NO_ADAPTER = "int llama_set_adapters_lora(void) { return 0; }"
NO_QUANTIZED_CACHE = """
struct params { char bytes[512]; };
void *llama_init_from_model(void *model, struct params given) {
    (void)model; (void)given;
    return 0;
}
"""


def engine(folder: Path, source: str) -> Path:
    """A library with these functions, all others being the embedded engine's."""
    folder.mkdir()
    (folder / "shim.c").write_text(NEXT + source)
    library = folder / "libllama.so"
    real = embedded().path
    (folder / real.name).symlink_to(real)
    command = ["cc", "-shared", "-fPIC", "-w", "-o", library, folder / "shim.c"]
    linked = ["-Wl,--no-as-needed", folder / real.name, f"-Wl,-rpath,{folder}"]
    subprocess.run([*command, *linked], check=True)
    return library


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "home")


def test_a_sound_library_of_ones_own_is_used(shelf: Shelf, tmp_path: Path) -> None:
    record = taken_in(shelf, engine(tmp_path / "sound", SOUND))
    passed = proved(shelf, record, this_machine())
    assert passed.passed is not None
    assert passed.gain is not None
    assert float(passed.passed.checks["Q8_0, prompt at once"]) <= testing.MOST_DIVERGENCE
    shelf.default = record.name
    chosen = choose(shelf)
    assert (chosen.name, chosen.refused) == (record.name, "")
    # Built anew where it lies and broken by it, it is found out before it is used.
    other = engine(tmp_path / "crash", CRASH)
    (tmp_path / "sound" / "libllama.so").write_bytes(other.read_bytes())
    again = choose(shelf)
    assert again.name == EMBEDDED
    assert "The engine's process" in again.refused
    assert shelf.find(record.name).failed


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (CRASH, "ended by SIGABRT"),
        (SLIGHTLY_WRONG, r"numbers are wrong \(Q8_0, prompt at once\)"),
        (NO_NUMBER, "numbers are wrong|answers"),
        (NO_ADAPTER, r"with an adapter|no effect"),
        (NO_QUANTIZED_CACHE, "could not make a context"),
    ],
    ids=["crash", "slightly wrong", "no number", "no adapter", "no context"],
)
def test_a_broken_library_is_refused_with_the_reason(
    source: str, reason: str, shelf: Shelf, tmp_path: Path
) -> None:
    record = taken_in(shelf, engine(tmp_path / "broken", source))
    with pytest.raises(EngineFailed, match=reason):
        proved(shelf, record, this_machine())
    assert shelf.find(record.name).failed
    assert shelf.find(record.name).passed is None


def test_a_library_that_hangs_is_ended_and_refused(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "SECONDS", 20.0)
    record = taken_in(shelf, engine(tmp_path / "hanging", HANG))
    with pytest.raises(EngineFailed, match="hangs: it said nothing for 20 s"):
        proved(shelf, record, this_machine())
