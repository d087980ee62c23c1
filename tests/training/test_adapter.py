"""A tiny adapter on the shipped model: it loads, and it changes what the model would say."""

import numpy as np
from evaluate import SHIPPED
from tests.fixtures.tiny_parts import write_adapter

from puna.engine.context import Context, Span
from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.protocol import Adapter, Placement


def test_an_adapter_changes_the_scores_and_scale_0_does_not(tmp_path):
    model = Model(open_library(), (str(SHIPPED),), Placement())
    file = Adapter(str(write_adapter(tmp_path / "adapter.gguf", SHIPPED)))
    adapter = model.adapter(file)

    def scores(*adapters: tuple[int, float]) -> np.ndarray:
        context = Context(model, Placement(context=64, sequences=1, batch=64), adapters=adapters)
        context.step([Span(0, 0, [1, 2, 3], 1)])
        found = np.array(context.logits(0))
        context.close()
        return found

    plain = scores()
    assert np.allclose(scores((adapter, 0.0)), plain)
    assert not np.allclose(scores((adapter, 1.0)), plain, atol=0.1)
    model.close()
