"""Creating models: what manifest comes out, what is said meanwhile, what is refused."""

import json
import re
from pathlib import Path

import pytest
import stand_in_parts
from tests.models.hand_laid import LLAMA_CONFIG, age, digest, lay_manifest, manifest, tiny

from puna.errors import BadModelFile, BadRequest, MissingCapability, ModelNotFound, PunaError
from puna.jobs import message
from puna.models.creation import create
from puna.models.gc import collect
from puna.models.library import Library
from puna.models.manifest import MOST_BYTES, Layer
from puna.models.modelfile import modelfile_of, parse, write
from puna.models.names import Name
from puna.models.requests import CreateRequest, read_request, request_of, sources
from puna.models.resolving import StoredMessage, config_of
from puna.models.soundness import faults
from puna.models.store import Store


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(Store(tmp_path / "models"))


@pytest.fixture
def uploaded(library: Library, tmp_path: Path) -> dict[str, str]:
    """One small model file, and what the request says of it."""
    return {"a.gguf": library.store.blobs.add_file(tiny(tmp_path / "a.gguf"))}


def test_a_model_is_created_from_an_uploaded_file_with_all_that_a_modelfile_adds(
    library: Library, uploaded: dict[str, str]
) -> None:
    asked = CreateRequest(
        model="m:1",
        files=uploaded,
        template="{{ .Prompt }}",
        system="Be <terse>.",
        license=["MIT", "BSD"],
        parameters={"stop": ["<x>"], "temperature": 1.0, "seed": None},
        messages=[StoredMessage("user", "Hi"), StoredMessage("assistant", "Hello")],
        requires="v0.14.0",
    )
    said = [str(news) for news in create(library, asked)]
    digests = [
        *uploaded.values(), digest(b"{{ .Prompt }}"), digest(b"Be <terse>."), digest(b"MIT"),
        digest(b"BSD"), digest(b'{"stop":["\\u003cx\\u003e"],"temperature":1}\n'),
        digest(b'[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]\n'),
    ]  # fmt: skip
    assert said == [
        "parsing GGUF",
        f"using existing layer {digests[0]}",
        *(f"creating new layer {one}" for one in digests[1:]),
        "writing manifest",
        "success",
    ]
    revision = library.store.current(Name("m", "1"))
    assert [layer.digest for layer in revision.manifest.layers] == digests
    assert [layer.media_type.rpartition(".")[2] for layer in revision.manifest.layers] == [
        "model", "template", "system", "license", "license", "params", "messages",
    ]  # fmt: skip
    assert revision.data.endswith(b"}\n")
    config = config_of(library.store.blobs, revision)
    assert config.model_format == "gguf"
    assert (config.model_family, config.model_families) == ("llama", ("llama",))
    assert (config.model_type, config.file_type) == ("128", "F32")
    assert config.rootfs.diff_ids == tuple(digests)
    model = library.find("m:1")
    assert model.weights[0].read_bytes()[:4] == b"GGUF"
    assert model.parameters == {"stop": ["<x>"], "temperature": 1}
    assert model.messages == (message("user", "Hi"), message("assistant", "Hello"))
    assert model.requires == "0.14.0"
    assert faults(library.store) == []


def test_a_model_is_created_from_another_and_its_layers_are_used_again(
    library: Library, uploaded: dict[str, str]
) -> None:
    parameters = {"stop": ["a"], "top_k": 3}
    first = CreateRequest(
        "base", files=uploaded, system="One.", license="MIT", parameters=parameters,
        template="{{ .Prompt }}", renderer="r", messages=[StoredMessage("user", "Hi")],
    )  # fmt: skip
    list(create(library, first))
    changed = {"stop": ["b", "c"], "temperature": 0.5}
    asked = CreateRequest(
        "Derived", "BASE:latest", system="Two.", license="MIT", parameters=changed
    )
    said = [str(news) for news in create(library, asked)]
    model, base = library.find("derived"), library.find("base")
    assert said[0] == f"using existing layer {uploaded['a.gguf']}"
    assert f"creating new layer {digest(b'Two.')}" in said
    assert f"using existing layer {digest(b'MIT')}" in said
    assert not any(digest(b"One.") in line for line in said)
    assert model.weights == base.weights
    assert (model.system, base.system) == ("Two.", "One.")
    assert model.parameters == {"stop": ["b", "c"], "temperature": 0.5, "top_k": 3}
    assert model.licenses == ("MIT",)
    assert (model.messages, model.written_template) == (base.messages, "{{ .Prompt }}")
    assert (model.renderer, model.template) == ("r", "")
    assert model.parent == "BASE:latest"
    assert model.details == base.details


