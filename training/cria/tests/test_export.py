"""The exported file: the same tokens and the same scores in llama.cpp as in training.

It needs the training's own requirements, so `make -C training/cria test` runs it.
"""

from pathlib import Path

import export
import numpy as np
import pytest
import torch
import vocabulary
from draw import Draw
from mixture import example
from model import Cria, Shape

from puna.engine.context import Context, Span
from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.protocol import Placement

TOKENIZER = Path(__file__).parents[1] / "tokenizer.json"


@pytest.fixture(scope="module")
def network() -> Cria:
    torch.manual_seed(0)
    made = Cria(Shape())
    # At the start of training the blocks write nothing, which would leave little to compare.
    for weight in made.blocks.parameters():
        torch.nn.init.normal_(weight, mean=float(weight.dim() == 1), std=0.06)
    return made


def engine_scores(path: Path, tokens: list[int]) -> np.ndarray:
    model = Model(open_library(), (str(path),), Placement())
    context = Context(model, Placement(context=512, sequences=1, batch=512))
    context.step([Span(0, 0, tokens, len(tokens))])
    scores = np.array([context.logits(row) for row in range(len(tokens))])
    context.close()
    model.close()
    return scores


@pytest.mark.parametrize(("exact", "tolerance"), [(True, 2e-3), (False, 6e-2)])
def test_the_engine_scores_as_pytorch_does(network, tmp_path, exact, tolerance):
    path = tmp_path / "cria.gguf"
    export.write(network, TOKENIZER, path, exact=exact)
    tokens = np.random.default_rng(0).integers(0, 2000, 40).tolist()
    with torch.no_grad():
        expected = network(torch.tensor([tokens]))[0].numpy()
    found = engine_scores(path, tokens)
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


def test_the_engine_cuts_text_into_the_tokens_of_training(network, tmp_path):
    path = tmp_path / "cria.gguf"
    export.write(network, TOKENIZER, path)
    tokenizer = vocabulary.load(TOKENIZER)
    draw = Draw("tokens", held_out=False)
    texts = [example(draw).text for _ in range(300)]
    texts += [
        '  two  spaces\n\n\tünï 日本 🦙 it\'s 123 45.6% {"a": [1,2]}  \n\n x',
        "don't I'll theo",
    ]
    model = Model(open_library(), (str(path),), Placement())
    for text in texts:
        assert model.vocabulary.tokenize(text, special=True) == tokenizer.encode(text).ids
    model.close()
