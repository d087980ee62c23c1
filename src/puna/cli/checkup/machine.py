"""What the machine has to offer: engine, devices, drivers, memory, disk."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from puna.builds.choosing import choose, suggestion
from puna.builds.shelf import Shelf
from puna.cli.checkup.finding import Finding
from puna.cli.tables import size_of
from puna.engine.origin import embedded, native
from puna.errors import PunaError
from puna.hosts.host import Device, Wish
from puna.hosts.local import LocalHost
from puna.hosts.memory import main_memory
from puna.hosts.words import unheeded
from puna.settings import Settings

NVIDIA = Path("/proc/driver/nvidia/version")
AMD = Path("/dev/kfd")
LITTLE_MEMORY = 1 << 30
LITTLE_DISK, NO_DISK = 5 << 30, 100 << 20


def engine(settings: Settings) -> Iterator[Finding]:
    """Whether the engine is the recorded one, opens, and what it can compute on."""
    shelf = Shelf(settings.home)
    try:
        choice = choose(shelf, settings.engine)
        origin = (native(choice.path) if choice.path else embedded()).verify()
        devices = asyncio.run(LocalHost(lambda _: None, choice.path).devices())
    except PunaError as error:
        mend = error.mend or "Install Puna again, or name another engine with PUNA_ENGINE."
        yield Finding("engine", "fail", error.message, mend)
        return
    if choice.refused:
        mend = "`puna engine test` tells more, `puna engine build` makes another."
        yield Finding("engine", "warn", choice.refused, mend)
    # What `puna engine` built was compared with its record when it was chosen.
    known = origin.sha256 is not None or settings.engine is None
    recorded = "as recorded" if known else "one of which no hash is recorded"
    version = f" ({origin.version})" if origin.version else ""
    text = f"The engine {choice.name}{version} opens; its file is {recorded}."
    yield Finding("engine", "ok", text, suggestion(shelf, choice))
    for device in devices:
        yield Finding("device", "ok", _described(device))
    yield from drivers(devices)
    yield from splits(settings, devices)


def drivers(
    devices: tuple[Device, ...], nvidia: Path = NVIDIA, amd: Path = AMD
) -> Iterator[Finding]:
    """The GPUs' drivers that the system has, and whether the engine makes use of them."""
    found = [
        *([f"NVIDIA's driver {_version(nvidia)}".rstrip()] if nvidia.exists() else []),
        *(["AMD's driver"] if amd.exists() else []),
    ]
    seen = any(device.kind != "cpu" for device in devices)
    for name in found:
        if seen:
            yield Finding("driver", "ok", f"{name} is loaded.")
        else:
            yield Finding(
                "driver",
                "warn",
                f"{name} is loaded, and the engine sees no GPU.",
                "`puna engine build` makes one for it; or name one with PUNA_ENGINE.",
            )
    if not found and not seen:
        yield Finding("driver", "ok", "There is no GPU's driver; models run on the processor.")


def splits(settings: Settings, devices: tuple[Device, ...]) -> Iterator[Finding]:
    """What says how models are divided between GPUs, where there is nothing to divide between."""
    wish = Wish((), tensor_split=settings.tensor_split, split_mode=settings.split_mode)
    if what := unheeded(wish, devices):
        yield Finding("device", "warn", what, "Leave it out, or use an engine that sees the GPUs.")


def memory() -> Iterator[Finding]:
    """How much main memory is free."""
    found = main_memory()
    text = f"{size_of(found.free)} of {size_of(found.total)} are free."
    if found.free < LITTLE_MEMORY:
        mend = "End what takes it, or keep to small models with short contexts."
        yield Finding("memory", "warn", text, mend)
    else:
        yield Finding("memory", "ok", text)


def disk(settings: Settings) -> Iterator[Finding]:
    """How much room there is for what Puna writes, and for models."""
    for folder in dict.fromkeys((settings.home, settings.store)):
        yield _room(folder, shutil.disk_usage(existing(folder)).free)


def existing(folder: Path) -> Path:
    """The folder, or what there is of the way to it."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _room(folder: Path, free: int) -> Finding:
    text = f"{size_of(free)} are free for {folder}."
    if free >= LITTLE_DISK:
        return Finding("disk", "ok", text)
    mend = "`puna gc --delete` removes what no model needs; or put the store elsewhere."
    return Finding("disk", "fail" if free < NO_DISK else "warn", text, mend)


def _described(device: Device) -> str:
    free = f"{size_of(device.free)} of {size_of(device.total)} are free"
    features = f"; it has {', '.join(device.features)}" if device.features else ""
    return f"{device.name} ({device.description}): {free}{features}."


def _version(file: Path) -> str:
    try:
        found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", file.read_text())
    except OSError:
        return ""
    return found[1] if found else ""
