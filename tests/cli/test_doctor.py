"""`puna doctor`: each thing that may be wrong, and the whole, with and without a server."""

import os
import socketserver
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import httpx
import pytest
from tests.cli.inside import Puna, runner
from tests.clients.conftest import serving
from tests.models.hand_laid import lay_blob

from puna.cli.checkup import machine, setup
from puna.cli.checkup.finding import Finding
from puna.configuration import Configuration
from puna.engine.origin import embedded
from puna.hosts.host import Device
from puna.settings import Settings

TOPICS = {
    "settings", "engine", "device", "driver", "memory", "disk", "permissions", "store", "port",
    "server",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def puna(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Puna:
    for name in list(os.environ):
        if name.startswith(("PUNA_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PUNA_CONFIG", os.devnull)
    monkeypatch.setenv("PUNA_HOME", str(home))
    monkeypatch.setenv("PUNA_PORT", "1")
    return runner(capsys)


def settings(home: Path, **more: object) -> Settings:
    return Settings.model_validate({"home": home, **more})


def states(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.topic, finding.state) for finding in findings]


def test_everything_is_looked_at_without_a_server(puna: Puna) -> None:
    told = puna("doctor", "--json", "--host", "127.0.0.1:1")
    findings = told.json["findings"]
    assert {one["topic"] for one in findings} == TOPICS
    assert {one["state"] for one in findings if one["topic"] == "engine"} == {"ok"}
    (server,) = [one for one in findings if one["topic"] == "server"]
    assert (server["state"], server["mend"]) == ("warn", "`puna serve` starts one.")
    assert told.code == (1 if any(one["state"] == "fail" for one in findings) else 0)


def test_a_server_that_runs_is_known_with_its_version(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(home) as address:
        assert states(setup.server(address)) == [("server", "ok")]
        monkeypatch.setattr(setup, "__version__", "9.9")
        (other,) = setup.server(address)
        assert (other.state, "this is 9.9" in other.text) == ("warn", True)
        number = int(address.rpartition(":")[2])
        assert states(setup.port(settings(home, host="127.0.0.1", port=number))) == [("port", "ok")]


def test_settings_that_make_no_sense_end_it_at_once(
    puna: Puna, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNA_KEEP_ALIVE", "soon")
    refused = puna("doctor")
    assert refused.code == 1
    assert refused.out.startswith("fail  settings     PUNA_KEEP_ALIVE is 'soon'")


def test_sources_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    file = tmp_path / "puna.yaml"
    file.write_text("batch: 64\nmax_queue: 5\n")
    environment = {
        "OLLAMA_KEEP_ALIVE": "5m",
        "PUNA_KEEP_ALIVE": "6m",
        "PUNA_BATCH": "128",
        "OLLAMA_MAX_QUEUE": "5",
        "PUNA_PROT": "1",
    }
    found = list(setup.settings(Configuration({}, file, environment)))
    assert {one.state for one in found} == {"warn"}
    texts = [one.text for one in found]
    assert len(texts) == 3
    assert "OLLAMA_KEEP_ALIVE has no effect, since PUNA_KEEP_ALIVE says otherwise." in texts
    assert f"{file} has no effect, since PUNA_BATCH says otherwise." in texts
    assert "PUNA_PROT is no setting" in texts[0]


def test_a_flag_hides_all_other_sources(tmp_path: Path) -> None:
    file = tmp_path / "puna.yaml"
    file.write_text("keep_alive: 1m\n")
    environment = {"OLLAMA_KEEP_ALIVE": "5m", "PUNA_KEEP_ALIVE": "6m"}
    configuration = Configuration({"keep_alive": "7m"}, file, environment)
    hidden = [str(file), "OLLAMA_KEEP_ALIVE", "PUNA_KEEP_ALIVE"]
    assert configuration.shadowed() == [("--keep-alive", hidden)]


def test_an_engine_that_is_not_the_recorded_one_fails(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(embedded(), sha256="0" * 64)
    monkeypatch.setattr(machine, "embedded", lambda: other)
    (found,) = machine.engine(settings(home))
    assert (found.topic, found.state) == ("engine", "fail")
    assert "recorded is 0000" in found.text
    assert found.mend


def test_an_engine_that_does_not_open_fails(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "libllama.so").write_bytes(b"something else")
    for path in (folder, tmp_path / "none.so"):
        (found,) = machine.engine(settings(home, engine=path))
        assert (found.topic, found.state) == ("engine", "fail")
        assert found.mend


def test_a_driver_that_the_engine_makes_no_use_of_is_told(tmp_path: Path) -> None:
    driver, none = tmp_path / "version", tmp_path / "none"
    driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\n")
    cpu = Device("CPU", "cpu", "a processor", 1, 1)
    gpu = Device("CUDA0", "gpu", "a card", 1, 1)
    (unused,) = machine.drivers((cpu,), driver, none)
    assert (unused.state, "550.54.15" in unused.text) == ("warn", True)
    assert states(machine.drivers((cpu, gpu), driver, none)) == [("driver", "ok")]
    assert states(machine.drivers((cpu,), none, none)) == [("driver", "ok")]


def test_a_split_between_gpus_that_are_not_there_is_told(home: Path) -> None:
    cpu = Device("CPU", "cpu", "a processor", 1, 1)
    gpus = [Device(f"CUDA{number}", "gpu", "a card", 1, 1) for number in range(2)]
    split = settings(home, tensor_split="3,1")
    (found,) = machine.splits(split, (cpu, gpus[0]))
    assert (found.topic, found.state) == ("device", "warn")
    assert found.text == "tensor_split (3,1) has no effect, since the engine sees only one GPU."
    assert [*machine.splits(split, (cpu, *gpus))] == []
    assert [*machine.splits(settings(home), (cpu,))] == []
    told = [(one.topic, one.state) for one in machine.engine(split)]
    assert told.count(("device", "warn")) == 1


def test_a_home_that_others_may_look_into_is_told(home: Path) -> None:
    home.chmod(0o755)
    (found,) = setup.folders(settings(home))
    assert (found.state, found.mend) == ("warn", f"`chmod 700 {home}`")
    home.chmod(0o700)
    assert states(setup.folders(settings(home))) == [("permissions", "ok")]
    assert states(setup.folders(settings(home / "new" / "one"))) == [("permissions", "ok")]


def test_a_folder_that_cannot_be_written_to_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "models").mkdir()
    # Tests may be root's, who may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert states(setup.folders(settings(home))) == [
        ("permissions", "fail"),
        ("permissions", "warn"),
    ]


def test_a_store_that_lacks_a_blob_is_told_with_its_mend(home: Path) -> None:
    with serving(home) as address:
        made = {"model": "parrot", "from": "cria", "system": "Hello", "stream": False}
        httpx.post(f"{address}/api/create", json=made, timeout=60).raise_for_status()
    sound = settings(home)
    assert states(setup.store(sound, thorough=False)) == [("store", "ok")]
    assert states(setup.store(sound, thorough=True)) == [("store", "ok")]
    waste = lay_blob(home / "models", b"true")
    blob = home / "models/blobs" / waste.replace(":", "-")
    blob.write_bytes(b"lies")
    assert states(setup.store(sound, thorough=False)) == [("store", "ok")]
    (found,) = setup.store(sound, thorough=True)
    assert (found.state, waste in found.text) == ("fail", True)
    blob.unlink()
    for each in (home / "models/blobs").iterdir():
        each.unlink()
    (broken, *_) = setup.store(sound, thorough=False)
    assert broken.state == "fail"
    assert broken.text.startswith("parrot:latest")
    assert "`puna rm parrot:latest`" in broken.mend


def test_a_port_that_somebody_else_has_fails_with_who_has_it(home: Path) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as other:
        Thread(target=other.serve_forever).start()
        (found,) = setup.port(settings(home, host="127.0.0.1", port=other.server_address[1]))
        other.shutdown()
    assert found.state == "fail"
    assert f"(process {os.getpid()})" in found.text


def test_a_port_that_nobody_has_is_free(home: Path) -> None:
    assert states(setup.port(settings(home, host="127.0.0.1", port=0))) == [("port", "ok")]