def test_split_files_adapters_and_a_projector_are_told_apart_by_their_headers(
    library: Library, tmp_path: Path
) -> None:
    parts = [tiny(tmp_path / f"m-{no + 1:05}-of-00003.gguf", no=no, count=3) for no in range(3)]
    adapter = stand_in_parts.write_adapter(tmp_path / "lora.gguf")
    projector = stand_in_parts.write_projector(tmp_path / "eyes.gguf")
    modelfile = parse(f"FROM {parts[1].name}\nFROM eyes.gguf\nADAPTER ./lora.gguf")
    found = sources(modelfile, tmp_path)
    assert (found.model, found.files, found.adapters) == ("", (*parts, projector), (adapter,))
    blobs = library.store.blobs
    # Named so that their order by name is not that of the parts.
    files = {f"{9 - place}": blobs.add_file(path) for place, path in enumerate(found.files)}
    adapters = {"lora": blobs.add_file(adapter)}
    list(create(library, request_of(modelfile, "m", "", files, adapters)))
    model = library.find("m")
    assert [path.read_bytes() for path in model.weights] == [path.read_bytes() for path in parts]
    assert model.projector == blobs.path(files["6"])
    assert model.adapters == (blobs.path(adapters["lora"]),)
    assert model.details.families == ("llama", "clip")
    again = write(modelfile_of(model))
    assert sources(parse(again), tmp_path).adapters == model.adapters
    with pytest.raises(BadModelFile, match="parts"):
        list(create(library, CreateRequest("n", files={"9": files["9"], "8": files["8"]})))
    with pytest.raises(BadRequest, match="'9' is no adapter but a model"):
        list(
            create(library, CreateRequest("n", files={"8": files["8"]}, adapters={"9": files["9"]}))
        )
    both = {**files, "5": blobs.add(projector.read_bytes() + b"\0" * 32)}
    with pytest.raises(BadRequest, match="one projector"):
        list(create(library, CreateRequest("n", files=both)))
    with pytest.raises(BadRequest, match="None of the files holds"):
        list(create(library, CreateRequest("n", files={"6": files["6"]})))
    with pytest.raises(ModelNotFound):
        library.find("n")


def test_an_adapter_comes_to_a_model_that_is_there(
    library: Library, uploaded: dict[str, str], tmp_path: Path
) -> None:
    list(create(library, CreateRequest("base", files=uploaded)))
    adapter = library.store.blobs.add_file(stand_in_parts.write_adapter(tmp_path / "lora.gguf"))
    list(create(library, CreateRequest("m", "base", adapters={"lora": adapter})))
    assert library.find("m").adapters == (library.store.blobs.path(adapter),)
    eyes = stand_in_parts.write_projector(tmp_path / "eyes.gguf").read_bytes()
    for sight in (eyes, eyes + b"\0" * 32):
        seeing = {"eyes.gguf": library.store.blobs.add(sight)}
        list(create(library, CreateRequest("m", "m", files=seeing)))
        model = library.find("m")
        assert model.projector == library.store.blobs.path(seeing["eyes.gguf"])
        assert model.adapters == (library.store.blobs.path(adapter),)
    assert [one.media_type.rpartition(".")[2] for one in _layers(library, "m")] == [
        "model", "adapter", "projector",
    ]  # fmt: skip
    with pytest.raises(BadRequest, match="holds weights, and so does the model in `from`"):
        list(create(library, CreateRequest("m", "base", files=uploaded)))


