"""Builds the peer to measure against: llama.cpp's own server, as a native engine is built.

Usage: python benchmarks/peer.py    prints where the server and the library are

The compiler, the source, the options and what is included before the source are those of a native
engine. It is built twice: the server in one piece, since its C++ does not survive being cut into
shared libraries by this compiler, and the libraries alone, for Puna to run on (`PUNA_ENGINE`), so
that what differs is all that stands around them. Both are kept in the user's cache, by what they
are made of.
"""

import os
import sys
from pathlib import Path

from puna.builds.building import Order, alone
from puna.builds.compiling import Progress, compiled
from puna.builds.shell import Shell
from puna.builds.toolchain import Toolchain
from puna.builds.variants import NATIVE

PROGRAMS = ("llama-server", "llama-bench")
LIBRARIES = ("llama", "mtmd")


def cache() -> Path:
    """Where benchmarks keep what they build."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "puna"


def build() -> tuple[Path, Path]:
    """The peer's server and the library for Puna, built if they are not there yet."""
    options = ("BUILD_SHARED_LIBS=OFF", *NATIVE.options)
    return built(folder(), "programs", options, PROGRAMS) / "llama-server", library()


def library() -> Path:
    """The library for Puna alone."""
    return built(folder(), "libraries", NATIVE.options, LIBRARIES) / "libllama.so"


def folder() -> Path:
    """Where all that is made of the same lies."""
    return cache() / "peer" / Order().name


def built(folder: Path, name: str, options: tuple[str, ...], targets: tuple[str, ...]) -> Path:
    """The folder of what these options make of the targets, by one toolchain for all names."""
    place = folder / name
    done = place / "done"
    with alone(folder, _tell):
        if not done.exists():
            made(folder, place, options, targets)
            done.touch()
    return place / "bin"


def made(folder: Path, place: Path, options: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """Compile in a place, with the toolchain of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shell, toolchain = Shell(folder / "log.txt"), Toolchain(folder)
    for doing in toolchain.lay_out(shell, None):
        _tell(Progress(doing))
    compiled(shell, toolchain, place, options, os.cpu_count() or 1, _tell, targets)


def _tell(progress: Progress) -> None:
    print(progress.doing, f"{progress.done}/{progress.total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(*build(), sep="\n")
