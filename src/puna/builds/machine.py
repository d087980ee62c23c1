"""What an engine is built for and tested on: this machine's processor and its GPUs' drivers."""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

import msgspec

_PROCESSOR = Path("/proc/cpuinfo")
_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/sys/module/amdgpu/version"))
# Of a processor's many features those that a compiler or a kernel may make use of.
_BEGINNINGS = ("avx", "amx", "fma", "f16c", "bmi", "sse4", "ssse3", "asimd", "sve", "sme", "i8mm")


class Machine(msgspec.Struct, frozen=True):
    """A processor with what it can, and the drivers of GPUs."""

    system: str
    architecture: str
    processor: str
    features: frozenset[str] = frozenset()
    driver: str = ""

    @property
    def mark(self) -> str:
        """Another one where anything of this is another."""
        told = (self.system, self.architecture, self.processor, *sorted(self.features), self.driver)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def this_machine() -> Machine:
    """The machine that this runs on."""
    system, architecture = sys.platform, platform.machine()
    drivers = [path.read_text().splitlines()[0] for path in _DRIVERS if path.is_file()]
    if _PROCESSOR.is_file():
        processor, features = told(_PROCESSOR.read_text())
    else:
        processor, features = _asked("machdep.cpu.brand_string"), set[str]()
    return Machine(system, architecture, processor, frozenset(features), "; ".join(drivers))


def told(text: str) -> tuple[str, set[str]]:
    """The name and the features of the first processor in Linux's list."""
    lines = text.partition("\n\n")[0].splitlines()
    facts = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    features = (facts.get("flags") or facts.get("Features") or "").split()
    name = facts.get("model name") or " ".join(
        facts[key] for key in ("CPU implementer", "CPU part") if key in facts
    )
    return name, {one for one in features if one.startswith(_BEGINNINGS)}


def _asked(key: str) -> str:
    """What macOS says of its processor."""
    command = ["sysctl", "-n", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
