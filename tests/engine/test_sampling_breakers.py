"""What breaks a repetition for DRY is found in real vocabularies as llama.cpp finds it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from distributions import agree, ours, theirs
from hypothesis import given, settings
from hypothesis import strategies as st
from library_samplers import Words, dry

from puna.engine.breakers import Breakers, Pieces, Spellings
from puna.engine.libllama import Library
from puna.engine.loaded import Loaded
from puna.engine.opening import opened
from puna.engine.preparing import prepared
from puna.engine.sampling import Sampler
from puna.engine.vocabulary import Vocabulary
from puna.jobs import CompleteJob, Limits, Sampling
from puna.protocol import Load, Placement, Submit

TEXTS = ("\n", ":", '"', "*")


@pytest.fixture(scope="module")
def words(llama_source: Path) -> Iterator[Words]:
    opened = Words(llama_source / "models" / "ggml-vocab-gpt-2.gguf")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pieces(words: Words) -> Pieces:
    return Pieces([words.piece(token) for token in range(words.size)], words.tokenize)


some_text = st.lists(
    st.sampled_from(
        ("one", " two", " three", " and", " so", " on", "\n", ":", " an", "d", " ", "so")
    ),
    max_size=60,
).map("".join)


@settings(max_examples=12)
@given(text=some_text, breakers=st.sampled_from((TEXTS, ("and so",), (" and", "so on one"), ("",))))
def test_dry_breaks_where_the_library_breaks(
    words: Words, pieces: Pieces, text: str, breakers: tuple[str, ...]
):
    rules = Sampling(
        top_k=0, top_p=1, temperature=1, dry_multiplier=1, dry_allowed_length=1, dry_last_n=500
    )
    row = np.random.default_rng(1).normal(0, 2, words.size).astype(np.float32)
    prompt = words.tokenize(text.encode())
    mine = Sampler(
        rules,
        Limits(),
        seed=0,
        vocabulary=row.size,
        prompt=prompt,
        breakers=pieces.breakers(breakers),
    )
    library = [dry(1, 1.75, 1, 500, words.pointer, [text.encode() for text in breakers])]
    assert agree(ours(mine, row), theirs(library, row, prompt))


@given(
    pieces=st.lists(st.binary(max_size=3).filter(lambda piece: b"\0" not in piece), min_size=1),
    text=st.text("ab\n", min_size=1, max_size=4),
)
def test_every_token_that_holds_or_begins_a_breaker_is_found(pieces: list[bytes], text: str):
    pieces = [bytes(b"ab\n"[byte % 3] for byte in piece) for piece in pieces]
    wanted = text.encode()

    def spell(rest: bytes) -> list[int]:
        return [1000 + byte for byte in rest]

    expected: list[list[int]] = []
    for token, piece in enumerate(pieces):
        if wanted in piece:
            expected.append([token])
            continue
        expected += [
            [token, *spell(wanted[cut:])]
            for cut in range(1, len(wanted))
            if piece.endswith(wanted[:cut])
        ]
    assert Pieces(pieces, spell).breakers([text]) == Breakers.of(expected)


def test_breakers_are_found_once_and_those_long_unused_are_let_go(
    vocabularies: Callable[[str], Vocabulary],
):
    spellings = Spellings(vocabularies("gpt-2"))
    first = spellings.of(TEXTS)
    assert first.alone
    assert spellings.of(TEXTS) is first
    for number in range(8):
        spellings.of((f"{number}",))
    again = spellings.of(TEXTS)
    assert again is not first
    assert again == first


async def test_a_jobs_breakers_are_found_before_the_engine_gets_it(
    library: Library, pocket_model: Path
):
    load = Load((str(pocket_model),), placement=Placement(context=256, batch=64, threads=1))
    loaded = Loaded(opened(library, load), load, lambda outputs: None, lambda error: None)

    def breakers(sampling: Sampling) -> Breakers | None:
        job = CompleteJob("1", "m", "one, two", sampling=sampling)
        (request,) = prepared(loaded, Submit(job), job, 0)[1]
        return request.breakers

    try:
        assert breakers(Sampling()) is None
        found = breakers(Sampling(dry_multiplier=1, dry_breakers=(", t",)))
        assert found == Spellings(loaded.model.vocabulary).of((", t",)) != Breakers()
    finally:
        loaded.close()
