"""What is known of a model from its file, its projector and its template."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from headers import Draft

from puna.errors import BadModelFile
from puna.models import capabilities
from puna.models.facts import FileFacts, facts
from puna.models.gguf import Header, Kind, read

THINKING_TOOLS = "{{ tools }}{{ enable_thinking }}"
KINDS = {bool: Kind.BOOL, int: Kind.INT32, float: Kind.FLOAT32, str: Kind.STRING}


class Files:
    """Writes files with the keys that a test names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def header(self, tensors: tuple[tuple[Any, ...], ...] = (), **keys: Any) -> Header:
        made = Draft()
        made.head(len(tensors), len(keys))
        for name, value in keys.items():
            dotted = name.replace("__", ".")
            if isinstance(value, tuple):
                items: tuple[Any, ...] = value
                made.key(dotted, Kind.ARRAY, (KINDS[type(items[0])], items))
            else:
                made.key(dotted, KINDS[type(value)], value)
        for tensor in tensors:
            made.tensor(*tensor)
        made.data_of(1 << 16)
        self._count += 1
        return read(made.write(self._folder / f"misleading-8B-Q4_K_M-{self._count}.gguf"))

    def facts(
        self, architecture: str, projector: Header | None = None, template: str = "", **keys: Any
    ) -> FileFacts:
        header = self.header(general__architecture=architecture, **keys)
        return facts(header, projector, template)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_builtin_model_is_described_by_its_file(pocket_model: Path) -> None:
    found = facts(read(pocket_model))

    assert (found.architecture, found.families, found.tokenizer) == ("llama", ("llama",), "gpt2")
    assert found.quantization == "Q8_0"
    assert found.parameter_size == f"{found.parameters / 1e6:.2f}M"
    assert found.layers == len(found.numbers("attention.head_count_kv"))
    assert found.number("attention.head_count") >= found.number("attention.head_count_kv") > 0
    assert found.context_length >= 2048
    assert {"completion", "tools", "thinking"} <= set(found.capabilities)
    assert "enable_thinking" in found.template


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3", "lfm2", "mamba"])
def test_any_architecture_is_described(shape: Callable[[str], Path], architecture: str) -> None:
    found = facts(read(shape(architecture)))

    assert found.architecture == architecture
    assert found.layers > 0
    assert found.context_length > 0
    assert found.embedding_length > 0
    assert found.parameters > 10_000
    assert "completion" in found.capabilities


def test_a_file_that_says_nothing_has_no_facts(files: Files) -> None:
    found = facts(files.header())

    assert (found.architecture, found.parameters, found.layers) == ("unknown", 0, 0)
    assert (found.quantization, found.parameter_size) == ("unknown", "0")
    assert found.capabilities == ("completion",)
    assert found.number("anything", 7) == 7
    assert found.numbers("anything") == ()


def test_what_is_of_the_wrong_kind_is_as_if_not_said(files: Files) -> None:
    found = files.facts(
        "llama",
        llama__block_count="many",
        llama__context_length=-5,
        llama__embedding_length=(1, 2),
        tokenizer__chat_template=7,
        general__file_type="Q4",
        llama__pooling_type="mean",
    )

    assert (found.layers, found.context_length, found.embedding_length) == (0, 0, 0)
    assert (found.template, found.quantization, found.pooling) == ("", "unknown", None)


def test_numbers_come_for_each_layer(files: Files) -> None:
    found = files.facts(
        "lfm2",
        lfm2__block_count=4,
        lfm2__attention__head_count=8,
        lfm2__attention__head_count_kv=(0, 4, 0),
        lfm2__attention__sliding_window_pattern=(True, False, True, False, True, True),
        lfm2__rope__scaling__type="yarn",
    )

    assert found.numbers("attention.head_count") == (8, 8, 8, 8)
    assert found.numbers("attention.head_count_kv", 2) == (0, 4, 0, 2)
    assert found.numbers("attention.sliding_window_pattern") == (True, False, True, False)
    assert found.number("attention.head_count_kv", 3) == 3
    assert found.text("rope.scaling.type") == "yarn"


def test_a_claim_of_countless_layers_is_refused(files: Files) -> None:
    with pytest.raises(BadModelFile, match="2000000000 layers"):
        files.facts("llama", llama__block_count=2_000_000_000)


