"""A build from a folder of files, with no network; killed in its midst it goes on where it stopped.

The toolchain is the real one. None of these builds is finished: in test_building.py one is.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from puna.builds.building import WORK, Order
from puna.builds.shelf import Shelf
from puna.builds.shell import Shell
from puna.builds.toolchain import Toolchain, fetch, pinned
from puna.errors import EngineNotBuilt

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SECONDS = 600.0
# So many files are compiled before a build is killed.
COMPILED = 3
# Where nobody listens, so that whoever asks is refused at once.
CLOSED = "http://127.0.0.1:9"
NO_NETWORK = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": f"{CLOSED}/simple",
    "PIP_RETRIES": "0",
    **{f"{kind}_proxy": CLOSED for kind in ("http", "https", "all")},
    **{f"{kind}_PROXY": CLOSED for kind in ("HTTP", "HTTPS", "ALL")},
}
PUNA = (sys.executable, "-m", "puna", "engine", "build")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--download` fetched."""
    folder = tmp_path_factory.mktemp("files")
    command = [*PUNA, "--download", folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"{folder} has what a build needs: puna engine build --from {folder}\n"
    return folder


@pytest.fixture
def offline(tmp_path: Path) -> Shell:
    """Commands that reach no network."""
    return Shell(tmp_path / "log.txt", NO_NETWORK)


def wait_for(met: Callable[[], bool], what: str, *building: "Building") -> None:
    """Wait until it is so; the builds must not end before."""
    end = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < end, what
        for one in building:
            assert one.process.poll() is None, f"{what}: {one.said}"
        time.sleep(0.05)


class Building:
    """`puna engine build --from` in a group of processes of its own, without a network."""

    def __init__(self, files: Path, home: Path, said: Path) -> None:
        self._said = said
        self.work = Shelf(home).folder / WORK / Order().name
        with said.open("w") as stream:
            self.process = subprocess.Popen(
                [*PUNA, "--from", files, "--home", home],
                env=os.environ | NO_NETWORK,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def kill(self) -> None:
        """Kill it with all that it has started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def runs(self) -> list[list[tuple[int, int]]]:
        """How many steps were done, and of how many, in each run of the compilation."""
        log = self.work / "log.txt"
        text = log.read_text() if log.exists() else ""
        commands = [run for run in text.split("\n$ ") if "ninja -C" in run.partition("\n")[0]]
        steps = (re.findall(r"^\[(\d+)/(\d+)\]", run, re.MULTILINE) for run in commands)
        return [[(int(done), int(total)) for done, total in run] for run in steps]

    def objects(self) -> dict[Path, int]:
        """What is compiled already, and when it was."""
        log = (self.work / "build" / ".ninja_log").read_text()
        # Of what was killed while it was written the last line may be a part.
        lines = log[: log.rindex("\n")].splitlines()[1:]
        paths = {self.work / "build" / line.split("\t")[3] for line in lines}
        return {path: path.stat().st_mtime_ns for path in paths if path.suffix == ".o"}


@pytest.fixture
def start(files: Path, tmp_path: Path) -> Iterator[Callable[[], Building]]:
    """Starts builds of the same, which end with the test."""
    started: list[Building] = []

    def begin() -> Building:
        said = tmp_path / f"said-{len(started)}.txt"
        started.append(Building(files, tmp_path / "home", said))
        return started[-1]

    # What the compiler made of its own C library in an earlier run, which takes it minutes.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    compilers = cache / "puna" / "tests" / "zig"
    compilers.mkdir(parents=True, exist_ok=True)
    work = Shelf(tmp_path / "home").folder / WORK / Order().name
    work.mkdir(parents=True)
    (work / "zig").symlink_to(compilers)

    yield begin
    for one in started:
        one.kill()


def test_what_is_downloaded_is_what_is_pinned(files: Path) -> None:
    names = {re.split(r"-\d", path.name)[0]: path.name for path in files.iterdir()}
    assert names.keys() == pinned().keys()
    assert all(f"-{version}" in names[name] for name, version in pinned().items())


def test_without_a_network_and_without_files_the_way_out_is_told(
    offline: Shell, tmp_path: Path
) -> None:
    with pytest.raises(EngineNotBuilt, match="name a folder of these files with --from"):
        fetch(offline, tmp_path / "fetched", None, tmp_path)


def test_a_file_that_was_changed_is_refused(offline: Shell, files: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for path in files.iterdir():
        (given / path.name).symlink_to(path)
    ninja = next(given.glob("ninja-*"))
    whole = ninja.read_bytes()
    ninja.unlink()
    ninja.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(EngineNotBuilt, match=r"(?s)DO NOT MATCH THE HASHES.*ninja==") as told:
        list(Toolchain(tmp_path / "work").lay_out(offline, given))
    assert "--from" in str(told.value)


def test_killed_in_its_midst_it_goes_on_where_it_stopped(
    start: Callable[[], Building],
) -> None:
    first = start()
    wait_for(lambda: any(len(run) >= COMPILED for run in first.runs()), "compiling", first)
    # Who comes second does nothing until the first has ended, however it ends.
    second = start()
    waiting = "waiting for another build of the same"
    wait_for(lambda: waiting in second.said, "waiting", first, second)
    assert second.said.splitlines() == [waiting]
    first.kill()
    done = first.objects()
    assert len(done) >= 1
    wait_for(lambda: len(second.runs()) == 2 and bool(second.runs()[1]), "going on", second)
    second.kill()
    before, after = second.runs()
    # Neither fetched nor unpacked again, nor compiled what was.
    assert second.said.splitlines()[:2] == [waiting, "configuring"]
    assert after[0][1] <= before[0][1] - len(done)
    assert {path: path.stat().st_mtime_ns for path in done} == done
