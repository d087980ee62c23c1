"""The files that a build is made of: a compiler, its companions and the source.

All come as packages, their versions and hashes in `toolchain.txt`, through pip, which is set up as
people have it (an index of their own, a proxy, a certificate); or from a folder of those files.
"""

import importlib.util
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from puna.builds.shell import Shell
from puna.engine import abi
from puna.errors import EngineNotBuilt

PINNED = Path(__file__).with_name("toolchain.txt")
SOURCE = "xllamacpp"
# Pip asks an archive's build system for its metadata even if it is only to fetch it. This stands in
# for that system, so that nothing in the archive is run and nothing else need be fetched.
_STAND_IN = Path(__file__).with_name("stand_in")
# As pip's own: the names of packages and their versions may be written in other ways.
_ONLY = ("--no-deps", "--require-hashes", "--disable-pip-version-check", "--no-input")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where everything lies in a folder of its own."""

    folder: Path

    @property
    def files(self) -> Path:
        """The packages as they were fetched."""
        return self.folder / "files"

    @property
    def tools(self) -> Path:
        """The unpacked compiler and its companions."""
        return self.folder / "tools"

    @property
    def source(self) -> Path:
        """The unpacked source."""
        return self.folder / "source"

    @property
    def llama(self) -> Path:
        """The folder of llama.cpp's own source."""
        return next(self.source.glob("*/thirdparty/llama.cpp"))

    @property
    def zig(self) -> Path:
        """The compiler."""
        return self.tools / "ziglang" / "zig"

    @property
    def cmake(self) -> Path:
        """What configures a build."""
        return self.tools / "cmake" / "data" / "bin" / "cmake"

    @property
    def ninja(self) -> Path:
        """What runs one."""
        found = [self.tools / "bin" / "ninja", self.tools / "ninja" / "data" / "bin" / "ninja"]
        return next((path for path in found if path.is_file()), found[0])

    def lay_out(self, shell: Shell, given: Path | None) -> Iterator[str]:
        """Fetch what is missing and unpack it, saying what is done."""
        if not self.tools.is_dir() or not self.source.is_dir():
            yield "fetching"
            fetch(shell, self.files, given, self.folder)
            yield "unpacking"
            self._unpack_tools(shell)
            self._unpack_source()

    def _unpack_tools(self, shell: Shell) -> None:
        if self.tools.is_dir():
            return
        beside = self.tools.with_name("tools.part")
        shutil.rmtree(beside, ignore_errors=True)
        wheels = [str(path) for path in self.files.glob("*.whl")]
        options = ("--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check")
        pip = _pip(shell, self.folder)
        shell.run((*pip, "install", *options, "--quiet", "--target", str(beside), *wheels))
        beside.rename(self.tools)

    def _unpack_source(self) -> None:
        if self.source.is_dir():
            return
        beside = self.source.with_name("source.part")
        shutil.rmtree(beside, ignore_errors=True)
        archive = next(self.files.glob(f"{SOURCE}-*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(beside, filter="data")
        beside.rename(self.source)


def fetch(shell: Shell, files: Path, given: Path | None, folder: Path) -> None:
    """Bring the pinned packages for this machine into `files`; their hashes are checked by pip."""
    files.mkdir(parents=True, exist_ok=True)
    where = ("--no-index", "--find-links", str(given)) if given else ()
    if given and not given.is_dir():
        raise EngineNotBuilt(f"There is no folder {given}.")
    kinds = ("--only-binary", ":all:", "--no-binary", SOURCE, "--no-build-isolation")
    command = (*_pip(shell, folder), "download", *_ONLY, *kinds, *where)
    shell.run(
        (*command, "--requirement", str(PINNED), "--dest", str(files)),
        {"PYTHONPATH": str(_STAND_IN), "PUNA_SOURCE": f"{SOURCE} {abi.VERSION}"},
        mend="Without a network, name a folder of these files with --from: see docs/engines.md.",
    )


def pinned() -> dict[str, str]:
    """The version of each package."""
    lines = PINNED.read_text().split("\n")
    named = (line.removesuffix(" \\").split("==", 1) for line in lines if "==" in line)
    return dict(named)


def _pip(shell: Shell, folder: Path) -> tuple[str, ...]:
    """Pip: the one beside Puna, else one in an environment of its own."""
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-P", "-m", "pip")
    python = folder / "pip" / "bin" / "python"
    if not python.is_file():
        shell.run(
            (sys.executable, "-m", "venv", str(folder / "pip")),
            mend="Python needs pip or venv here (on Debian and Ubuntu: apt install python3-venv).",
        )
    return (str(python), "-P", "-m", "pip")
