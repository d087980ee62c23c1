"""Constraints by a real vocabulary: what comes out belongs to them, whatever a model would say."""

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puna.engine.constraints import Bounds, Grammars, Matcher
from puna.engine.vocabulary import Vocabulary
from puna.errors import BadConstraint
from puna.jobs import Constraint
from puna.text.tokens import Specials

Vocabularies = Callable[[str], Vocabulary]


@pytest.fixture(scope="module", params=["qwen2", "llama-spm"])
def grammars(request: pytest.FixtureRequest, vocabularies: Vocabularies) -> Iterator[Grammars]:
    vocabulary = vocabularies(request.param)
    made = Grammars(vocabulary, Specials(vocabulary))
    yield made
    made.close()


@pytest.fixture(scope="module")
def grammar(vocabularies: Vocabularies) -> Iterator[Grammars]:
    vocabulary = vocabularies("qwen2")
    made = Grammars(vocabulary, Specials(vocabulary))
    yield made
    made.close()


def vocabulary_of(grammars: Grammars) -> Vocabulary:
    return grammars._vocabulary


def bits(matcher: Matcher, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.unpackbits(matcher.mask().view(np.uint8), count=size, bitorder="little")


def allowed(matcher: Matcher, size: int) -> list[int]:
    return np.flatnonzero(bits(matcher, size)).tolist()


def drawn(grammars: Grammars, constraint: Constraint, seed: int, most: int = 150) -> str | None:
    """A text drawn blindly under the constraint, or None if it has not ended by then."""
    vocabulary = vocabulary_of(grammars)
    matcher = grammars.compile(constraint).matcher()
    chance = random.Random(seed)
    # Blindly drawn strings hardly ever close, so ends, quotes and brackets are helped along.
    ends = sorted(vocabulary.end_tokens)
    closing = [vocabulary.tokenize(text, special=False)[-1] for text in ('"', "}", "]")]
    tokens = list[int]()
    for _ in range(most):
        mask = bits(matcher, vocabulary.size)
        assert bool(mask[ends].any()) == matcher.done
        forced = matcher.forced()
        assert not forced or mask[forced[0]]
        helped = [token for token in closing if mask[token]]
        if matcher.done and chance.random() < 0.5:
            token = next(token for token in ends if mask[token])
        elif helped and chance.random() < 0.4:
            token = chance.choice(helped)
        else:
            choices = np.flatnonzero(mask)
            token = int(choices[chance.randrange(len(choices))])
        assert matcher.accept(token)
        if token in vocabulary.end_tokens:
            return b"".join(map(vocabulary.piece, tokens)).decode()
        tokens.append(token)
    return None


def matches(grammars: Grammars, constraint: Constraint, text: str) -> bool:
    vocabulary = vocabulary_of(grammars)
    matcher = grammars.compile(constraint).matcher()
    tokens = Specials(vocabulary).continued(text)
    return all(matcher.accept(token) for token in tokens) and matcher.done


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "colour": {"enum": ["red", "green"]},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["name", "age", "colour"],
    "additionalProperties": False,
}


def follows_schema(text: str) -> bool:
    value = json.loads(text)
    assert {"name", "age", "colour"} <= value.keys() <= SCHEMA["properties"].keys()
    assert isinstance(value["name"], str)
    assert len(value["name"]) <= 12
    assert isinstance(value["age"], int)
    assert 0 <= value["age"] <= 150
    assert value["colour"] in ("red", "green")
    assert all(isinstance(tag, bool) for tag in value.get("tags", []))
    return len(value.get("tags", [])) <= 3


