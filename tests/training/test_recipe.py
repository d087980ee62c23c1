"""The recipe's data: what training sees, what evaluation asks, and that they never meet."""

import pytest
from conversation import prompt, whole
from draw import Draw, is_held_out
from evaluate import SOURCES, held_out
from marks import is_right
from skills import arithmetic, plain, stories
from words import NOUNS


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_conversation_begins_with_its_own_prompt(source):
    draw = Draw("prompts", held_out=False)
    for _ in range(50):
        conversation = source(draw)
        assert whole(conversation).startswith(prompt(conversation))


def test_the_same_seed_gives_the_same_conversations():
    once, again = (
        [whole(source(Draw("seed", held_out=False))) for source in SOURCES] for _ in range(2)
    )
    assert once == again


def test_evaluation_asks_sums_that_training_never_saw():
    trained = Draw("sums", held_out=False)
    asked = Draw("sums", held_out=True)
    seen = {arithmetic.sum_of(trained) for _ in range(20_000)}
    assert not seen & {arithmetic.sum_of(asked) for _ in range(500)}


def test_evaluation_asks_for_tools_whose_nouns_training_never_saw():
    draw = Draw("nouns", held_out=True)
    nouns = {draw.novel("tool", NOUNS) for _ in range(500)}
    assert len(nouns) > 15
    assert all(is_held_out("tool", noun) for noun in nouns)


def test_evaluation_asks_facts_in_words_that_training_never_saw():
    trained, asked = Draw("facts", held_out=False), Draw("facts", held_out=True)
    seen = {plain.fact(trained)[0] for _ in range(20_000)}
    assert sum(plain.fact(asked)[0] in seen for _ in range(300)) < 30


def test_every_right_answer_is_marked_right():
    for conversation in held_out(each=10, seed=7):
        written = whole(conversation).removeprefix(prompt(conversation))
        reply = written.removesuffix("\n").removesuffix("<|im_end|>")
        assert is_right(conversation, reply), (conversation.skill, reply)


def test_another_conversations_answer_is_marked_wrong():
    conversations = [each for each in held_out(each=10, seed=7) if "tells" not in each.skill]
    replies = [
        whole(each).removeprefix(prompt(each)).strip()[: -len("<|im_end|>")]
        for each in conversations
    ]
    shifted = [*replies[31:], *replies[:31]]
    pairs = list(zip(conversations, shifted, strict=True))
    assert sum(is_right(each, reply) for each, reply in pairs) < len(pairs) * 0.1


@pytest.mark.parametrize(
    ("problem", "steps"),
    [
        ((47, "+", 38), "7 + 8 = 15, carry 1\n4 + 3 + 1 = 8"),
        ((42, "-", 17), "12 - 7 = 5, borrow 1\n4 - 1 - 1 = 2"),
        ((5, "-", 9), "5 is less than 9\n9 - 5 = 4, no borrow\n0 - 0 = 0\nnegative"),
    ],
)
def test_the_steps_of_a_sum_are_those_of_school(problem, steps):
    assert arithmetic.steps(*problem) == steps


def test_the_grammar_parses_its_own_stories_and_no_others():
    draw = Draw("tales", held_out=False)
    for _ in range(100):
        good, all_of_them = stories.parsed(stories.text(draw))
        assert good == all_of_them
    assert stories.parsed("The fox fox found. Once there was a fox.") == (0, 2)
