"""Models of a given shape: the built-in vocabulary, padded, and weights that run."""

from pathlib import Path

import pytest
from benchmarks import make_model
from benchmarks.make_model import TYPES, Shape

from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.protocol import Placement

TINY = {
    "qwen3": Shape("qwen3", 2, 256, 4, 2, 64, 512, 3000, 1e6, True),
    "llama": Shape("llama", 2, 256, 4, 2, 64, 512, 3000, 5e5, False),
}


@pytest.mark.parametrize("architecture", TINY)
@pytest.mark.parametrize("quantization", TYPES)
def test_a_model_of_a_shape_counts_as_the_built_in_one_does(
    tmp_path: Path, pocket_model: Path, architecture: str, quantization: str
) -> None:
    path = tmp_path / "model.gguf"
    make_model.write(path, TINY[architecture], *TYPES[quantization])
    library = open_library(lambda *_: None)
    made, own = (Model(library, (str(file),), Placement()) for file in (path, pocket_model))
    try:
        text = "the you and to of is it in <|im_end|> ~7"
        told = [one.vocabulary.tokenize(text, special=True) for one in (made, own)]
        assert told[0] == told[1]
        assert made.vocabulary.size == 3000
    finally:
        made.close()
        own.close()
