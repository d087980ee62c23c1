"""What needs a GPU, and an engine that was built for it (PUNA_ENGINE)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.harness import Oracle, driver, prompt, regret, request

from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.protocol import Placement

pytestmark = pytest.mark.gpu


def test_a_model_on_the_gpu_decodes_as_on_the_cpu(
    library: Library, shape: Callable[[str], Path]
) -> None:
    kinds = {device.kind for device in library.devices()}
    assert kinds & {"gpu", "igpu"}, "The engine sees no GPU: choose one built for it."
    path, tokens = shape("llama"), prompt(1, 100)
    on_gpu = Placement(context=512, sequences=4, batch=128, gpu_layers=-1)
    with driver(library, path, on_gpu) as engine:
        emitted = engine.run(request("a", tokens)).tokens
    alone = Placement(context=512, sequences=1, batch=128, threads=1)
    model = Model(library, (str(path),), alone)
    oracle = Oracle(model, alone)
    try:
        assert regret(oracle, tokens, emitted) < 0.6
    finally:
        oracle.close()
        model.close()
