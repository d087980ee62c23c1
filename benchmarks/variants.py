"""How else a native engine could be compiled and run: each way against the plain one, in turns.

Usage: python benchmarks/variants.py [--rounds N] [NAME...]    by default all ways

Compiled otherwise are the two libraries that do the arithmetic, the others are the plain build's.
A profile and OpenMP need parts of LLVM that a build's packages have not: `LLVM` is the folder of
these (on Debian: apt install llvm-19 libclang-rt-19-dev libomp-19-dev, then /usr/lib/llvm-19).
OpenBLAS is a library of its own: `BLAS` is the file (on Debian: apt install libopenblas-dev).
"""

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import make_model
import peer
from findings import Finding, median, table
from stepper import Pool, Stepper, stepping

from puna.builds.building import Order
from puna.builds.compiling import staged
from puna.builds.variants import NATIVE

TARGETS = ("ggml-base", "ggml-cpu")
WITH_BLAS = (*TARGETS, "ggml-blas", "ggml")
QUANTIZATIONS = ("Q4_0", "Q8_0")
PREFILL, PROMPT, OUTPUT = 256, 16, 64
LLVM = Path(os.environ.get("LLVM", "/usr/lib/llvm-19"))
BLAS = Path(os.environ.get("BLAS", "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so"))
BLAS_HEADERS = Path("/usr/include/x86_64-linux-gnu/openblas-pthread")
# So long threads of a pool may still look for work after a step, on the others' cores.
SETTLED = 0.5


def compiled(
    name: str, flags: str, link: str = "", *options: str, targets: tuple[str, ...] = TARGETS
) -> Path:
    """The library of an engine whose arithmetic is compiled with these flags."""
    files = tuple(f"lib{target}.so" for target in targets)
    folder = peer.cache() / "variants" / Order().name
    place, build = folder / name, folder / "build"
    if not place.exists():
        release = f"-O3 -DNDEBUG {flags}"
        defined = (
            *NATIVE.options,
            f"CMAKE_C_FLAGS_RELEASE={release}",
            f"CMAKE_CXX_FLAGS_RELEASE={release}",
            f"CMAKE_SHARED_LINKER_FLAGS=-s {link}",
            # The folder remembers what another way wanted.
            "GGML_LLAMAFILE=ON",
            "GGML_BLAS=OFF",
            *options,
        )
        # All in one folder: what a compiler can is asked once.
        peer.made(folder, build, defined, targets)
        plain = peer.library().parent
        others = [file for file in plain.glob("*.so") if file.name not in files]
        staged([*others, *(build / "bin" / file for file in files)], place)
    return place / "libllama.so"


def linked() -> Path:
    """Optimised over all files of a library together."""
    return compiled("linked", "-flto", "-flto")


def profiled() -> Path:
    """Optimised for what a run of the same work showed."""
    runtime = next(LLVM.glob("lib/clang/*/lib/linux/libclang_rt.profile-x86_64.a"))
    start = "-Wl,-u,__llvm_profile_runtime"
    watched = compiled("watched", "-fprofile-instr-generate", f"{runtime} {start}")
    seen, profile = watched.parent / "seen", watched.parent / "seen.profdata"
    if not profile.exists():
        for quantization in QUANTIZATIONS:
            kept = {"LLVM_PROFILE_FILE": f"{seen}/{quantization}-%m.profraw"}
            with stepping(make_model.model(quantization=quantization), watched, None, kept) as one:
                one.prefill(PREFILL)
                one.decode(PROMPT, OUTPUT)
        told = [str(path) for path in seen.glob("*.profraw")]
        merge = [str(LLVM / "bin" / "llvm-profdata"), "merge", "-o", str(profile), *told]
        subprocess.run(merge, check=True)
    return compiled("profiled", f"-fprofile-instr-use={profile}")


