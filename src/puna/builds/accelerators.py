"""The parts of an engine for GPUs: what their builds need of the system, and how to get it."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from puna.errors import EngineNotBuilt


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a build needs: what it is, whether it is there, and how to get it."""

    what: str
    found: Callable[[], str | None]
    get: str


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of GPU: the options that compile for it, and what that needs."""

    name: str
    options: Callable[[], tuple[str, ...]]
    needs: tuple[Need, ...]

    def missing(self) -> list[Need]:
        """What is not there."""
        return [need for need in self.needs if not need.found()]

    def check(self) -> None:
        """Raise an error that names everything that is missing."""
        if missing := self.missing():
            what = ", ".join(need.what for need in missing)
            raise EngineNotBuilt(
                f"A build with --{self.name} needs {what}.",
                " ".join(dict.fromkeys(need.get for need in missing)),
            )


def _program(name: str, *folders: str) -> Callable[[], str | None]:
    path = os.pathsep.join((os.environ.get("PATH", ""), *folders))
    return lambda: shutil.which(name, path=path)


def _header(name: str) -> Callable[[], str | None]:
    def found() -> str | None:
        sdk = os.environ.get("VULKAN_SDK")
        folders = ["/usr/include", "/usr/local/include", *([f"{sdk}/include"] if sdk else [])]
        return next((one for one in folders if Path(one, name).is_file()), None)

    return found


def _cublas() -> str | None:
    roots = [os.environ.get("CUDA_PATH"), "/usr/local/cuda", "/opt/cuda", "/usr"]
    folders = ("include", "targets/*/include")
    places = (
        place for root in roots if root for folder in folders for place in Path(root).glob(folder)
    )
    return next((str(place) for place in places if (place / "cublas_v2.h").is_file()), None)


def _mac() -> str | None:
    return "macOS" if sys.platform == "darwin" else None


_nvcc = _program("nvcc", "/usr/local/cuda/bin", "/opt/cuda/bin")
_hipcc = _program("hipcc", "/opt/rocm/bin")
_clang = _program("amdclang++", "/opt/rocm/bin", "/opt/rocm/llvm/bin")
_CUDA = "Install NVIDIA's CUDA toolkit (Debian and Ubuntu: apt install nvidia-cuda-toolkit)."
_ROCM = "Install AMD's ROCm (Ubuntu: apt install hipcc rocm-dev, from AMD's own packages)."
_VULKAN = (
    "Install Vulkan's headers, loader and shader compiler (Debian and Ubuntu: apt install"
    " libvulkan-dev glslc spirv-headers)."
)
_GCC = "Install GCC, which NVIDIA's compiler works with (Debian and Ubuntu: apt install g++)."


def _cuda_options() -> tuple[str, ...]:
    # Its own compiler works with the system's, whose standard library is another than the rest's;
    # between the two there is only C.
    host = shutil.which("g++") or ""
    return (
        "GGML_CUDA=ON",
        "GGML_CUDA_NCCL=OFF",
        f"CMAKE_CUDA_COMPILER={_nvcc()}",
        f"CMAKE_CUDA_HOST_COMPILER={host}",
        # Where there is no GPU to ask, for every one that the compiler knows.
        f"CMAKE_CUDA_ARCHITECTURES={'native' if Path('/dev/nvidia0').exists() else 'all-major'}",
    )


def _hip_options() -> tuple[str, ...]:
    return ("GGML_HIP=ON", "GGML_HIP_RCCL=OFF", f"CMAKE_HIP_COMPILER={_clang()}")


PARTS = {
    part.name: part
    for part in (
        Part(
            "cuda",
            _cuda_options,
            (
                Need("NVIDIA's compiler, nvcc", _nvcc, _CUDA),
                Need("NVIDIA's cuBLAS", _cublas, _CUDA),
                Need("GCC's g++", _program("g++"), _GCC),
            ),
        ),
        Part(
            "hip",
            _hip_options,
            (
                Need("AMD's hipcc", _hipcc, _ROCM),
                Need("AMD's amdclang++", _clang, _ROCM),
            ),
        ),
        Part(
            "vulkan",
            lambda: ("GGML_VULKAN=ON",),
            (
                Need("the shader compiler, glslc", _program("glslc"), _VULKAN),
                Need("Vulkan's headers", _header("vulkan/vulkan.h"), _VULKAN),
                Need("the headers of SPIR-V", _header("spirv/unified1/spirv.hpp"), _VULKAN),
            ),
        ),
        Part(
            "metal",
            lambda: ("GGML_METAL=ON", "GGML_METAL_EMBED_LIBRARY=ON"),
            (
                Need("a Mac", _mac, "Metal is there on Macs only."),
                Need(
                    "Apple's compiler",
                    _program("xcrun"),
                    "Install Xcode's tools: xcode-select --install.",
                ),
            ),
        ),
    )
}
