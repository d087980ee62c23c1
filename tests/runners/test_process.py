"""A runner's process: its environment, its limits, its log, its end."""

import asyncio
import os
import resource
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.runners.process import LEASH, LogTail, RunnerProcess, allowed_environment, describe_exit


def test_only_what_is_on_the_list_is_allowed() -> None:
    allowed = {"PATH": "/bin", "GLIBC_TUNABLES": "x=1", "GGML_X": "1", "DYLD_X": "1"}
    environment = allowed | {"AWS_KEY": "hush", "GGMLX": "no"}
    assert allowed_environment(environment) == allowed


@given(st.lists(st.text("abc", max_size=30)), st.integers(1, 40))
def test_a_log_tail_is_an_end_of_the_log_and_bounded(pieces: list[str], limit: int) -> None:
    tail = LogTail(limit)
    for piece in pieces:
        tail.add(piece.encode())
        assert len(str(tail)) <= limit
    assert "".join(pieces).endswith(str(tail))
    assert str(tail) or not any(pieces)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with code 0"), (-6, "was ended by SIGABRT"), (-9, "memory runs out")],
)
def test_an_exit_is_told_in_words(code: int, words: str) -> None:
    assert words in describe_exit(code)


async def run(program: str) -> RunnerProcess:
    process = await RunnerProcess.start((sys.executable, "-c", program), {})
    await process.ended()
    return process


async def test_a_process_leaves_no_core_file_fills_no_disk_and_opens_few_files() -> None:
    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 1 << 30, resource.RLIMIT_NOFILE: 4096}
    process = await run(f"import resource as r; print(*map(r.getrlimit, {[*bounds]}))")
    hard = {kind: resource.getrlimit(kind)[1] for kind in bounds}
    most = {
        kind: bound if hard[kind] == resource.RLIM_INFINITY else min(hard[kind], bound)
        for kind, bound in bounds.items()
    }
    assert str(process.log) == " ".join(f"({bound}, {bound})" for bound in most.values())


async def test_why_the_library_ended_a_process_is_the_end_of_its_log() -> None:
    process = await run(
        "import ctypes\n"
        "from puna.engine.libllama import open_library\n"
        "library = ctypes.CDLL(str(open_library().origin.path))\n"
        "library.ggml_abort(b'file.c', 7, b'the reason')"
    )
    assert await process.ended() == "was ended by SIGABRT"
    assert str(process.log).endswith("file.c:7: the reason")


async def test_both_outputs_are_in_the_log() -> None:
    process = await run("import sys; print('out', flush=True); print('err', file=sys.stderr)")
    assert str(process.log).split() == ["out", "err"]


async def test_a_process_does_not_start_when_its_parent_is_another() -> None:
    process = await run(
        f"import os, sys; os.execv(sys.executable, [sys.executable, {str(LEASH)!r}, '1', 'true'])"
    )
    assert await process.ended() == "ended with code 1"
    assert str(process.log) == "The parent is gone."


async def test_killing_takes_the_children_along(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    program = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(told)!r}, "w").write(str(child.pid))
time.sleep(600)
"""
    process = await RunnerProcess.start((sys.executable, "-c", program), {})
    child = psutil.Process(int(await asyncio.to_thread(told.read_text)))
    await process.kill()
    child.wait(60)
    assert not child.is_running()
