"""One compilation: configured, run and collected, with progress and the time that is left."""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from puna.builds.shell import Shell
from puna.builds.toolchain import Toolchain

RELAX = Path(__file__).with_name("relax.h")
TARGETS = ("llama", "mtmd", "ggml-rpc-server")
OPTIONS = (
    "CMAKE_BUILD_TYPE=Release",
    "BUILD_SHARED_LIBS=ON",
    "GGML_OPENMP=OFF",
    "GGML_RPC=ON",
    "GGML_CCACHE=OFF",
    "LLAMA_CURL=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_UI=OFF",
    # Each file finds the others beside itself, wherever they are moved together.
    "CMAKE_PLATFORM_NO_VERSIONED_SONAME=ON",
    "CMAKE_BUILD_WITH_INSTALL_RPATH=ON",
    f"CMAKE_INSTALL_RPATH={'@loader_path' if sys.platform == 'darwin' else '$ORIGIN'}",
    "CMAKE_SHARED_LINKER_FLAGS=-s",
    "CMAKE_EXE_LINKER_FLAGS=-s",
)
_STEP = re.compile(r"\[(\d+)/(\d+)\]")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is. Seconds are what it will take, where that can be told."""

    doing: str
    done: int = 0
    total: int = 0
    seconds: float | None = None


class Pace:
    """Tells from steps done how long the rest will take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: tuple[float, int] | None = None

    def left(self, done: int, total: int) -> float | None:
        """Seconds; None until a few steps have been seen."""
        now = self._clock()
        if self._began is None:
            self._began = (now, done)
        began, first = self._began
        if done - first < 5:
            return None
        return (now - began) / (done - first) * (total - done)


def compiled(
    shell: Shell,
    toolchain: Toolchain,
    build: Path,
    options: tuple[str, ...],
    jobs: int,
    tell: Callable[[Progress], None],
    targets: tuple[str, ...] = TARGETS,
) -> list[Path]:
    """Compile in a folder, where it goes on with what lies there; the files that came of it.

    Of options that are given twice the last one holds, so these are stronger than `OPTIONS`.
    """
    cache = toolchain.folder / "zig"
    environment = {
        "PATH": f"{toolchain.ninja.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(cache),
        "NINJA_STATUS": "[%f/%t] ",
    }
    compilers = (
        f'CMAKE_C_FLAGS=-include "{RELAX}"',
        f"CMAKE_C_COMPILER={toolchain.zig};cc",
        f"CMAKE_CXX_COMPILER={toolchain.zig};c++",
        f"CMAKE_MAKE_PROGRAM={toolchain.ninja}",
    )
    tell(Progress("configuring"))
    defined = [f"-D{option}" for option in (*OPTIONS, *compilers, *options) if option]
    where = ("-G", "Ninja", "-S", str(toolchain.llama), "-B", str(build))
    shell.run((str(toolchain.cmake), *where, *defined), environment)
    pace = Pace()

    def hear(line: str) -> None:
        if found := _STEP.match(line):
            done, total = int(found[1]), int(found[2])
            tell(Progress("compiling", done, total, pace.left(done, total)))

    ninja = (str(toolchain.ninja), "-C", str(build), "-j", str(jobs), *targets)
    shell.run(ninja, environment, hear)
    return _collected(build / "bin")


def staged(files: list[Path], folder: Path) -> None:
    """Copy the files into a folder, which then holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        shutil.copy2(file, folder / file.name)


def _collected(folder: Path) -> list[Path]:
    kinds = (".so", ".dylib")
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and (path.suffix in kinds or path.name == "ggml-rpc-server")
    )
