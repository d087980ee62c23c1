"""Commands run in this process, which is sooner than to start one for each."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from puna.cli.app import run


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Puna = Callable[..., Ran]


def runner(capsys: pytest.CaptureFixture[str]) -> Puna:
    """Runs commands, and hands back what they wrote."""

    def puna(*words: str) -> Ran:
        capsys.readouterr()
        code = run(words)
        written = capsys.readouterr()
        return Ran(code, written.out, written.err)

    return puna