def with_openmp() -> Path:
    """OpenMP's threads in place of ggml's own."""
    headers = next(LLVM.glob("lib/clang/*/include/omp.h")).parent
    flags = f"-fopenmp=libomp;-idirafter;{headers}"
    options = (
        "GGML_OPENMP=ON",
        *(f"OpenMP_{language}_FLAGS={flags}" for language in ("C", "CXX")),
        *(f"OpenMP_{language}_LIB_NAMES=omp" for language in ("C", "CXX")),
        f"OpenMP_omp_LIBRARY={LLVM / 'lib' / 'libomp.so'}",
    )
    return compiled("openmp", "", f"-Wl,-rpath,{LLVM / 'lib'}", *options)


def with_vector_kernels() -> Path:
    """Matrices of Q8_0 row by row, without the kernels for whole tiles that llamafile gave."""
    return compiled("rows", "", "", "GGML_LLAMAFILE=OFF")


def with_blas() -> Path:
    """OpenBLAS for prompts: weights become floats first."""
    headers = f"-idirafter {BLAS_HEADERS}"
    options = (
        "GGML_BLAS=ON",
        "GGML_BLAS_VENDOR=OpenBLAS",
        f"BLAS_LIBRARIES={BLAS}",
        f"BLAS_INCLUDE_DIRS={BLAS_HEADERS}",
    )
    return compiled("blas", headers, f"-Wl,-rpath,{BLAS.parent}", *options, targets=WITH_BLAS)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to compile and to run an engine; code is compared by one thread's processor time."""

    library: Callable[[], Path] = peer.library
    pool: Pool | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    alone: bool = False

    @property
    def plain(self) -> str:
        """What it is compared with."""
        return "plain, one thread" if self.alone else "plain"

    def opened(self, weights: Path) -> AbstractContextManager[Stepper]:
        """A process that computes in this way."""
        return stepping(weights, self.library(), self.pool, self.environment, alone=self.alone)


HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
WAYS = {
    # What the figure of nothing else than itself is: noise.
    "the same code": Way(alone=True),
    "link-time optimisation": Way(linked, alone=True),
    "profile-guided optimisation": Way(profiled, alone=True),
    "huge pages": Way(environment=HUGE, alone=True),
    "the same threads": Way(),
    "OpenMP": Way(with_openmp),
    "rows instead of tiles": Way(with_vector_kernels),
    "OpenBLAS": Way(with_blas),
    "threads made for each step": Way(pool=Pool(kept=False)),
    "threads that poll, 50": Way(pool=Pool(poll=50)),
    "threads that poll, 100": Way(pool=Pool(poll=100)),
    "threads pinned": Way(pool=Pool(pinned=True)),
    "threads pinned that poll, 50": Way(pool=Pool(poll=50, pinned=True)),
}
PLAIN = {way.plain: way for way in (Way(), Way(alone=True))}


def compare(quantization: str, names: list[str], rounds: int) -> list[Finding]:
    """Every way's speed by the plain one's just before."""
    weights = make_model.model(quantization=quantization)
    ways = {name: WAYS[name] for name in names}
    needed = {way.plain: PLAIN[way.plain] for way in ways.values()}
    ratios = defaultdict[tuple[str, str], list[float]](list)
    with ExitStack() as stack:
        steppers = {
            name: stack.enter_context(way.opened(weights)) for name, way in (needed | ways).items()
        }
        for _ in range(rounds):
            for name, way in ways.items():
                plain, found = speeds(steppers[way.plain]), speeds(steppers[name])
                print(f"{name}: {found}, {way.plain}: {plain}", file=sys.stderr, flush=True)
                for what in found:
                    ratios[what, name].append(found[what] / plain[what])
    return [
        median(f"{what}, {quantization}: {name} by {ways[name].plain}", found)
        for (what, name), found in ratios.items()
    ]


def speeds(stepper: Stepper) -> dict[str, float]:
    time.sleep(SETTLED)
    return {"prefill": stepper.prefill(PREFILL), "decode": stepper.decode(PROMPT, OUTPUT)}


def measure(rounds: int = 9, names: list[str] | None = None) -> list[Finding]:
    """Every way, for each way to store weights."""
    return [
        found
        for quantization in QUANTIZATIONS
        for found in compare(quantization, names or list(WAYS), rounds)
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("names", nargs="*", choices=[*WAYS, []])
    asked = parser.parse_args()
    print(table(measure(asked.rounds, asked.names)))
