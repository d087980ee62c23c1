"""Main memory: the system's, or what is left of a container's."""

from pathlib import Path

import psutil
import pytest

from puna.hosts.memory import main_memory, memory_kills

MIB = 1 << 20


class Groups:
    """A made-up tree of control groups."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.membership = folder / "membership"
        self.root.mkdir()
        self.belong("")

    def belong(self, *lines: str) -> None:
        self.membership.write_text("".join(f"{line}\n" for line in lines))

    def write(self, path: str, **files: object) -> None:
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name.replace("memory_", "memory.", 1)).write_text(f"{content}\n")


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def test_without_groups_it_is_the_systems(groups: Groups) -> None:
    memory = main_memory(groups.root, groups.membership)
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.free <= memory.total


def test_a_group_without_a_limit_bounds_nothing(groups: Groups) -> None:
    groups.belong("0::/user")
    groups.write("user", memory_max="max", memory_current=MIB)
    memory = main_memory(groups.root, groups.membership)
    assert memory.total == psutil.virtual_memory().total


def test_what_files_take_that_nobody_touches_is_free(groups: Groups) -> None:
    groups.belong("0::/box")
    groups.write(
        "box",
        memory_max=100 * MIB,
        memory_current=60 * MIB,
        memory_stat=f"anon 5\ninactive_file {20 * MIB}\nactive_file 7",
    )
    memory = main_memory(groups.root, groups.membership)
    assert (memory.total, memory.free) == (100 * MIB, 60 * MIB)


def test_the_narrowest_of_the_groups_above_counts(groups: Groups) -> None:
    groups.belong("0::/slice/box")
    groups.write("slice", memory_max=80 * MIB, memory_current=70 * MIB)
    groups.write("slice/box", memory_max=100 * MIB, memory_current=10 * MIB)
    memory = main_memory(groups.root, groups.membership)
    assert (memory.total, memory.free) == (80 * MIB, 10 * MIB)


def test_in_a_container_the_root_is_its_own_group(groups: Groups) -> None:
    groups.belong("0::/system.slice/docker-1234.scope")
    groups.write("", memory_max=100 * MIB, memory_current=30 * MIB)
    memory = main_memory(groups.root, groups.membership)
    assert (memory.total, memory.free) == (100 * MIB, 70 * MIB)


def test_groups_of_the_first_version_count_too(groups: Groups) -> None:
    groups.belong("5:cpu:/box", "7:memory:/box")
    groups.write(
        "memory/box",
        memory_limit_in_bytes=100 * MIB,
        memory_usage_in_bytes=90 * MIB,
        memory_stat=f"total_inactive_file {10 * MIB}",
        memory_oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2",
    )
    memory = main_memory(groups.root, groups.membership)
    assert (memory.total, memory.free) == (100 * MIB, 20 * MIB)
    assert memory_kills(groups.root, groups.membership) == 2


def test_the_systems_kills_for_memory_are_counted(groups: Groups) -> None:
    groups.belong("0::/box")
    groups.write("box", memory_max="max", memory_events="low 0\noom 4\noom_kill 3")
    assert memory_kills(groups.root, groups.membership) == 3
