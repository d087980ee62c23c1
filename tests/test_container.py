"""The container's files name what there is. Docker itself cannot be had in a test."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from tests.documented import ROOT
from tests.test_documented import fault_of

from puna.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS = {name for field in Settings.model_fields for name in Settings.environment(field)}


def instructions(word: str) -> list[str]:
    """What stands behind a word of the Dockerfile, with its lines joined."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return re.findall(rf"^{word} (.*)$", joined, re.MULTILINE)


def environment() -> dict[str, str]:
    """What the image sets."""
    return dict(word.split("=", 1) for word in " ".join(instructions("ENV")).split())


def test_every_setting_that_is_named_is_one() -> None:
    named = {name for name in environment() if name.startswith("PUNA_")}
    for service in SERVICES.values():
        named |= set(service["environment"])
    assert named <= SETTINGS
    assert environment()["PUNA_HOST"] == "0.0.0.0"


def test_what_is_copied_is_there_and_is_sent() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in sent
    for line in instructions("COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in sent, source


def test_the_server_is_nobody_and_keeps_its_home_in_the_volume() -> None:
    assert instructions("USER") == ["puna"]
    home = environment()["PUNA_HOME"]
    assert instructions("VOLUME") == [home]
    for service in SERVICES.values():
        assert service["volumes"] == [f"home:{home}"]
    assert "home" in COMPOSE["volumes"]


def test_what_is_called_are_commands() -> None:
    (health,) = instructions("HEALTHCHECK")
    asked = json.loads(health[health.index("CMD") + 3 :])
    started = [*json.loads(instructions("ENTRYPOINT")[0]), *json.loads(instructions("CMD")[0])]
    for words in (asked, started):
        assert fault_of(" ".join(words)) is None


def test_only_this_machine_reaches_it_by_default() -> None:
    for service in SERVICES.values():
        assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in instructions("EXPOSE")]


def test_each_service_is_a_profile_and_takes_privileges_away() -> None:
    for name, service in SERVICES.items():
        assert service["profiles"] == [name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"]


def test_the_base_is_an_argument_that_the_dockerfile_has() -> None:
    known = {line.partition("=")[0] for line in instructions("ARG")}
    assert set(SERVICES["nvidia"]["build"]["args"]) <= known
    assert instructions("FROM") == ["${BASE}"]


def test_the_end_may_take_longer_than_answers_have() -> None:
    grace = Settings.model_fields["grace"].default
    for service in SERVICES.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > grace + 10


def test_the_files_are_where_docker_looks() -> None:
    assert {path.name for path in Path(ROOT).glob("*ompose.y*ml")} == {"compose.yaml"}
