"""The store: Ollama's layout read in place, hostile content refused, names changed safely."""

import os
from pathlib import Path

import pytest
from tests.models.hand_laid import (
    LLAMA_CONFIG,
    LLAMA_DIGEST,
    LLAMA_MANIFEST,
    LLAMA_PARAMETERS,
    age,
    digest,
    lay_blob,
    lay_manifest,
    manifest,
)

from puna.errors import (
    BadModelFile,
    BadRequest,
    MissingCapability,
    ModelNotFound,
    StoreDamaged,
    StoreUnwritable,
)
from puna.jobs import message
from puna.models.gc import survey
from puna.models.library import Library
from puna.models.manifest import Config, Root, decode_config, decode_manifest, encode, encode_config
from puna.models.model import Details
from puna.models.names import Name
from puna.models.soundness import faults, manifest_faults
from puna.models.store import Store

LATEST = "registry.ollama.ai/library/m/latest"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def library(root: Path) -> Library:
    return Library(Store(root))


def test_real_manifests_and_configs_are_written_byte_for_byte_as_they_were_read() -> None:
    read = decode_manifest(LLAMA_MANIFEST, "llama3.2:3b")
    assert encode(read) == LLAMA_MANIFEST + b"\n"
    assert digest(LLAMA_MANIFEST) == f"sha256:{LLAMA_DIGEST}"
    assert digest(LLAMA_CONFIG) == read.config.digest
    assert encode_config(decode_config(LLAMA_CONFIG, "llama3.2:3b")) == LLAMA_CONFIG
    assert encode_config(
        Config(
            "gguf", "llama", ("llama",), "3.2B", "Q4_K_M",
            rootfs=Root(diff_ids=tuple(layer.digest for layer in read.layers)),
        )
    ) == LLAMA_CONFIG  # fmt: skip
    stops = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    assert encode({"stop": stops}) == LLAMA_PARAMETERS
    assert digest(LLAMA_PARAMETERS) == read.layers[-1].digest


def test_json_is_written_as_go_writes_it() -> None:
    given = {"a": 1.0, "b": 0.7, "c": [True, 2.0], "d": "<&>\u2028 é\n"}
    assert encode(given) == (
        '{"a":1,"b":0.7,"c":[true,2],"d":"\\u003c\\u0026\\u003e\\u2028 é\\n"}\n'.encode()
    )


def test_a_real_store_is_used_in_place(root: Path, library: Library) -> None:
    lay_manifest(root, "registry.ollama.ai/library/llama3.2/3b", LLAMA_MANIFEST)
    lay_blob(root, LLAMA_CONFIG)
    lay_blob(root, LLAMA_PARAMETERS)
    with pytest.raises(StoreDamaged, match=r"llama3\.2:3b cannot .* sha256:dde5aa3f"):
        library.find("llama3.2:3b")
    # The weights are two gigabytes, so that here only their size is right.
    weights = (
        root / "blobs" / "sha256-dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff"
    )
    weights.touch()
    os.truncate(weights, 2019377376)
    with pytest.raises(StoreDamaged, match="sha256:966de95c"):
        library.find("llama3.2:3b")


