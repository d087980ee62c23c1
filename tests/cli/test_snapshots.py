"""What commands show, word for word, as it is kept in snapshots/.

Where a change is meant, renew them and read what changed:
`RENEW_SNAPSHOTS=1 pytest tests/cli/test_snapshots.py && git diff tests/cli/snapshots`.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.inside import runner

from puna.cli.commands import COMMANDS
from puna.cli.fit import chart
from puna.cli.frame import loaded
from puna.cli.listing import are_loaded, there_are
from puna.cli.show import card

RENEW = "RENEW_SNAPSHOTS=1 pytest tests/cli/test_snapshots.py"
SNAPSHOTS = Path(__file__).parent / "snapshots"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
GIB = 1 << 30


def assert_as_kept(name: str, shown: str) -> None:
    file = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("RENEW_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown)
    kept = file.read_text() if file.exists() else ""
    assert shown == kept, f"If this is meant: {RENEW}"


def _words() -> Iterator[tuple[str, ...]]:
    yield ()
    for entry in COMMANDS:
        yield (entry.name,)
        command = loaded(entry.name)
        yield from ((entry.name, inner) for inner in getattr(command, "commands", ()))


@pytest.mark.parametrize("words", list(_words()), ids="-".join)
def test_every_help_is_as_it_is_kept(
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = runner(capsys)(*words, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert_as_kept("-".join(("help", *words)), shown.out)


def test_no_help_is_kept_of_what_is_no_command() -> None:
    kept = {file.stem for file in SNAPSHOTS.glob("help*.txt")}
    assert kept == {"-".join(("help", *words)) for words in _words()}


def model(name: str, **more: Any) -> dict[str, Any]:
    usual = {
        "name": name,
        "digest": "0123456789abcdef" * 4,
        "size": 3 * GIB,
        "modified": "2026-06-14T12:00:00Z",
        "builtin": False,
    }
    return {**usual, **more}


def test_the_table_of_models() -> None:
    models = [
        model("cria:latest", builtin=True, size=3_311_328),
        model("llama3.2:3b", modified="2026-07-01T11:59:59.5Z"),
        model("hf.co/someone/with-a-long-name-GGUF:Q4_K_M", modified="2026-07-01T11:57:00Z"),
        model("ns/old:1", modified="2024-01-01T00:00:00Z", size=42),
    ]
    assert_as_kept("table-list", f"{there_are(models, NOW)}\n\n{there_are([], NOW)}\n")


def device(name: str, layers: int) -> dict[str, Any]:
    return {"name": name, "bytes": GIB, "layers": layers}


def test_the_table_of_what_is_loaded() -> None:
    usual = {
        "digest": "fedcba9876543210" * 4,
        "size": 5 * GIB,
        "context": 8192,
        "sequences": 16,
        "busy": 0,
        "waiting": 0,
        "rate": 0.0,
    }
    runners = [
        usual
        | {"model": "big:70b", "devices": [device("CPU", 39), device("CUDA0", 41)], "until": None},
        usual
        | {
            "model": "one:latest",
            "devices": [device("CPU", 0), device("CUDA0", 20), device("CUDA1", 12)],
            "until": "2026-07-01T12:04:30Z",
            "busy": 16,
            "waiting": 3,
            "rate": 812.34,
        },
        usual
        | {
            "model": "cria:latest",
            "devices": [device("CPU", 6)],
            "until": "2026-07-01T11:59:59Z",
            "busy": 1,
        },
        usual
        | {
            "model": "nearly:all",
            "devices": [device("CPU", 1), device("CUDA0", 999)],
            "until": "2026-07-01T14:30:00Z",
        },
    ]
    assert_as_kept("table-ps", f"{are_loaded(runners, NOW)}\n\n{are_loaded([], NOW)}\n")


def test_the_card_of_a_model() -> None:
    told: dict[str, Any] = {
        "details": {
            "family": "llama",
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        },
        "model_info": {
            "general.architecture": "llama",
            "general.parameter_count": 3_212_749_888,
            "llama.context_length": 131_072,
            "llama.embedding_length": 3072,
            "tokenizer.ggml.tokens": [],
        },
        "projector_info": {
            "general.architecture": "clip",
            "general.parameter_count": 311_889_920,
            "clip.vision.embedding_length": 1024,
            "clip.vision.projection_dim": 3072,
        },
        "capabilities": ["completion", "vision", "tools"],
        "parameters": 'stop                           "<|eot|>"\ntop_k                          7',
        "system": "You are a llama.\n\nYou graze.\nYou hum.",
        "license": "Free for llamas.",
        "tensors": [{"name": "token_embd.weight", "type": "Q4_K", "shape": [3072, 128_256]}],
    }
    assert_as_kept("card", "\n".join(card(told)) + "\n")
    assert_as_kept("card-verbose", "\n".join(card(told, verbose=True)) + "\n")


def test_the_chart_of_a_placement() -> None:
    parts = {"weights": 4 * GIB, "cache": GIB, "compute": GIB // 4, "other": GIB // 2}
    nothing = dict.fromkeys(parts, 0)
    gpu = {"name": "CUDA0", "kind": "gpu", "description": "a card", "layers": 28}
    cpu = {"name": "CPU", "kind": "cpu", "description": "supposed", "layers": 4}
    told: dict[str, Any] = {
        "model": "llama3.2:3b",
        "fits": True,
        "why": "Of 32 layers 28 on CUDA0 and 4 on the processor.",
        "devices": [
            {**cpu, **parts, "weights": GIB, "total": 32 * GIB, "free": 20 * GIB},
            {**gpu, **parts, "total": 8 * GIB, "free": 7 * GIB},
        ],
    }
    assert_as_kept("chart", "\n".join(chart(told)) + "\n")
    devices = [one | nothing | {"layers": 0} for one in told["devices"]]
    refused = told | {"fits": False, "why": "It needs more than there is.", "devices": devices}
    assert_as_kept("chart-refused", "\n".join(chart(refused)) + "\n")


def test_what_is_kept_is_plain_text() -> None:
    for file in SNAPSHOTS.glob("*.txt"):
        assert "\x1b" not in file.read_text(), file.name
