"""The main memory of this machine, as far as this process may have it: containers have limits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")
_V2 = ("memory.max", "memory.current")


@dataclass(frozen=True)
class Memory:
    """Bytes in all, and free."""

    total: int
    free: int


def main_memory(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> Memory:
    """What the system has, or the narrowest of the control groups that this process is in."""
    system = psutil.virtual_memory()
    total, free = system.total, system.available
    for folder, (limit_file, usage_file) in _groups(groups, membership):
        limit = _number(folder / limit_file)
        if limit is None or limit >= system.total:
            continue
        used = (_number(folder / usage_file) or 0) - _reclaimable(folder)
        total, free = min(total, limit), min(free, max(0, limit - used))
    return Memory(total, free)


def memory_kills(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """How many processes the system has ended for want of memory in this process's groups."""
    counts = [0]
    for folder, _ in _groups(groups, membership):
        for name in ("memory.events", "memory.oom_control"):
            found = re.search(r"^oom_kill (\d+)$", _text(folder / name), re.MULTILINE)
            counts.append(int(found[1]) if found else 0)
    return max(counts)


def _groups(groups: Path, membership: Path) -> Iterator[tuple[Path, tuple[str, str]]]:
    """Each control group that bounds this process, with the names of its files."""
    for line in _text(membership).splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            root, names = groups, _V2
        elif "memory" in controllers.split(","):
            root, names = groups / "memory", _V1
        else:
            continue
        # Inside a container the path may be the host's, and the root be the group itself.
        folder = root / path.lstrip("/")
        for level in (folder, *folder.parents):
            if (level / names[0]).is_file():
                yield level, names
            if level == root:
                break


def _reclaimable(folder: Path) -> int:
    """What a group holds of files that nobody has touched lately."""
    found = re.search(
        r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE
    )
    return int(found[1]) if found else 0


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