def _layers(library: Library, name: str) -> tuple[Layer, ...]:
    return library.store.current(Name(name)).manifest.layers


def test_a_model_may_be_built_on_the_one_that_comes_with_puna(library: Library) -> None:
    list(create(library, CreateRequest("mine", "cria", system="Be a llama.")))
    mine, cria = library.find("mine"), library.find("cria")
    assert mine.weights[0].read_bytes() == cria.weights[0].read_bytes()
    assert mine.details == cria.details
    assert mine.details.family
    assert mine.parent == "cria:latest"


def test_a_request_has_the_shape_of_ollamas(library: Library, uploaded: dict[str, str]) -> None:
    body = (
        '{"model":"m","files":{"a.gguf":"DIGEST"},"license":"MIT","parameters":{"num_ctx":64},'
        '"messages":[{"role":"user","content":"Hi"}],"stream":false}'
    ).replace("DIGEST", uploaded["a.gguf"])
    list(create(library, read_request(body.encode())))
    assert library.find("m").parameters == {"num_ctx": 64}
    list(create(library, read_request(b'{"name":"n","from":"m","files":null,"quantize":null}')))
    assert library.find("n").licenses == ("MIT",)
    for wrong in (b"", b"[]", b'{"model":1}', b'{"files":["a"]}', b"[" * 100_000):
        with pytest.raises(BadRequest, match="no request to create a model"):
            read_request(wrong)


def test_what_has_no_effect_any_more_is_said(library: Library, uploaded: dict[str, str]) -> None:
    asked = CreateRequest("m", files=uploaded, parameters={"num_gqa": 8})
    assert "the parameter num_gqa has no effect any more" in list(create(library, asked))
    assert library.find("m").parameters == {}


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"model": "../x"}, BadRequest, "not a model's name"),
        ({"model": "m@sha256:0123456"}, BadRequest, "is a revision, which never changes"),
        ({"files": {}}, BadRequest, "Neither `from` nor `files`"),
        ({"files": {"a": "sha256:x"}}, BadRequest, "is not a digest"),
        ({"files": {"a": digest(b"?")}}, BadRequest, "not in the store.*Upload it first"),
        ({"from_": "guanaco"}, ModelNotFound, "guanaco.*does not pull models yet"),
        ({"from_": "hf.co/org/repo:Q4_0"}, ModelNotFound, "hf.co/org/repo:Q4_0.*pull"),
        ({"from_": "https://x.org/a/b/m.gguf"}, BadRequest, "neither a file.*pull"),
        ({"parameters": {"temprature": 1}}, BadRequest, "no parameter 'temprature'.*temperature"),
        ({"parameters": {"top_k": "many"}}, BadRequest, "top_k is 'many'"),
        ({"parameters": {"stop": [1]}}, BadRequest, "stop is"),
        ({"messages": [StoredMessage("judge", "x")]}, BadRequest, "'judge' is no role"),
        ({"requires": "soon"}, BadRequest, "not a version"),
        ({"quantize": "q4_K_M"}, MissingCapability, "as Q4_K_M needs the native"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    library: Library, uploaded: dict[str, str], wrong: dict[str, object], error: type, says: str
) -> None:
    asked = {"model": "m", "files": uploaded} | wrong
    with pytest.raises(error) as caught:
        list(create(library, CreateRequest(**asked)))  # pyright: ignore[reportArgumentType]
    assert re.search(says, str(caught.value)), caught.value
    assert list(library.store.names()) == []


def test_asking_for_the_quantization_that_it_has_is_no_error(
    library: Library, uploaded: dict[str, str]
) -> None:
    assert (
        list(create(library, CreateRequest("m", files=uploaded, quantize="f32")))[-1] == "success"
    )


