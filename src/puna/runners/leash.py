"""Ties a command to its parent, bounds what it may take, and becomes it.

Usage: python -P leash.py [--large-files] PARENT -m MODULE... | PROGRAM...

Where the system can (Linux), the command is killed the moment its parent dies, however that
happens and whatever state it is in; elsewhere it notices by its socket. This runs as a bare
script before anything else of Puna is imported, and a module runs in the same interpreter, so
that it costs a start only milliseconds.
"""

import ctypes
import os
import resource
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1
# No core files, since prompts would be in them; few open files; no file that fills a disk.
LIMITS = (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NOFILE, 4096),
)
# Who writes models asks to be without this one.
SMALL_FILES = (resource.RLIMIT_FSIZE, 1 << 30)
LARGE_FILES = "--large-files"


def tie_to(parent: int) -> None:
    """Ask the system to kill this process with its parent: with the thread that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the system was asked.
    if os.getppid() != parent:
        sys.exit("The parent is gone.")


def limit(limits: tuple[tuple[int, int], ...]) -> None:
    """Lower the limits of this process, which the command inherits."""
    for kind, most in limits:
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def become(command: list[str]) -> None:
    """Run a module as `python -m` does, or another program in this one's place."""
    match command:
        case ["-m", module, *_]:
            sys.argv = command[1:]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case _:
            os.execvp(command[0], command)


if __name__ == "__main__":
    is_large = sys.argv[1] == LARGE_FILES
    parent, *command = sys.argv[1 + is_large :]
    tie_to(int(parent))
    limit(LIMITS if is_large else (*LIMITS, SMALL_FILES))
    become(command)
