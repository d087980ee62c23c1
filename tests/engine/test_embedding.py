"""Embedding and ranking with real models: what comes out, and who may ask for what."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.engine.harness import prompt

from puna.deltas import DoneDelta, VectorsDelta
from puna.engine.context import Floats
from puna.engine.embedding import Embedding, answer, shaped
from puna.engine.inputs import Row
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.errors import BadModelFile, BadRequest, MissingCapability
from puna.jobs import EmbedJob, RerankJob
from puna.protocol import Placement
from puna.text.tokens import Specials

Shape = Callable[[str], Path]
PLACEMENT = Placement(context=512, sequences=4, batch=128, threads=1)
TEXTS = ("The herd", "was resting", "on the high plain when the young one lifted her head. " * 3)


@contextmanager
def embedding(
    library: Library, path: Path, placement: Placement = PLACEMENT
) -> Iterator[Embedding]:
    model = Model(library, (str(path),), placement)
    made = Embedding(model, Specials(model.vocabulary), placement, causal=model.causal)
    try:
        yield made
    finally:
        made.close()
        model.close()


def vectors(made: Embedding, rows: list[Row]) -> Floats:
    return made.submit(rows).result(60)


def cosines(some: Floats, others: Floats) -> Floats:
    return (shaped(some, None, normalise=True) * shaped(others, None, normalise=True)).sum(axis=1)


def run(made: Embedding, job: EmbedJob | RerankJob) -> tuple[Floats, VectorsDelta, DoneDelta]:
    rows = made.inputs(job)
    found, done = answer(job, rows, vectors(made, rows), 0, 0)
    assert isinstance(found, VectorsDelta)
    assert isinstance(done, DoneDelta)
    return np.frombuffer(found.data, np.float32).reshape(-1, found.width), found, done


@pytest.mark.parametrize("name", ["bert", "llama", "gemma3", "mamba", "lfm2"])
def test_many_inputs_together_come_out_as_each_alone(
    library: Library, shape: Shape, name: str
) -> None:
    rows = [prompt(seed, count, 150) for seed, count in enumerate((1, 5, 90, 33, 2, 60, 200, 17))]
    with embedding(library, shape(name)) as made:
        together = vectors(made, rows)
        alone = np.concatenate([vectors(made, [row]) for row in rows])
    assert cosines(together, alone).min() > 0.999
    # Different inputs point elsewhere, so that the line above says something.
    assert cosines(together, np.roll(alone, 1, axis=0)).max() < 0.99


@pytest.mark.parametrize("name", ["llama", "gemma3", "mamba", "qwen3-rank"])
def test_an_input_longer_than_the_batch_comes_out_as_if_it_were_not(
    library: Library, shape: Shape, name: str
) -> None:
    row = prompt(1, 400)
    with embedding(library, shape(name)) as made:
        pieces = vectors(made, [row])
        assert made.steps == 4
    whole_at_once = Placement(context=512, sequences=4, batch=512, threads=1)
    with embedding(library, shape(name), whole_at_once) as made:
        whole = vectors(made, [row])
        assert made.steps == 1
    assert np.abs(pieces - whole).max() < 0.02 * np.abs(whole).max()


def test_the_last_token_of_a_causal_model_has_seen_them_all(library: Library, shape: Shape) -> None:
    row = prompt(1, 40)
    with embedding(library, shape("llama")) as made:
        before, other, after = vectors(made, [row, [7, *row[1:]], [*row, 7]])
    assert cosines(before[None], other[None]) < 0.9999
    assert cosines(before[None], after[None]) < 0.99


def test_vectors_have_the_length_one_where_asked(library: Library, shape: Shape) -> None:
    with embedding(library, shape("bert")) as made:
        normal, _, _ = run(made, EmbedJob("job", "model", TEXTS))
        raw, _, _ = run(made, EmbedJob("job", "model", TEXTS, normalise=False))
    assert np.linalg.norm(normal, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(raw, axis=1).min() > 1.5
    assert cosines(normal, raw).min() > 0.9999


def test_fewer_dimensions_are_the_first_ones_at_the_length_one(
    library: Library, shape: Shape
) -> None:
    with embedding(library, shape("bert")) as made:
        whole, _, _ = run(made, EmbedJob("job", "model", TEXTS))
        short, delta, _ = run(made, EmbedJob("job", "model", TEXTS, dimensions=32))
        raw, _, _ = run(made, EmbedJob("job", "model", TEXTS, dimensions=32, normalise=False))
    assert delta.width == 32
    assert np.linalg.norm(short, axis=1) == pytest.approx(1, abs=1e-6)
    assert cosines(short, whole[:, :32]).min() > 0.9999
    assert np.linalg.norm(raw, axis=1).min() > 1.5


@pytest.mark.parametrize("dimensions", [0, -1, 129])
def test_dimensions_that_a_model_has_not_are_refused(
    library: Library, shape: Shape, dimensions: int
) -> None:
    with (
        embedding(library, shape("bert")) as made,
        pytest.raises(BadRequest, match="from 1 to 128"),
    ):
        made.inputs(EmbedJob("job", "model", TEXTS, dimensions=dimensions))


def test_a_vector_of_zeros_has_no_direction() -> None:
    zeros = np.zeros((1, 4), np.float32)
    assert not shaped(zeros, None, normalise=True).any()


def test_tokens_are_counted_by_input(library: Library, shape: Shape) -> None:
    with embedding(library, shape("bert")) as made:
        _, delta, done = run(made, EmbedJob("job", "model", (*TEXTS, (5, 6, 7))))
    assert (delta.tokens[0], delta.tokens[3]) == (4, 3)
    assert done.usage.prompt_tokens == sum(delta.tokens)


def test_no_inputs_are_no_vectors_and_no_work(library: Library, shape: Shape) -> None:
    with embedding(library, shape("bert")) as made:
        found, delta, _ = run(made, EmbedJob("job", "model", ()))
        assert (found.shape, delta.tokens, made.steps) == ((0, 128), (), 0)


@pytest.mark.parametrize("name", ["bert-rank", "qwen3-rank"])
def test_a_score_does_not_depend_on_the_company(library: Library, shape: Shape, name: str) -> None:
    documents = ("The river runs.", "Stones.", "The herd was resting on the plain.", "Wool " * 90)
    with embedding(library, shape(name)) as made:
        scores, delta, _ = run(made, RerankJob("job", "model", "Where is it?", documents))
        turned, _, _ = run(made, RerankJob("job", "model", "Where is it?", documents[::-1]))
        other, _, _ = run(made, RerankJob("job", "model", "What do they carry?", documents))
    assert (delta.width, len(scores)) == (1, 4)
    # Another batch rounds elsewhere; what a query says moves a score by far more.
    noise = np.abs(scores[::-1] - turned).max()
    assert noise < 0.1 * np.ptp(scores)
    assert noise < 0.1 * np.abs(other - scores).max()


def test_scores_are_as_the_model_gives_them(library: Library, shape: Shape) -> None:
    """BERT's are unbounded; Qwen3's own graph makes a probability of yes out of yes and no."""
    job = RerankJob("job", "model", "Where is it?", ("Stones.", "The river.", "A plain", "Wool"))
    with embedding(library, shape("bert-rank")) as made:
        scores, _, _ = run(made, job)
        assert scores.min() < 0
    with embedding(library, shape("qwen3-rank")) as made:
        scores, _, _ = run(made, job)
        assert 0 < scores.min() < scores.max() < 1


def test_who_cannot_says_so(library: Library, shape: Shape) -> None:
    embeds, ranks = EmbedJob("job", "model", TEXTS), RerankJob("job", "model", "q", TEXTS)
    with embedding(library, shape("bert")) as made:
        assert made.capabilities == ("embedding",)
        with pytest.raises(MissingCapability, match="does not rank"):
            made.inputs(ranks)
    with embedding(library, shape("bert-rank")) as made:
        assert made.capabilities == ("rerank",)
        with pytest.raises(MissingCapability, match="does not embed"):
            made.inputs(embeds)


def test_an_encoder_takes_no_more_than_it_learnt_positions_for(
    library: Library, shape: Shape
) -> None:
    with embedding(library, shape("bert")) as made:
        _, delta, _ = run(made, EmbedJob("job", "model", ("herd " * 1000,)))
        assert delta.tokens == (256,)


def test_an_unknown_pooling_in_a_file_is_a_bad_file(library: Library, tmp_path: Path) -> None:
    import stand_in

    def add(writer: stand_in.gguf.GGUFWriter) -> None:
        writer.add_uint32("llama.pooling_type", 9)

    model = Model(library, (str(stand_in.write(tmp_path / "odd.gguf", add=add)),), PLACEMENT)
    with pytest.raises(BadModelFile, match="unknown pooling: 9"):
        _ = model.pooling
    model.close()
