"""What the engine tells of itself before a model is loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from puna.engine.survey import Sizes
from puna.errors import ReportedError
from puna.hosts import questions
from puna.protocol import Load, Placement

MIB = 1 << 20
# As a CUDA build logs a model of which a part is on a GPU.
LOG = """
load_tensors: layer   0 assigned to device CPU, is_swa = 0
llama_context:  CUDA_Host  output buffer size =     2.50 MiB
llama_kv_cache: layer   0: dev = CPU
llama_kv_cache: layer   1: dev = CUDA0
llama_kv_cache: layer   2: dev = CUDA0
llama_kv_cache: layer   3: dev = CUDA0
llama_kv_cache:        CPU KV buffer size =     0.00 MiB
llama_kv_cache: size =   80.00 MiB (  8192 cells,   4 layers,  4/1 seqs), K (f16):   40.00 MiB
llama_kv_cache: layer   4: dev = CUDA0
llama_kv_cache: size =    6.00 MiB (  1024 cells,   1 layers,  4/1 seqs), K (f16):    3.00 MiB
llama_memory_recurrent, layer   5: dev = CUDA0
llama_memory_recurrent:      CUDA0 RS buffer size =     4.00 MiB
llama_memory_recurrent: size =    4.00 MiB (     4 cells,   6 layers,  4 seqs)
sched_reserve:      CUDA0 compute buffer size =   300.25 MiB
sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB
"""


def test_sizes_are_added_up_by_device() -> None:
    sizes = Sizes(frozenset({"CPU", "CUDA0"}))
    for line in LOG.splitlines():
        sizes.read(line)
    assert sizes.cache == {"CPU": 20 * MIB, "CUDA0": (60 + 6 + 4) * MIB}
    assert sizes.work == {"CPU": int(22.5 * MIB), "CUDA0": int(300.25 * MIB)}


async def test_the_engine_tells_its_devices_and_features() -> None:
    survey = await questions.survey({})
    assert "cpu" in {device.kind for device in survey.devices}
    assert all(device.name and device.description for device in survey.devices)
    assert "SSE3" in survey.features or "NEON" in survey.features


async def test_a_longer_context_takes_more(shape: Callable[[str], Path]) -> None:
    short, long = [
        await questions.simulation(
            Load(
                (str(shape("llama")),),
                placement=Placement(context=context, sequences=1, pooled=True),
            ),
            {},
        )
        for context in (1024, 4096)
    ]
    assert long.cache["CPU"] == 4 * short.cache["CPU"]
    assert long.work["CPU"] > short.work["CPU"]


async def test_a_broken_file_is_refused_by_its_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and no more")
    with pytest.raises(ReportedError, match=r"broken\.gguf: .* version") as caught:
        await questions.simulation(Load((str(broken),)), {})
    assert caught.value.report().name == "BadModelFile"