def test_a_manifest_is_resolved_with_all_of_its_parts(root: Path, library: Library) -> None:
    config = (
        b'{"model_format":"gguf","model_family":"llama","model_families":["llama","clip"],'
        b'"model_type":"3.2B","file_type":"Q4_K_M","requires":"0.14.0","new_field":{"a":1},'
        b'"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    )
    layers = {
        "model 1": b"GGUF one", "model 2": b"GGUF two", "projector": b"GGUF p",
        "adapter 1": b"GGUF a", "adapter 2": b"GGUF b", "template": b"{{ .Prompt }}!",
        "system": b"Be terse.",
        "params": b'{"stop":["\\u003cx>"],"temperature":1,"top_k":40,"x_new":[1]}',
        "messages": b'[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]',
        "license 1": b"MIT", "license 2": b"BSD", "unheard": b"of",
    }  # fmt: skip
    data = manifest(root, layers, config)
    path = lay_manifest(root, "registry.ollama.ai/library/m/latest", data)
    model = library.find("m")
    assert model.name == Name("m")
    assert f"sha256:{model.digest}" == digest(data)
    assert [file.read_bytes() for file in model.weights] == [b"GGUF one", b"GGUF two"]
    assert model.projector
    assert model.projector.read_bytes() == b"GGUF p"
    assert [file.read_bytes() for file in model.adapters] == [b"GGUF a", b"GGUF b"]
    assert (model.template, model.system) == ("{{ .Prompt }}!", "Be terse.")
    assert model.parameters == {"stop": ["<x>"], "temperature": 1, "top_k": 40, "x_new": [1]}
    assert model.messages == (message("user", "Hi"), message("assistant", "Hello"))
    assert model.licenses == ("MIT", "BSD")
    assert model.requires == "0.14.0"
    assert model.size == len(config) + sum(map(len, layers.values()))
    assert model.modified.timestamp() == pytest.approx(path.stat().st_mtime, abs=1e-5)
    assert model.details == Details("gguf", "llama", ("llama", "clip"), "3.2B", "Q4_K_M")
    assert [one.name for one in library.all()] == [Name("cria"), Name("m")]
    assert faults(library.store) == []


@pytest.mark.parametrize("config", [b'{"renderer":"qwen3-coder"}', b'{"parser":"qwen3-coder"}'])
def test_a_model_with_a_renderer_uses_its_files_own_template(
    root: Path, library: Library, config: bytes
) -> None:
    data = manifest(root, {"model": b"GGUF", "template": b"{{ .Prompt }}"}, config)
    lay_manifest(root, LATEST, data)
    model = library.find("m")
    assert model.template == ""
    assert model.written_template == "{{ .Prompt }}"
    assert "qwen3-coder" in (model.renderer, model.parser)


def test_names_are_found_whatever_their_case(root: Path, library: Library) -> None:
    lay_manifest(root, "hf.co/Org/Repo-GGUF/Q4_K_M", manifest(root, {"model": b"GGUF"}))
    assert str(library.find("HF.CO/org/repo-gguf:q4_k_m").name) == "hf.co/Org/Repo-GGUF:Q4_K_M"
    library.copy("hf.co/org/repo-gguf:Q4_K_M", "HF.co/ORG/repo-gguf:new")
    assert sorted(path.name for path in (root / "manifests/hf.co/Org/Repo-GGUF").iterdir()) == [
        "Q4_K_M",
        "new",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"x" * (5 << 20),
        LLAMA_MANIFEST.replace(b'"sha256:34bb', b'"sha256:../../../'),
        LLAMA_MANIFEST.replace(b'"sha256:34bb', b'"sha512:34bb'),
        LLAMA_MANIFEST.replace(b'"size":561', b'"size":-1'),
        LLAMA_MANIFEST.replace(b'"size":561', b'"size":"561"'),
        LLAMA_MANIFEST.replace(b"docker.distribution.manifest", b"ollama.manifest.list"),
    ],
)  # fmt: skip
def test_a_hostile_manifest_is_a_clear_error_and_hides_no_other_model(
    root: Path, library: Library, data: bytes
) -> None:
    lay_manifest(root, LATEST, data)
    lay_manifest(root, "registry.ollama.ai/library/good/1", manifest(root, {"model": b"GGUF"}))
    with pytest.raises(BadModelFile):
        library.find("m")
    assert [str(model.name) for model in library.all()] == ["cria:latest", "good:1"]
    assert [fault.where for fault in faults(library.store)] == ["m:latest"]
    library.copy("good:1", "m")
    assert library.find("m").weights == library.find("good:1").weights
    assert len(library.history("m")) == 1
    assert faults(library.store) == []


@pytest.mark.parametrize(
    ("layers", "config", "says"),
    [
        ({"params": b'{"top_k":"many"}'}, b"{}", "top_k is 'many'"),
        ({"params": b"[1]"}, b"{}", "broken"),
        ({"messages": b'[{"role":"judge"}]'}, b"{}", "message of m:latest is broken"),
        ({"messages": b'[{"role":"user","images":["%"]}]'}, b"{}", "not base64"),
        ({}, b"[]", "broken"),
        ({}, b'{"model_format":' + b"[" * 9000, "broken"),
    ],
)
def test_hostile_parts_are_clear_errors(
    root: Path, library: Library, layers: dict[str, bytes], config: bytes, says: str
) -> None:
    lay_manifest(root, LATEST, manifest(root, {"model": b"GGUF"} | layers, config))
    with pytest.raises(BadModelFile, match=says):
        library.find("m")


def test_a_blob_that_is_not_what_it_should_be_is_refused(root: Path, library: Library) -> None:
    lay_manifest(root, LATEST, manifest(root, {"model": b"GGUF", "system": b"Be kind."}))
    system = root / "blobs" / digest(b"Be kind.").replace(":", "-")
    system.write_bytes(b"Be evil.")
    with pytest.raises(StoreDamaged, match="is not what its name says"):
        library.find("m")
    system.write_bytes(b"Be kind.")
    weights = root / "blobs" / digest(b"GGUF").replace(":", "-")
    weights.write_bytes(b"GGUF, longer")
    with pytest.raises(StoreDamaged, match="has 12 bytes, its manifest says 4"):
        library.find("m")
    assert {fault.where for fault in faults(library.store)} == {"m:latest", digest(b"GGUF")}


