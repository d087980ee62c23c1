"""From where the settings' values come: flags, the environment and a file, the strongest first."""

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from platformdirs import user_config_path
from pydantic import ValidationError

from puna.errors import BadSetting
from puna.settings import Effect, Settings

FILE = user_config_path("puna") / "config.yaml"
FILE_NAME = "PUNA_CONFIG"
# What else of ours the environment may have.
OTHERS = frozenset({FILE_NAME})


class Told(msgspec.Struct, frozen=True):
    """One setting with its value and where that came from."""

    name: str
    value: Any
    origin: str
    effect: Effect
    description: str
    environment: tuple[str, ...]


class Configuration:
    """Settings, what gave each its value, and what of the sources nobody knows.

    An origin is a flag, a variable of the environment, a file, or `default`.
    """

    def __init__(
        self,
        flags: Mapping[str, Any] | None = None,
        file: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._flags = flags or {}
        self._file = file
        self._environment = os.environ if environment is None else environment
        self.settings, self.origins = self._read()
        self.warnings = tuple(_unknown(self._environment))
        # Who has to hear of new settings, as they do not look at them whenever they act.
        self.hearers: list[Callable[[Settings], None]] = []

    def _read(self) -> tuple[Settings, dict[str, str]]:
        """The settings as all sources together have them, the weakest first."""
        given = _of_file(_file(self._file, self._environment))
        given |= _of_environment(self._environment)
        given |= {name: (value, flag(name)) for name, value in self._flags.items()}
        origins = {name: origin for name, (_, origin) in given.items()}
        try:
            settings = Settings(**{name: value for name, (value, _) in given.items()})
        except ValidationError as error:
            raise _refusal(error, origins) from None
        return settings, dict.fromkeys(Settings.model_fields, "default") | origins

    def renew(self) -> list[str]:
        """Read the sources again, for what acts live; the answer is what awaits a restart."""
        settings, origins = self._read()
        waiting = self.settings.renew(settings)
        self.origins = {
            name: self.origins[name] if name in waiting else origin
            for name, origin in origins.items()
        }
        for hear in self.hearers:
            hear(self.settings)
        return waiting

    def shadowed(self) -> list[tuple[str, list[str]]]:
        """Where sources say different things of a setting: which wins, and over which."""
        sources = [
            _of_file(_file(self._file, self._environment)),
            *(_of_environment(self._environment, strength) for strength in (1, 0)),
            {name: (value, flag(name)) for name, value in self._flags.items()},
        ]
        found: list[tuple[str, list[str]]] = []
        for name in Settings.model_fields:
            *weaker, (value, winner) = [(None, ""), *(one[name] for one in sources if name in one)]
            others = [origin for said, origin in weaker if origin and str(said) != str(value)]
            if others:
                found.append((winner, others))
        return found

    def told(self) -> list[Told]:
        """Every setting as people may see it; of a secret only that there is one."""
        values = self.settings.model_dump(mode="json")
        return [
            Told(
                name=name,
                value=values[name],
                origin=self.origins[name],
                effect=Settings.effect(name),
                description=field.description or "",
                environment=Settings.environment(name),
            )
            for name, field in Settings.model_fields.items()
        ]


def flag(name: str) -> str:
    """A setting's flag."""
    return f"--{name.replace('_', '-')}"


def _file(named: Path | None, environment: Mapping[str, str]) -> Path | None:
    if named is not None:
        return named
    if path := _value(environment, FILE_NAME):
        return Path(path).expanduser()
    return FILE if FILE.exists() else None


def _of_file(path: Path | None) -> dict[str, tuple[Any, str]]:
    if path is None:
        return {}
    # Only those who have a file wait for it.
    import yaml

    try:
        content: object = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSetting(f"The settings' file {path} cannot be read: {error}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BadSetting(f"The settings' file {path} has no names with values in it.")
    named = cast(dict[object, object], content)
    return {_known(str(name), path): (value, str(path)) for name, value in named.items()}


def _known(name: str, path: Path) -> str:
    """A name in a file may be written as the flag is."""
    plain = name.replace("-", "_")
    if plain not in Settings.model_fields:
        known = Settings.model_fields
        raise BadSetting(f"{path} sets {name!r}, which is no setting.", _nearest(plain, known))
    return plain


def _of_environment(
    environment: Mapping[str, str], strength: int | None = None
) -> dict[str, tuple[Any, str]]:
    """What the environment says; with a strength, only by the variables of that place."""
    return {
        name: (value, variable)
        for name in Settings.model_fields
        for place, variable in reversed([*enumerate(Settings.environment(name))])
        if strength in (None, place) and (value := _value(environment, variable))
    }


def _value(environment: Mapping[str, str], variable: str) -> str:
    """A variable's value. As with Ollama, quotes are no part of it and an empty one is none."""
    return environment.get(variable, "").strip().strip("\"'")


def _unknown(environment: Mapping[str, str]) -> Iterable[str]:
    known = [name for field in Settings.model_fields for name in Settings.environment(field)]
    for variable in sorted(environment):
        if variable in known or variable in OTHERS:
            continue
        if variable.startswith("PUNA_"):
            yield f"{variable} is no setting and has no effect. {_nearest(variable, known)}".strip()
        elif variable.startswith("OLLAMA_"):
            yield f"{variable} has no counterpart in Puna and no effect."


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def _refusal(error: ValidationError, origins: Mapping[str, str]) -> BadSetting:
    faults: list[str] = []
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0])
        origin = origins.get(name, name)
        # A file sets many.
        where = f"{name} in {origin}" if os.sep in origin else origin
        why = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{where} is {fault['input']!r}: {why}.")
    return BadSetting(" ".join(faults))