def test_quantization_is_told_or_found_in_most_weights(files: Files) -> None:
    tensors = (("a", (32, 4), 8, 0), ("b", (100,), 0, 160), ("c", (256, 1), 12, 576))

    for told, name in ((15, "Q4_K_M"), (0, "F32"), (30, "IQ4_XS"), (38, "MXFP4"), (999, "Q4_K")):
        assert facts(files.header(tensors, general__file_type=told)).quantization == name
    found = facts(files.header(tensors))
    assert (found.quantization, found.parameters, found.parameter_size) == ("Q4_K", 484, "484")


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (999, "999"),
        (33_400, "33K"),
        (751_632_384, "751.63M"),
        (2_000_000, "2M"),
        (8_030_261_248, "8.0B"),
        (7_000_000_000, "7B"),
    ],
)
def test_parameters_are_written_as_ollama_writes_them(
    pocket_model: Path, number: int, written: str
) -> None:
    assert replace(facts(read(pocket_model)), parameters=number).parameter_size == written


def test_the_template_of_a_modelfile_says_more_than_the_files(files: Files) -> None:
    keys: dict[str, Any] = {"tokenizer__chat_template": THINKING_TOOLS}

    assert files.facts("llama", **keys).capabilities == ("completion", "tools", "thinking")
    assert files.facts("llama", template="{{ .Prompt }}", **keys).capabilities == ("completion",)
    assert files.facts("llama", template="{{ .Tools }}{{ .Suffix }}", **keys).capabilities == (
        "completion",
        "tools",
        "insert",
    )


@pytest.mark.parametrize(
    ("architecture", "keys", "expected"),
    [
        ("bert", {}, ("embedding",)),
        ("qwen3", {"qwen3__pooling_type": 3}, ("embedding",)),
        ("qwen3", {"qwen3__pooling_type": 0}, ("completion",)),
        ("qwen3", {"qwen3__pooling_type": 4}, ("rerank",)),
        ("bert", {"bert__classifier__output_labels": ("no", "yes")}, ("rerank",)),
        ("llama", {"llama__attention__causal": False}, ("embedding",)),
        ("dream", {"tokenizer__chat_template": THINKING_TOOLS}, ("embedding",)),
        ("t5", {}, ()),
        ("clip", {"clip__has_vision_encoder": True}, ()),
        ("llama", {"general__type": "adapter"}, ()),
    ],
)
def test_what_a_model_is_made_for_follows_from_its_file(
    files: Files, architecture: str, keys: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert files.facts(architecture, **keys).capabilities == expected


@pytest.mark.parametrize(
    ("keys", "senses"),
    [
        ({"clip__has_vision_encoder": True}, ("vision",)),
        ({"clip__has_audio_encoder": True}, ("audio",)),
        (
            {"clip__has_vision_encoder": True, "clip__has_audio_encoder": True},
            ("vision", "audio"),
        ),
        ({"clip__has_vision_encoder": False, "clip__has_audio_encoder": True}, ("audio",)),
        ({}, ("vision",)),
    ],
)
def test_a_projector_gives_its_senses(
    files: Files, keys: dict[str, Any], senses: tuple[str, ...]
) -> None:
    projector = files.header(general__architecture="clip", **keys)

    found = files.facts("llama", projector)

    assert found.capabilities == ("completion", *senses)
    assert found.families == ("llama", "clip")


def test_a_model_fills_in_when_it_has_the_tokens_for_it(files: Files, llama_source: Path) -> None:
    named: dict[str, Any] = {
        f"tokenizer__ggml__fim_{part}_token_id": 1 for part in ("pre", "suf", "mid")
    }

    assert "insert" in files.facts("llama", **named).capabilities
    assert "insert" not in files.facts("llama").capabilities
    for name, fills_in in (("starcoder", True), ("deepseek-coder", True), ("falcon", False)):
        header = read(llama_source / "models" / f"ggml-vocab-{name}.gguf")
        assert ("insert" in facts(header).capabilities) is fills_in, name


def test_architectures_that_do_not_generate_are_spelt_as_the_engine_spells_them(
    llama_source: Path,
) -> None:
    known = (llama_source / "src" / "llama-arch.cpp").read_text()
    for name in capabilities.NOT_CAUSAL | capabilities.NOT_ALONE - {"imatrix"}:
        assert f'"{name}"' in known, name