def test_a_link_may_not_lead_out_of_the_store_though_the_store_may_be_one(
    root: Path, tmp_path: Path
) -> None:
    lay_manifest(root, LATEST, manifest(root, {"model": b"GGUF", "system": b"secret"}))
    system = root / "blobs" / digest(b"secret").replace(":", "-")
    outside = tmp_path / "outside"
    system.rename(outside)
    system.symlink_to(outside)
    with pytest.raises(StoreDamaged, match="link that leads out of the store"):
        Library(Store(root)).find("m")
    outside.rename(system)
    (root / "blobs").rename(tmp_path / "disk")
    (root / "blobs").symlink_to(tmp_path / "disk")
    (tmp_path / "link").symlink_to(root)
    assert Library(Store(tmp_path / "link")).find("m").system == "secret"
    stolen = tmp_path / "stolen"
    stolen.write_bytes(manifest(root, {"model": b"GGUF"}))
    (root / "manifests" / LATEST).unlink()
    (root / "manifests" / LATEST).symlink_to(stolen)
    with pytest.raises(StoreDamaged, match="link that leads out of the store"):
        Library(Store(root)).find("m")


def test_a_model_that_runs_elsewhere_has_no_weights_here(root: Path, library: Library) -> None:
    config = b'{"remote_host":"https://ollama.com:443","remote_model":"big"}'
    lay_manifest(root, LATEST, manifest(root, {"template": b"x"}, config))
    with pytest.raises(MissingCapability, match="no weights"):
        library.find("m")


def test_reading_a_store_writes_nothing(root: Path) -> None:
    lay_manifest(root, LATEST, manifest(root, {"model": b"GGUF"}))
    before = sorted(root.rglob("*"))
    library = Library(Store(root))
    library.find("m")
    library.all()
    library.history("m")
    with pytest.raises(ModelNotFound, match="was not found"):
        library.find("guanaco")
    assert sorted(root.rglob("*")) == before
    assert Library(Store(root.parent / "none")).all() == [library.find("cria")]


def test_an_upload_becomes_a_blob_only_when_it_is_what_was_said(root: Path) -> None:
    blobs = Store(root).blobs
    with blobs.upload(digest(b"hello")) as upload:
        upload.write(b"hel")
        upload.write(memoryview(b"lo"))
        assert not blobs.has(digest(b"hello"))
        assert upload.commit() == digest(b"hello")
    assert blobs.read(digest(b"hello"), 5) == b"hello"
    with blobs.upload(digest(b"hello!")) as upload:
        upload.write(b"hullo!")
        with pytest.raises(BadRequest, match="Send it again"):
            upload.commit()
    with blobs.upload(digest(b"x")) as upload:
        upload.write(b"x")
    assert [path.name for path in blobs.entries()] == [digest(b"hello").replace(":", "-")]
    for wrong in (
        "",
        "sha256:",
        "sha256:xyz",
        "../etc/passwd",
        digest(b"") + "0",
        "md5:" + "0" * 64,
    ):
        with pytest.raises(BadRequest, match="is not a digest"):
            blobs.upload(wrong)
    with pytest.raises(StoreDamaged, match="larger than"):
        blobs.read(digest(b"hello"), 4)


def test_a_store_that_cannot_be_written_says_so(root: Path) -> None:
    root.write_text("a file where a folder should be")
    for act in (lambda: Store(root).blobs.upload(), lambda: Store(root).change().__enter__()):
        with pytest.raises(StoreUnwritable, match=r"cannot be written: Not a directory.*has room"):
            act()


def test_an_old_manifest_without_a_config_is_read(root: Path, library: Library) -> None:
    data = manifest(root, {"model": b"GGUF", "prompt": b"{{ .Prompt }}"})
    lay_manifest(root, LATEST, b'{"layers":' + data.partition(b'"layers":')[2])
    assert library.find("m").template == "{{ .Prompt }}"
    assert library.find("m").size == len(b"GGUF{{ .Prompt }}")
    assert not list(manifest_faults(library.store))


def test_who_asks_for_a_blob_finds_it_for_a_while(root: Path) -> None:
    store = Store(root)
    old = lay_blob(root, b"old")
    age(store.blobs.path(old), 100_000)
    assert survey(store).blobs == (old,)
    assert store.offers(old)
    assert survey(store).blobs == ()
    assert not store.offers(digest(b"none"))


def test_a_file_that_another_program_took_away_is_a_clear_error(root: Path) -> None:
    upload = Store(root).blobs.upload()
    upload.write(b"x")
    for path in (root / "blobs").iterdir():
        path.unlink()
    with pytest.raises(StoreDamaged, match="taken away"):
        upload.commit()
