"""How much of each device runners may take."""

from typing import Any

from puna.hosts.host import Device
from puna.scheduling.budgets import Room, budgets, utmost
from puna.settings import Settings

GIB = 1 << 30
DEVICES = (
    Device("CPU", "cpu", "a processor", 64 * GIB, 40 * GIB),
    Device("CUDA0", "gpu", "a GPU", 24 * GIB, 20 * GIB),
)


def given(room: dict[str, int], **settings: Any) -> tuple[float, float]:
    found = budgets(DEVICES, room, Settings(reserve=GIB, **settings))
    return found["CPU"] / GIB, found["CUDA0"] / GIB


def test_the_reserve_and_what_is_left_to_others_on_gpus_are_nobodys() -> None:
    assert given({}) == (39, 19)
    assert given({}, gpu_overhead=3 * GIB) == (39, 16)
    assert given({}, gpu_overhead=30 * GIB) == (39, 0)


def test_main_memory_is_bounded_by_the_setting_and_by_what_there_is() -> None:
    assert given({}, memory=10 * GIB) == (10, 19)
    assert given({}, memory=100 * GIB) == (39, 19)
    alone = utmost(DEVICES, Settings(reserve=GIB, memory=100 * GIB, gpu_overhead=GIB))
    assert alone == {"CPU": 63 * GIB, "CUDA0": 22 * GIB}


def test_what_others_have_taken_since_is_off_and_comes_back_with_them() -> None:
    room = Room()
    room.see({"CPU": 40, "CUDA0": 20}, {})
    assert room.bytes == {"CPU": 40, "CUDA0": 20}
    # Of ten that were set aside, four are used: nobody else has taken anything.
    room.see({"CPU": 36, "CUDA0": 12}, {"CPU": 10, "CUDA0": 8})
    assert room.bytes == {"CPU": 40, "CUDA0": 20}
    room.see({"CPU": 25, "CUDA0": 5}, {"CPU": 10, "CUDA0": 8})
    assert room.bytes == {"CPU": 35, "CUDA0": 13}
    room.see({"CPU": 30, "CUDA0": 12}, {"CPU": 10, "CUDA0": 8})
    assert room.bytes == {"CPU": 40, "CUDA0": 20}
    room.see({"CPU": 50, "CUDA0": 7}, {})
    assert room.bytes == {"CPU": 50, "CUDA0": 7}
