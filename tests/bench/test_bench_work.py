"""Lengths, arrivals, words and workloads: seeded, and as long as was asked."""

from itertools import islice, pairwise
from random import Random

import pytest

from puna.bench.arrivals import Rate, poisson
from puna.bench.lengths import read_lengths
from puna.bench.words import COMMON, Words, measured
from puna.bench.workloads import WORKLOADS, Work, Workload
from puna.errors import BadSetting, PunaError

WORDS = Words(COMMON, alone=9)


def drawn(text: str, count: int = 500) -> list[int]:
    lengths, random = read_lengths(text), Random(3)
    return [lengths.draw(random) for _ in range(count)]


def test_lengths_are_fixed_or_spread_as_they_say() -> None:
    assert set(drawn("64")) == {64}
    assert set(drawn("3..5")) == {3, 4, 5}
    normal = drawn("normal:100,10")
    assert 98 < sum(normal) / len(normal) < 102
    assert 60 < min(normal) < 90 < 110 < max(normal) < 140
    assert min(drawn("normal:100,80@50..150")) == 50
    skewed = sorted(drawn("lognormal:100,1@2..5000"))
    assert 80 < skewed[250] < 125
    assert sum(skewed) / len(skewed) > 1.2 * skewed[250]


@pytest.mark.parametrize("text", ["", "0", "-3", "5..3", "0..3", "normal:1", "cubic:1,2", "1.5"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="is no length"):
        read_lengths(text)


def test_arrivals_are_independent_and_the_same_for_the_same_seed() -> None:
    first = list(islice(poisson(Rate(20), Random("seed")), 4000))
    assert first == list(islice(poisson(Rate(20), Random("seed")), 4000))
    assert first != list(islice(poisson(Rate(20), Random("other")), 4000))
    assert first[-1] == pytest.approx(4000 / 20, rel=0.05)
    gaps = [later - sooner for sooner, later in pairwise(first)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    # What tells an exponential distribution from others: its deviation is its mean.
    assert spread == pytest.approx(mean, rel=0.08)


async def test_words_are_measured_by_the_servers_count() -> None:
    async def count(text: str) -> int:
        return 6 + len(text.split())

    words = await measured(count)
    assert (words.words, words.alone, words.each) == (COMMON, 7, 1)
    assert await count(words.text(Random(1), 33)) == 33


async def test_where_not_all_words_are_one_token_those_that_are_get_used() -> None:
    long = {"the", "you", "and", "of", "on"}

    async def count(text: str) -> int:
        return 6 + sum(2 if word in long else 1 for word in text.split())

    words = await measured(count)
    assert (words.alone, words.is_exact) == (7, True)
    assert not long & set(words.words)
    assert await count(words.text(Random(1), 33)) == 33


async def test_a_vocabulary_of_letters_gives_lengths_as_near_as_can_be() -> None:
    async def count(text: str) -> int:
        return 4 + len(text)

    words = await measured(count)
    assert not words.is_exact
    for wanted in range(20, 40):
        assert wanted - words.each < await count(words.text(Random(1), wanted)) <= wanted


async def test_counts_that_do_not_add_up_are_refused() -> None:
    async def count(text: str) -> int:
        return 4

    with pytest.raises(PunaError, match="do not add up"):
        await measured(count)


def test_a_prompt_shorter_than_its_template_is_refused() -> None:
    with pytest.raises(BadSetting, match="cannot have 8 tokens: with a single word it has 9"):
        WORDS.text(Random(1), 8)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_same_seed_makes_the_same_scripts(workload: Workload) -> None:
    work = Work(workload, read_lengths("20..40"), read_lengths("1..9"), turns=2)

    def scripts(shape: str, seed: str) -> list[object]:
        return list(islice(work.scripts(WORDS, shape, seed), 20))

    assert scripts("a", "b") == scripts("a", "b")
    assert scripts("a", "b") != scripts("a", "c")


def test_scripts_of_other_words_have_the_same_lengths() -> None:
    work = Work("single", read_lengths("20..40"), read_lengths("1..9"))
    one, other = (list(islice(work.scripts(WORDS, "a", seed), 20)) for seed in "bc")
    for here, there in zip(one, other, strict=True):
        assert here.outputs == there.outputs
        assert here.says != there.says
        assert len(here.says[0].split()) == len(there.says[0].split())


def test_prompts_of_a_shared_prefix_share_it_and_nothing_more() -> None:
    work = Work("shared-prefix", read_lengths("40"), read_lengths("1"))
    texts = [one.says[0].split() for one in islice(work.scripts(WORDS, "a", "b"), 20)]
    common = 30 - WORDS.alone + 1
    assert {len(text) for text in texts} == {40 - WORDS.alone + 1}
    assert len({tuple(text[:common]) for text in texts}) == 1
    assert len({tuple(text[common:]) for text in texts}) == 20


def test_an_echo_is_as_long_as_what_it_repeats() -> None:
    work = Work("echo", read_lengths("20..40"), None)
    for script in islice(work.scripts(WORDS, "a", "b"), 10):
        assert script.says[0].startswith("Repeat this, word for word: ")
        framed = len(script.says[0].split()) - 5
        assert script.outputs == (framed - 1 + WORDS.alone,)
