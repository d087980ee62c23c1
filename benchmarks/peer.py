"""Builds the peer to measure against: llama.cpp's own server, from the source that Puna pins.

Usage: python benchmarks/peer.py    prints where the server and the library are

It is built twice with the same flags: the server in one piece, since its C++ does not survive being
cut into shared libraries by this compiler, and the libraries alone, for Puna to run on
(`PUNA_ENGINE`), so that what differs is all that stands around them. It is compiled for this
machine by the compiler of a package, in an environment of its own, and kept in the user's cache.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
import sdist

TOOLS = ("ziglang==0.16.0", "cmake==4.4.4", "ninja==1.13.2")
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "GGML_NATIVE": "ON",
    "GGML_OPENMP": "OFF",
    "LLAMA_CURL": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_UI": "OFF",
}
PROGRAMS = ("llama-server", "llama-bench")
LIBRARIES = ("llama", "mtmd")


def folder() -> Path:
    """Where the peer lies once it is built."""
    return sdist.cache_folder().parents[1] / "peer" / sdist.VERSION


def build() -> tuple[Path, Path]:
    """The peer's server and the library for Puna, built if they are not there yet."""
    programs = _built("programs", "OFF", PROGRAMS)
    libraries = _built("libraries", "ON", LIBRARIES)
    return programs / "llama-server", libraries / "libllama.so"


def _built(name: str, shared: str, targets: tuple[str, ...]) -> Path:
    place = folder() / name
    done = place / "done"
    if not done.exists():
        tools = environment(folder() / "tools")
        zig = next(tools.glob("lib/python*/site-packages/ziglang/zig"))
        paths = f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"
        defined = OPTIONS | {
            "BUILD_SHARED_LIBS": shared,
            "CMAKE_C_COMPILER": f"{zig};cc",
            "CMAKE_CXX_COMPILER": f"{zig};c++",
        }
        options = [f"-D{key}={value}" for key, value in defined.items()]
        source = sdist.llama_source()
        for command in (
            ["cmake", "-G", "Ninja", "-S", source, "-B", place, *options],
            ["cmake", "--build", place, "--target", *targets],
        ):
            environ = {**os.environ, "PATH": paths}
            subprocess.run(command, check=True, env=environ, stdout=sys.stderr)
        done.touch()
    return place / "bin"


def environment(place: Path) -> Path:
    """An environment with the compiler and its companions."""
    if not (place / "bin" / "ninja").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", *TOOLS]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return place


if __name__ == "__main__":
    print(*build(), sep="\n")
