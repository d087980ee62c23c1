"""The library is the one that the binding was written for, or it is refused by name."""

import ctypes as C
import json
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from puna.engine import abi, libllama
from puna.engine.libllama import Library, open_library
from puna.engine.model import Model
from puna.engine.origin import BUILD_FILE, embedded, native
from puna.errors import EngineMismatch
from puna.protocol import Placement


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as a native build leaves it, with the embedded library in its place."""
    (tmp_path / "libllama.so").symlink_to(embedded().path)
    files = {"libllama.so": embedded().sha256}
    (tmp_path / BUILD_FILE).write_text(json.dumps({"version": abi.VERSION, "files": files}))
    return tmp_path


def test_the_binding_is_what_the_headers_say() -> None:
    script = Path(__file__).parents[2] / "scripts" / "bind.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("changed", "old", "new"),
    [("abi.py", "n_ubatch", "n_other"), ("prototypes.py", "llama_decode", "llama_other")],
)
def test_a_binding_that_differs_from_the_headers_is_noticed(
    changed: str,
    old: str,
    new: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import bind

    for name in ("abi.py", "prototypes.py"):
        (tmp_path / name).write_text((bind.FOLDER / name).read_text())
    text = (tmp_path / changed).read_text()
    assert old in text
    (tmp_path / changed).write_text(text.replace(old, new))
    monkeypatch.setattr(bind, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["bind.py", "--check"])
    assert bind.main() == 1
    assert capsys.readouterr().out.startswith(f"{changed}: not what the headers say")


def test_the_embedded_library_is_whole(library: Library) -> None:
    library.origin.verify()
    assert [device.kind for device in library.devices() if device.total] == ["cpu"]


def test_a_library_with_another_hash_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "libllama.so"
    other.write_bytes(b"another")
    with pytest.raises(EngineMismatch, match=str(embedded().sha256)):
        replace(embedded(), path=other).verify()


def test_a_companion_with_another_hash_is_refused(build: Path) -> None:
    files = {"libllama.so": embedded().sha256, "libggml.so": "00"}
    (build / BUILD_FILE).write_text(json.dumps({"version": abi.VERSION, "files": files}))
    (build / "libggml.so").write_bytes(b"another")
    with pytest.raises(EngineMismatch, match=r"libggml\.so has SHA-256 .*, recorded is 00"):
        native(build).verify()


def test_a_record_may_lie_apart_from_its_library(build: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    told = json.loads((build / BUILD_FILE).read_text())
    (apart / BUILD_FILE).write_text(json.dumps(told | {"at": str(build)}))
    origin = native(apart).verify()
    assert origin.path == build / "libllama.so"
    assert origin.sha256 == embedded().sha256


def test_a_record_that_cannot_be_read_is_told(build: Path) -> None:
    (build / BUILD_FILE).write_text("no JSON")
    with pytest.raises(EngineMismatch, match=r"record .* cannot be read"):
        native(build)


def test_another_version_is_refused_by_both_names(build: Path) -> None:
    (build / BUILD_FILE).write_text('{"version": "2026.1.1"}')
    with pytest.raises(EngineMismatch, match=rf"2026\.1\.1.*{abi.VERSION}"):
        Library(native(build))


def test_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if a field had been put in before these: their values would be others.
    monkeypatch.setitem(libllama.DEFAULT_CONTEXT, "n_ubatch", 1)
    with pytest.raises(EngineMismatch, match=r"n_ubatch is 512.*has 1\."):
        Library(embedded())


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libllama.so").write_text("no library")
    with pytest.raises(EngineMismatch, match="cannot be opened"):
        Library(native(tmp_path))
    with pytest.raises(EngineMismatch, match="There is no engine"):
        native(tmp_path / "nowhere")
    (tmp_path / "libllama.so").unlink()
    with pytest.raises(EngineMismatch, match="holds no libllama"):
        native(tmp_path)


def test_a_native_library_is_chosen_by_the_environment(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNA_ENGINE", str(build))
    library = open_library()
    library.origin.verify()
    assert library.origin.path == build / "libllama.so"


def test_what_the_library_logs_comes_as_whole_lines(tmp_path: Path) -> None:
    from puna.engine.model import Model
    from puna.errors import BadModelFile
    from puna.protocol import Placement

    lines: list[tuple[str, str]] = []
    library = Library(embedded(), lambda level, line: lines.append((level, line)))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and no more")
    with pytest.raises(BadModelFile):
        Model(library, (str(broken),), Placement())
    assert any(level == "error" for level, _ in lines)
    assert all("\n" not in line for _, line in lines)


def test_a_file_that_is_not_loaded_is_told_with_the_librarys_own_reason() -> None:
    from puna.engine.model import cannot_load

    broken = cannot_load("m.gguf", ["invalid magic characters: 'oops'", "failed to load model"])
    assert broken.report().name == "BadModelFile"
    assert "m.gguf: invalid magic characters: 'oops'." in broken.message
    full = cannot_load(
        "m.gguf", ["allocating 900 MiB on device 0: cudaMalloc failed: out of memory"]
    )
    assert full.report().name == "LoadFailed"
    assert full.message.startswith("Memory ran out while m.gguf was loaded: allocating 900 MiB")


def test_the_librarys_errors_are_kept_until_somebody_asks(tmp_path: Path) -> None:
    from puna.engine.model import Model
    from puna.errors import BadModelFile
    from puna.protocol import Placement

    library = Library(embedded())
    other = tmp_path / "other.gguf"
    other.write_bytes(b"no model, though it is long enough to be looked at")
    with pytest.raises(BadModelFile, match=r"other\.gguf: invalid magic"):
        Model(library, (str(other),), Placement())
    assert library.complaints() == []


def test_a_split_between_gpus_is_handed_to_the_library(shape: Callable[[str], Path]) -> None:
    library = open_library()
    heard: list[tuple[int, int, list[float]]] = []

    class Hearing:
        def __getattr__(self, name: str) -> Any:
            return getattr(library.call, name)

        def llama_model_load_from_file(self, path: bytes, params: Any) -> Any:
            parts = C.cast(params.tensor_split, C.POINTER(C.c_float))[:3]
            heard.append((params.split_mode, params.main_gpu, parts))
            # Without a GPU, the library refuses to split by tensors.
            params.split_mode = abi.LlamaSplitMode.LAYER
            return library.call.llama_model_load_from_file(path, params)

    for number, mode in enumerate(("none", "layer", "row", "tensor")):
        placement = Placement(split_mode=mode, main_gpu=0, tensor_split=(3.0, 1.5), gpu_layers=0)
        hearing = copy(library)
        vars(hearing)["call"] = Hearing()
        Model(hearing, (str(shape("llama")),), placement).close()
        assert heard[-1] == (number, 0, [3.0, 1.5, 0.0])