def test_other_formats_are_refused_in_the_words_of_the_user(
    library: Library, tmp_path: Path
) -> None:
    blobs = library.store.blobs
    safetensors = blobs.add(b"\x08\0\0\0\0\0\0\0{}      ")
    for name in ("model.safetensors", "model"):
        with pytest.raises(MissingCapability, match=f"'{name}' is a safetensors file"):
            list(create(library, CreateRequest("m", files={name: safetensors})))
    cut = tiny(tmp_path / "whole.gguf").read_bytes()[:-40]
    with pytest.raises(BadModelFile, match=r"mine\.gguf"):
        list(create(library, CreateRequest("m", files={"mine.gguf": blobs.add(cut)})))
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "model.safetensors").touch()
    with pytest.raises(MissingCapability, match="holds safetensors"):
        sources(parse("FROM ./hf"), tmp_path)


def test_what_from_names_is_seen_from_the_modelfiles_folder(tmp_path: Path) -> None:
    file = tiny(tmp_path / "m.gguf")
    for source in ("m.gguf", "./m.gguf", str(file), "m.*", "."):
        assert sources(parse(f"FROM {source}"), tmp_path).files == (file,)
    assert sources(parse("FROM llama3.2:3b"), tmp_path).model == "llama3.2:3b"
    for wrong in ("FROM a\nFROM b", "FROM a\nADAPTER none.gguf"):
        with pytest.raises(PunaError):
            sources(parse(wrong), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match="holds no GGUF file"):
        sources(parse("FROM ./empty"), tmp_path)


def test_a_blob_is_not_collected_between_its_upload_and_its_manifest(
    library: Library, uploaded: dict[str, str]
) -> None:
    old = library.store.blobs.add(b"Old words.")
    for one in (old, uploaded["a.gguf"]):
        age(library.store.blobs.path(one), 100_000)
    for _ in create(library, CreateRequest("m", files=uploaded, system="Old words.")):
        collect(library.store)
    assert library.find("m").system == "Old words."
    assert faults(library.store) == []


def test_a_base_that_is_broken_is_a_clear_error(library: Library) -> None:
    root = library.store.root
    for place, data in enumerate((b"{", b"[]", b"[" * 9000)):
        laid = manifest(root, {"model": b"GGUF", "params": data})
        lay_manifest(root, f"registry.ollama.ai/library/base/{place}", laid)
        asked = CreateRequest("m", f"base:{place}", parameters={"top_k": 1})
        with pytest.raises(BadModelFile, match="A layer of `from` is broken"):
            list(create(library, asked))


def test_what_a_model_can_do_is_read_from_its_file(library: Library) -> None:
    list(create(library, CreateRequest("mine", "cria")))
    mine, cria = library.find("mine"), library.find("cria")
    assert library.capabilities(mine) == library.capabilities(cria)
    assert {"completion", "tools", "thinking"} <= set(library.capabilities(mine))
    assert library.facts(mine).context_length == library.facts(cria).context_length > 0


def test_a_config_that_knows_more_than_puna_is_read(library: Library, tmp_path: Path) -> None:
    root = library.store.root
    data = manifest(root, {"model": b"GGUF"}, LLAMA_CONFIG)
    lay_manifest(root, "registry.ollama.ai/library/base/latest", data)
    list(create(library, CreateRequest("m", "base", system="x")))
    assert library.find("m").details.parameter_size == "3.2B"


def test_a_model_has_the_fields_of_its_base_that_puna_does_not_know(library: Library) -> None:
    root, new = library.store.root, {"others": 1, "draft": {"layers": [1, 2.5]}}
    config = json.dumps({**json.loads(LLAMA_CONFIG), **new}).encode()
    lay_manifest(
        root, "registry.ollama.ai/library/base/latest", manifest(root, {"model": b"GGUF"}, config)
    )
    list(create(library, CreateRequest("m", "base", system="x")))
    list(create(library, CreateRequest("n", "m", template="{{ .Prompt }}")))
    written = library.store.current(Name.parse("n")).manifest.config.digest
    told = json.loads(library.store.blobs.read(written, MOST_BYTES))
    assert {name: told[name] for name in new} == new
    assert told["model_type"] == "3.2B"
