"""Which engine a server runs, and what it says of others."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import httpx
import pytest

from puna.builds.machine import this_machine
from puna.builds.record import Gain, Passed, Record, now
from puna.builds.shelf import EMBEDDED, Shelf
from puna.engine import abi


def put(home: Path, **fields: Any) -> Record:
    """A record as a build leaves it, of no libraries."""
    shelf, machine = Shelf(home), this_machine()
    record = Record(name="cpu-1", version=abi.VERSION, **fields)
    if record.gain is not None:
        passed = Passed(now(), machine.processor, machine.mark, {"answers": "right"})
        record = Record(name="cpu-1", version=abi.VERSION, passed=passed, **fields)
    shelf.place("cpu-1").mkdir(parents=True)
    shelf.keep(record)
    return record


async def test_without_a_native_engine_the_embedded_one_runs(serve: Any) -> None:
    async with serve() as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["running"] == EMBEDDED
    assert [(one["name"], one["default"], one["running"]) for one in told["engines"]] == [
        (EMBEDDED, True, True)
    ]


async def test_an_idle_engine_is_told_with_what_it_measured(serve: Any, tmp_path: Path) -> None:
    put(tmp_path, gain=Gain(2.5, 1.75, "a model"))
    async with serve() as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["running"] == EMBEDDED
    assert told["engines"][1]["gain"] == {"prefill": 2.5, "decode": 1.75, "model": "a model"}
    assert "2.5 times the prefill and 1.75 times the decode" in told["suggestion"]
    assert "`puna engine use cpu-1`" in told["suggestion"]


@pytest.mark.parametrize("gain", [Gain(1.1, 1.05, "a model"), Gain(2.5, 0.9, "a model")])
async def test_an_idle_engine_that_is_not_faster_is_not_recommended(
    gain: Gain, serve: Any, tmp_path: Path
) -> None:
    put(tmp_path, gain=gain)
    async with serve() as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["suggestion"] == ""


def test_at_a_terminal_a_start_says_once_what_a_faster_engine_gains(tmp_path: Path) -> None:
    put(tmp_path, gain=Gain(2.5, 1.75, "a model"))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "puna", "serve", "--port", "0", "--home", tmp_path]
    with (
        open(ours, errors="replace") as screen,
        subprocess.Popen(command, stdout=theirs, stderr=theirs) as process,
    ):
        os.close(theirs)
        listens = screen.readline()
        hint = screen.readline()
        address = listens.split()[-1]
        assert httpx.get(f"{address}/puna/v1/engines", timeout=60).json()["suggestion"] in hint
        process.terminate()
        rest = list(lines_of(screen))
    assert hint.rstrip() == (
        "There is a faster engine: cpu-1 measured 2.5 times the prefill and 1.75 times the decode"
        " of the embedded one here (a model). To use it: `puna engine use cpu-1`."
    )
    assert process.returncode == 0
    assert not any("cpu-1" in line for line in rest)


def lines_of(screen: TextIO) -> Iterator[str]:
    """What else is shown, until nobody holds the other side any more."""
    # Linux tells that with an error.
    with suppress(OSError):
        yield from screen


async def test_no_gain_is_claimed_that_was_not_measured(serve: Any, tmp_path: Path) -> None:
    put(tmp_path, failed="It crashed.")
    async with serve() as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["suggestion"] == ""
    assert told["engines"][1]["failed"] == "It crashed."


async def test_a_default_that_is_gone_or_changed_is_not_run(serve: Any, tmp_path: Path) -> None:
    Shelf(tmp_path).default = "cpu-1"
    async with serve() as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["running"] == EMBEDDED
    assert "not there any more" in told["refused"]
    put(tmp_path, files={"libllama.so": "00"})
    async with serve() as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["running"] == EMBEDDED
    assert "not those that were built" in told["refused"]


async def test_an_engine_that_is_asked_for_is_stronger_than_the_default(
    serve: Any, tmp_path: Path
) -> None:
    Shelf(tmp_path).default = "cpu-1"
    async with serve(engine=tmp_path / "libllama.so") as client:
        told = (await client.get("/puna/v1/engines")).json()
    assert told["running"] == str(tmp_path / "libllama.so")
    assert told["refused"] == ""