CHOICES = ["yes", "no", "maybe", 'say "no"\n', "é🦙", "yes, and"]
KINDS: dict[str, tuple[Constraint, Callable[[str], object]]] = {
    "json": (Constraint("json"), lambda text: isinstance(json.loads(text), dict)),
    "json_schema": (Constraint("json_schema", json.dumps(SCHEMA)), follows_schema),
    "regex": (
        Constraint("regex", r"^[0-9]{3}-(ab|cd)+$"),
        re.compile(r"[0-9]{3}-(ab|cd)+").fullmatch,
    ),
    "choice": (Constraint("choice", json.dumps(CHOICES)), lambda text: text in CHOICES),
    "lark": (
        Constraint("lark", 'start: "(" item ("," item)* ")"\nitem: /[a-z]{1,3}/ | start'),
        lambda text: text[0] == "(" and text.count("(") == text.count(")"),
    ),
    "gbnf": (
        Constraint("gbnf", 'root ::= num ("+" num)*\nnum ::= [0-9]+ | "(" root ")"'),
        re.compile(r"[0-9+()]+").fullmatch,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_under_a_constraint_belongs_to_it(kind: str, grammars: Grammars) -> None:
    constraint, belongs = KINDS[kind]
    texts = [drawn(grammars, constraint, seed) for seed in range(12)]
    ended = [text for text in texts if text is not None]
    assert len(ended) >= 3
    assert all(belongs(text) for text in ended), ended


def test_a_mask_leaves_only_allowed_tokens_possible(grammar: Grammars) -> None:
    vocabulary = vocabulary_of(grammar)
    matcher = grammar.compile(Constraint("choice", '["yes", "no"]')).matcher()
    # Models may have more rows of logits than tokens.
    logits = np.zeros(vocabulary.size + 64, dtype=np.float32)
    matcher.apply(logits)
    possible = np.flatnonzero(logits == 0).tolist()
    assert possible == allowed(matcher, vocabulary.size)
    assert {vocabulary.piece(token) for token in possible} == {b"y", b"ye", b"yes", b"n", b"no"}
    assert np.all(np.isneginf(logits[vocabulary.size :]))


def test_forced_tokens_are_the_only_ones_allowed_and_can_be_accepted(grammar: Grammars) -> None:
    vocabulary = vocabulary_of(grammar)
    text = "The quick brown llama grazes — twice."
    matcher = grammar.compile(Constraint("choice", json.dumps([text]))).matcher()
    tokens = list[int]()
    while not matcher.done:
        forced = matcher.forced() or allowed(matcher, vocabulary.size)
        for token in forced:
            assert allowed(matcher, vocabulary.size) == [token]
            assert matcher.accept(token)
            tokens.append(token)
    assert tokens == vocabulary.tokenize(text, special=False)
    assert matcher.stopped
    assert matcher.forced() == []


def test_a_token_that_may_not_come_changes_nothing(grammar: Grammars) -> None:
    vocabulary = vocabulary_of(grammar)
    matcher = grammar.compile(Constraint("regex", "ab+")).matcher()
    (a,), (b,) = (vocabulary.tokenize(char, special=False) for char in "ab")
    end = min(vocabulary.end_tokens)
    assert not matcher.accept(b)
    assert not matcher.accept(end)
    assert matcher.accept(a)
    assert matcher.allowed([b, b, a]) == 2
    assert matcher.accept(b)
    assert matcher.accept(end)
    assert matcher.stopped
    assert not matcher.accept(end)


def test_what_is_rolled_back_has_not_been(grammar: Grammars) -> None:
    vocabulary = vocabulary_of(grammar)
    matcher = grammar.compile(Constraint("json_schema", json.dumps(SCHEMA))).matcher()
    tokens = vocabulary.tokenize('{"name": "Ana", "age": 7, "colour": "red"}', special=False)
    masks = list[list[int]]()
    for token in tokens:
        masks.append(allowed(matcher, vocabulary.size))
        assert matcher.accept(token)
    assert matcher.accept(min(vocabulary.end_tokens))
    matcher.rollback(1)
    assert matcher.done
    for mask in reversed(masks):
        matcher.rollback(1)
        assert allowed(matcher, vocabulary.size) == mask


def test_a_resumed_matcher_and_a_clone_are_as_far_as_the_first(grammar: Grammars) -> None:
    vocabulary = vocabulary_of(grammar)
    compiled = grammar.compile(Constraint("json_schema", json.dumps(SCHEMA)))
    tokens = vocabulary.tokenize('{"name": "Ana", "age"', special=False)
    first = compiled.matcher(tokens)
    copy = first.clone()
    assert allowed(compiled.matcher(tokens), vocabulary.size) == allowed(first, vocabulary.size)
    assert first.accept(allowed(first, vocabulary.size)[0])
    assert copy.accept(allowed(copy, vocabulary.size)[-1])
    with pytest.raises(BadConstraint, match="so far"):
        compiled.matcher(vocabulary.tokenize("[1]", special=False))


def test_a_control_token_is_no_text_that_a_constraint_allows(grammar: Grammars) -> None:
    vocabulary = vocabulary_of(grammar)
    matcher = grammar.compile(Constraint("regex", r"(?s:.*)")).matcher()
    controls = {special.token for special in vocabulary.specials if special.markup}
    assert controls & set(allowed(matcher, vocabulary.size)) == vocabulary.end_tokens & controls


def test_the_same_constraint_is_compiled_once(grammar: Grammars) -> None:
    first = grammar.compile(Constraint("regex", "once"))
    assert grammar.compile(Constraint("regex", "once")) is first


def test_no_more_is_kept_than_the_bounds_say(vocabularies: Vocabularies) -> None:
    vocabulary = vocabularies("llama-spm")
    grammars = Grammars(vocabulary, Specials(vocabulary), Bounds(kept=2))
    try:
        first = grammars.compile(Constraint("regex", "a"))
        second = grammars.compile(Constraint("regex", "b"))
        assert grammars.compile(Constraint("regex", "a")) is first
        grammars.compile(Constraint("regex", "c"))
        assert grammars.compile(Constraint("regex", "a")) is first
        assert grammars.compile(Constraint("regex", "b")) is not second
    finally:
        grammars.close()


GBNF = {
    'root ::= [\\u4e00-\\u9fff]+ "\\u00e9" "\\u0041" "\\x42"': ("高原éAB", "aéAB"),
    'root ::= [a\\]b]+ [-c] [/] "a/b"': ("a]b-/a/b", "a]b-a/b"),
    'root ::= my-rule my_rule\nmy-rule ::= "x" # first\nmy_rule ::= "y"': ("xy", "xx"),
    'root ::= start end\nstart ::= "a"\nend ::= "b"': ("ab", "ba"),
    'root ::= fooBar foobar FOOBAR\nfooBar ::= "1"\nfoobar ::= "2"\nFOOBAR ::= "3"': ("123", "111"),
    'root ::= "a"{2,3} ("b"\n | "c")?': ("aaac", "a"),
    'root ::= [^"\\\\]+ | "\\"" . "\\""': ('"x"', '""'),
}


@pytest.mark.parametrize("text", GBNF)
def test_gbnf_means_what_it_means_to_llama_cpp(text: str, grammar: Grammars) -> None:
    good, bad = GBNF[text]
    assert matches(grammar, Constraint("gbnf", text), good)
    assert not matches(grammar, Constraint("gbnf", text), bad)


def test_all_grammars_of_the_engines_source_compile(grammar: Grammars, llama_source: Path) -> None:
    files = sorted((llama_source / "grammars").glob("*.gbnf"))
    assert len(files) >= 5
    for file in files:
        assert grammar.compile(Constraint("gbnf", file.read_text()))


SENSELESS = {
    "a broken schema": Constraint("json_schema", "{"),
    "a schema that is a list": Constraint("json_schema", "[]"),
    "a keyword that cannot be kept": Constraint(
        "json_schema", '{"uniqueItems": true, "type": "array"}'
    ),
    "an open group": Constraint("regex", "("),
    "a look-ahead": Constraint("regex", "(?=a)b"),
    "a lone surrogate": Constraint("regex", "a\ud800"),
    "a rule that is not there": Constraint("gbnf", "root ::= other"),
    "no start": Constraint("lark", 'other: "a"'),
    "a NUL": Constraint("lark", 'start: "a\0b"'),
    "choices that are none": Constraint("choice", "[]"),
    "choices that are numbers": Constraint("choice", "[1]"),
}


@pytest.mark.parametrize("what", SENSELESS)
def test_what_makes_no_sense_is_refused_with_a_reason(what: str, grammar: Grammars) -> None:
    with pytest.raises(BadConstraint, match=r"makes no sense: .+"):
        grammar.compile(SENSELESS[what])


def chain(length: int) -> str:
    """Schemas that refer to one another, deep enough to end a usual stack."""
    links = {
        f"d{at}": {"type": "object", "properties": {"x": {"$ref": f"#/$defs/d{at + 1}"}}}
        for at in range(length)
    }
    return json.dumps({"$ref": "#/$defs/d0", "$defs": {**links, f"d{length}": {}}})


HOSTILE = {
    "20,000 values": Constraint(
        "json_schema", json.dumps({"enum": [f"v{i}" for i in range(20000)]})
    ),
    "20,000 choices": Constraint("choice", json.dumps([f"v{i}" for i in range(20000)])),
    "references 3,000 deep": Constraint("json_schema", chain(3000)),
    "rules 5,000 deep": Constraint(
        "lark",
        "start: r0\n" + "".join(f'r{i}: "a" r{i + 1}\n' for i in range(5000)) + 'r5000: "x"\n',
    ),
    "schemas nested 3,000 deep": Constraint("json_schema", '{"items":' * 3000 + "{}" + "}" * 3000),
    "lists nested 100,000 deep": Constraint("choice", "[" * 100_000),
    "groups nested 20,000 deep": Constraint("regex", "(" * 20_000 + "a" + ")" * 20_000),
    "GBNF nested 5,000 deep": Constraint("gbnf", "root ::= " + "(" * 5000 + '"a"' + ")" * 5000),
    "5,000 properties": Constraint(
        "json_schema",
        json.dumps({"type": "object", "properties": {f"p{i}": {} for i in range(5000)}}),
    ),
    "4,000 GBNF rules": Constraint(
        "gbnf",
        "root ::= r0\n"
        + "".join(f'r{i} ::= "a" r{i + 1}\n' for i in range(4000))
        + 'r4000 ::= "x"',
    ),
    "repeated repetitions": Constraint("regex", "(((a{1,1000}){1,1000}){1,1000}){1,1000}"),
    "optional letters": Constraint("regex", "(a?){1000}a{1000}"),
    "a choice of all combinations": Constraint(
        "json_schema",
        json.dumps(
            {
                "allOf": [
                    {"anyOf": [{"properties": {f"{x}{i}": {}}} for x in "ab"]} for i in range(12)
                ]
            }
        ),
    ),
    "a megabyte": Constraint("regex", "a" * (1 << 20)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_constraint_is_compiled_or_refused_and_the_next_one_works(
    what: str, grammar: Grammars
) -> None:
    try:
        grammar.compile(HOSTILE[what]).matcher().mask()
    except BadConstraint as error:
        assert str(error).endswith(".")  # noqa: PT017 - either end is right, a third is not
    assert matches(grammar, Constraint("regex", "[a-z]+"), "fine")


def test_what_takes_too_long_to_compile_ends_with_an_error(vocabularies: Vocabularies) -> None:
    vocabulary = vocabularies("llama-spm")
    grammars = Grammars(vocabulary, Specials(vocabulary), Bounds(characters=1 << 20))
    rules = "".join(f'r{i} ::= "a" r{i + 1}\n' for i in range(20_000))
    slow = f'root ::= r0\n{rules}r20000 ::= "x"'
    try:
        with pytest.raises(BadConstraint, match="too much time or memory"):
            grammars.compile(Constraint("gbnf", slow))
        assert matches(grammars, Constraint("regex", "[a-z]+"), "fine")
    finally:
        grammars.close()


def test_a_mask_that_takes_too_long_ends_its_output_only(vocabularies: Vocabularies) -> None:
    vocabulary = vocabularies("llama-spm")
    grammars = Grammars(vocabulary, Specials(vocabulary), Bounds(step_seconds=0))
    try:
        with pytest.raises(BadConstraint, match="too long to follow"):
            grammars.compile(Constraint("json"))
    finally:
        grammars.close()
