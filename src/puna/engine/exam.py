"""An engine examined: the built-in model run in all the ways that matter, and what comes of it.

Usage: python -m puna.engine.exam QUESTION     a `Sitting` or a `Race`, as JSON

It runs in a process of its own, since an engine that is broken crashes or hangs, and ends with a
line of JSON, an `Answer`. Whether what comes of it is right, `builds/testing.py` judges.
"""

import sys
import time
from contextlib import closing

import msgspec
import numpy as np

from puna.engine.batches import Floats, Span
from puna.engine.context import Context, Outcome
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.origin import verified
from puna.errors import EngineFailed, ErrorReport, PunaError
from puna.jobs import Message
from puna.protocol import Adapter, Placement
from puna.text.templates import Template

# So many tokens of the text are run, of which so many are looked at.
LENGTH, SEEN = 240, 60
CROWD, SHARE = 8, 8
MOST_ANSWERED = 24
ROUNDS = 3

PLAIN = Placement(context=512, sequences=CROWD, pooled=True)
QUANTIZED = Placement(
    context=512,
    sequences=CROWD,
    pooled=True,
    cache_type_k="q8_0",
    cache_type_v="q8_0",
    flash_attention="on",
)


class Sitting(msgspec.Struct, frozen=True, tag="sitting"):
    """Run these models, the first of them in every way; all rows go into the file `rows`."""

    models: dict[str, str]
    adapter: str
    text: str
    questions: tuple[tuple[Message, ...], ...]
    rows: str


class Race(msgspec.Struct, frozen=True, tag="race"):
    """How fast is a prompt of so many tokens taken in, and so many put out?"""

    model: str
    prompt: int
    output: int


class Answers(msgspec.Struct, frozen=True, tag="answers"):
    """What the model said to each question."""

    texts: tuple[str, ...]


class Speeds(msgspec.Struct, frozen=True, tag="speeds"):
    """Tokens a second, the best of a few rounds."""

    prefill: float
    decode: float


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """Something in the engine said no."""

    error: ErrorReport


Question = Sitting | Race
Answer = Answers | Speeds | Fault


def sit(library: Library, sitting: Sitting) -> Answers:
    """Run it all."""
    rows: dict[str, Floats] = {}
    texts: tuple[str, ...] = ()
    for name, path in sitting.models.items():
        with closing(Model(library, (path,), PLAIN)) as model:
            tokens = model.vocabulary.tokenize(sitting.text, special=False)[:LENGTH]
            with closing(Context(model, PLAIN)) as context:
                rows[f"{name}, prompt at once"] = _at_once(context, tokens)
                rows[f"{name}, token by token"] = _step_by_step(context, tokens)
                rows[f"{name}, {CROWD} at once"] = _crowd(context, tokens)
                if not texts:
                    texts = tuple(_answer(context, question) for question in sitting.questions)
            if len(rows) > 3:
                continue
            adapters = ((model.adapter(Adapter(sitting.adapter)), 1.0),)
            with closing(Context(model, PLAIN, adapters=adapters)) as context:
                rows["with an adapter"] = _at_once(context, tokens)
            with closing(Context(model, QUANTIZED)) as context:
                rows["quantized cache, prompt at once"] = _at_once(context, tokens)
                rows["quantized cache, token by token"] = _step_by_step(context, tokens)
    np.savez(
        sitting.rows, allow_pickle=False, **{name: _logprobs(found) for name, found in rows.items()}
    )
    return Answers(texts)


def race(library: Library, asked: Race) -> Speeds:
    """Measure, a few times."""
    placement = Placement(context=1024, sequences=1, pooled=True)
    tokens = [int(token) for token in np.random.default_rng(0).integers(0, 1000, asked.prompt)]
    best: tuple[float, float] = (0.0, 0.0)
    with (
        closing(Model(library, (asked.model,), placement)) as model,
        closing(Context(model, placement)) as context,
    ):
        for _ in range(ROUNDS):
            context.clear(0)
            began = time.perf_counter()
            _step(context, [Span(0, 0, tokens, 1)])
            context.logits(0)
            taken_in = time.perf_counter()
            for position in range(asked.prompt, asked.prompt + asked.output):
                _step(context, [Span(0, position, [tokens[0]], 1)])
                context.logits(0)
            ended = time.perf_counter()
            best = (
                max(best[0], asked.prompt / (taken_in - began)),
                max(best[1], asked.output / (ended - taken_in)),
            )
    return Speeds(*best)


def _at_once(context: Context, tokens: list[int]) -> Floats:
    context.clear(0)
    return _step(context, [Span(0, 0, tokens, SEEN)])


def _step_by_step(context: Context, tokens: list[int]) -> Floats:
    """A prompt in chunks of an odd size, and its end as if it were put out."""
    context.clear(0)
    size, rows = 31, list[Floats]()
    begin = len(tokens) - SEEN
    for start in range(0, begin, size):
        _step(context, [Span(0, start, tokens[start : min(start + size, begin)], 1)])
    for position in range(begin, len(tokens)):
        rows.append(_step(context, [Span(0, position, [tokens[position]], 1)]))
    return np.concatenate(rows)


def _crowd(context: Context, tokens: list[int]) -> Floats:
    """Eight sequences, each from another place of the text on: their prompts, then their steps."""
    context.clear(0)
    parts = [tokens[at * 20 : at * 20 + 48] for at in range(CROWD)]
    begin = len(parts[0]) - SHARE
    rows = [_step(context, [Span(slot, 0, part[:begin], 1) for slot, part in enumerate(parts)])]
    for position in range(begin, begin + SHARE):
        spans = [Span(slot, position, [part[position]], 1) for slot, part in enumerate(parts)]
        rows.append(_step(context, spans))
    for slot in range(CROWD):
        context.clear(slot)
    return np.concatenate(rows)


def _answer(context: Context, question: tuple[Message, ...]) -> str:
    """What the model says, always its likeliest token."""
    vocabulary = context.model.vocabulary
    with closing(Template(context.model.template)) as template:
        text = template.render(question, think=False)
    tokens, said = vocabulary.tokenize(text, special=True), list[int]()
    context.clear(0)
    position = 0
    while len(said) < MOST_ANSWERED:
        row = _step(context, [Span(0, position, tokens, 1)])[0]
        position += len(tokens)
        tokens = [int(row.argmax())]
        if vocabulary.ends(tokens[0]):
            break
        said += tokens
    return vocabulary.detokenize(said).decode("utf-8", "replace")


def _step(context: Context, spans: list[Span]) -> Floats:
    if context.step(spans) is not Outcome.DONE:
        raise EngineFailed("The engine did not end a step.")
    count = sum(span.outputs for span in spans)
    return np.stack([context.logits(row).copy() for row in range(count)])


def _logprobs(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _answered(question: Question) -> Answer:
    try:
        library = Library(verified())
        if isinstance(question, Race):
            return race(library, question)
        return sit(library, question)
    except PunaError as error:
        return Fault(error.report())


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.argv[1], type=Question)
    print(msgspec.json.encode(_answered(asked)).decode(), flush=True)
