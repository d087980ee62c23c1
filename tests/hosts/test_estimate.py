"""What a header tells of memory, held against the engine's own simulation."""

from collections.abc import Callable
from pathlib import Path

import pytest

from puna.hosts import questions
from puna.hosts.anatomy import Anatomy, Layer, anatomy
from puna.hosts.estimate import GPU_CONTEXT, Extras, estimate, layer_devices
from puna.hosts.host import Device
from puna.models import gguf
from puna.protocol import Load, Placement

PLACEMENTS = {
    "a pool": Placement(context=2048, sequences=4, pooled=True),
    "streams": Placement(context=1000, sequences=3, pooled=False),
    "a small cache": Placement(2048, 2, True, cache_type_k="q8_0", cache_type_v="q4_0"),
    "no flash attention": Placement(2048, 2, True, flash_attention="off"),
}
CASES = [
    *(("gemma3", name) for name in PLACEMENTS),
    *((name, "a pool") for name in ("llama", "mamba", "bert", "qwen3-rank")),
    *((name, "streams") for name in ("qwen3", "lfm2")),
]


@pytest.mark.parametrize(("architecture", "name"), CASES)
async def test_cache_and_work_are_as_the_engine_simulates_them(
    shape: Callable[[str], Path], architecture: str, name: str
) -> None:
    path, placement = shape(architecture), PLACEMENTS[name]
    simulated = await questions.simulation(Load((str(path),), placement=placement), {})
    estimated = estimate(anatomy(gguf.read(path)), placement, ())
    # The engine tells hundredths of a mebibyte, of each of its caches.
    assert estimated.cache.get("CPU", 0) == pytest.approx(simulated.cache.get("CPU", 0), abs=20_000)
    # Where the estimate is off, it says too much: of plain encoders' small buffers most.
    most = 1.7 if architecture == "bert" else 1.15
    assert 0.98 < estimated.work["CPU"] / simulated.work["CPU"] < most


def test_weights_are_what_the_file_has(shape: Callable[[str], Path]) -> None:
    header = gguf.read(shape("llama"))
    model = anatomy(header)
    assert model.weights == header.tensor_bytes
    assert estimate(model, Placement(), ()).weights == {"CPU": header.tensor_bytes}


def test_a_layer_in_the_middle_of_a_hybrid_has_either_a_cache_or_a_state(
    shape: Callable[[str], Path],
) -> None:
    model = anatomy(gguf.read(shape("lfm2")))
    assert [bool(layer.key) for layer in model.layers] == [False, True, False, True]
    assert [bool(layer.state) for layer in model.layers] == [True, False, True, False]


TIED = Anatomy(
    layers=(Layer(100, 64, 64),) * 10,
    input=1000,
    output=1,
    tied=1000,
    vocabulary=10,
    width=64,
    forward=128,
    heads=4,
    queries=64,
    keys=64,
    trained=4096,
)
GPUS = tuple(Device(f"CUDA{n}", "gpu", "", 0, 0) for n in range(2))


def test_the_first_layers_stay_on_the_processor() -> None:
    partly = Placement(gpu_layers=4, split_mode="none", main_gpu=1)
    assert layer_devices(10, partly, ["CUDA0", "CUDA1"]) == ["CPU"] * 7 + ["CUDA1"] * 4
    assert layer_devices(10, Placement(gpu_layers=4), []) == ["CPU"] * 11


def test_layers_are_split_by_the_given_parts() -> None:
    split = Placement(gpu_layers=-1, tensor_split=(8.0, 3.0))
    assert layer_devices(10, split, ["CUDA0", "CUDA1"]) == ["CUDA0"] * 8 + ["CUDA1"] * 3


def test_a_tied_matrix_is_there_twice_when_its_ends_are_apart() -> None:
    on_gpu = estimate(TIED, Placement(gpu_layers=-1, split_mode="none"), GPUS)
    assert on_gpu.weights == {"CPU": 1000, "CUDA0": 10 * 100 + 1 + 1000}
    assert estimate(TIED, Placement(), GPUS).weights == {"CPU": 1000 + 10 * 100 + 1}


def test_split_by_rows_each_gpu_has_its_part_of_every_layer() -> None:
    rows = Placement(gpu_layers=-1, split_mode="row", tensor_split=(3.0, 1.0))
    weights = estimate(TIED, rows, GPUS).weights
    assert weights["CUDA0"] == pytest.approx(3 * weights["CUDA1"], rel=0.02)


def test_a_projector_and_its_work_are_on_the_first_gpu() -> None:
    extras = Extras(projector=5000, seeing=700)
    placement = Placement(gpu_layers=-1, split_mode="none", main_gpu=1)
    with_it, without = (estimate(TIED, placement, GPUS, one) for one in (extras, Extras()))
    assert with_it.totals(GPUS).get("CUDA0", 0) - without.totals(GPUS).get("CUDA0", 0) == 5700


def test_what_an_integrated_gpu_takes_is_taken_of_main_memory() -> None:
    shared = (Device("Vulkan0", "integrated", "", 0, 0),)
    placement = Placement(gpu_layers=-1, split_mode="none")
    need = estimate(TIED, placement, shared)
    totals = need.totals(shared)
    alone = need.totals(())
    assert totals["Vulkan0"] == alone["Vulkan0"] > GPU_CONTEXT
    assert totals["CPU"] == alone["CPU"] + alone["Vulkan0"]


def test_an_integrated_gpu_is_left_alone_beside_another() -> None:
    both = (Device("Vulkan0", "integrated", "", 0, 0), *GPUS)
    need = estimate(TIED, Placement(gpu_layers=-1, split_mode="none"), both)
    assert set(need.totals(both)) == {"CPU", "CUDA0"}
