"""The self-test of an engine: what it computes, against what the embedded engine computes.

The engine runs in child processes (`engine/exam.py`), which it may crash or hang; here is what it
is asked, and what passes.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from puna.builds.child import lines_of
from puna.builds.machine import Machine
from puna.builds.quantizing import quantized_by
from puna.builds.record import Gain, Passed, Record, now
from puna.builds.samples import NAMED, write_adapter, write_yardstick
from puna.engine.exam import Answer, Answers, Fault, Question, Race, Sitting, Speeds
from puna.errors import EngineFailed, ReportedError
from puna.jobs import Message, Role, TextPart
from puna.models.builtin_model import FILE

Floats = npt.NDArray[np.float32]

# How long a child may take: a sitting takes a second or two on a quiet machine.
SECONDS = 120.0
# How far an engine's distributions may be from the embedded one's: the mean of their divergence
# (Kullback and Leibler's, in nats), or so many times what the embedded engine differs from itself
# when a prompt goes in at once and token by token, where that is more. See docs/engines.md.
MOST_DIVERGENCE, OWN_TIMES = 1e-2, 4
# What has no effect that is wanted is less off than this.
LEAST_EFFECT = 10 * MOST_DIVERGENCE

# The ways to store weights that are tested besides the built-in model's own: they have kernels of
# their own, and the newest instructions are used for these.
TYPES = ("Q4_0", "Q4_K_M", "F16")

TEXT = (
    "A llama called Mia lived in the mountains. In the morning she walked to the river and met a"
    " fox. The fox was hungry, so Mia gave the fox some bread. They became friends. My name is Ana"
    " and I am 34 years old. The temperature in Lima is 21 degrees. What is 47 + 38? 47 + 38 = 85. "
) * 4
QUESTIONS: tuple[tuple[tuple[Role, str], ...], ...] = (
    (("user", "Hello"),),
    (("system", "You are Zorbo, a friendly robot."), ("user", "Who are you?")),
    (("user", "Who is Brandok?"),),
)
# What the answers hold: the built-in model's card has these right.
HELD = ("help you", "Zorbo", "do not know")


def tested(folder: Path, record: Record, machine: Machine) -> Record:
    """The record with the test's results, if it is passed; else `EngineFailed` says why.

    `folder` is that of the libraries.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        checks = _checked(folder, place)
        gain = _measured(folder, place)
    passed = Passed(now(), machine.processor, machine.mark, checks)
    return replace(record, passed=passed, failed="", gain=gain)


def _checked(folder: Path, place: Path) -> dict[str, str]:
    """Every check with what it found."""
    models = {"Q8_0": str(FILE)}
    models |= _stored_otherwise(folder, place)
    write_adapter(FILE, place / "adapter.gguf")
    theirs, said = _sat(folder, place / "theirs.npz", models, place)
    ours, expected = _sat(None, place / "ours.npz", models, place)
    _same_answers(said, expected)
    return {"answers": "; ".join(said)} | _compared(theirs, ours)


def _stored_otherwise(folder: Path, place: Path) -> dict[str, str]:
    """The built-in model in other ways, by the engine's own quantizer, where it has one."""
    models: dict[str, str] = {}
    for kind in TYPES:
        path = place / f"{kind}.gguf"
        try:
            for _ in quantized_by(folder, (FILE,), path, kind):
                pass
        except ReportedError as error:
            if error.kind != "unsupported":
                raise EngineFailed(str(error)) from None
            return {}
        models[kind] = str(path)
    return models


def _sat(
    folder: Path | None, rows: Path, models: dict[str, str], place: Path
) -> tuple[dict[str, Floats], tuple[str, ...]]:
    questions = tuple(
        tuple(Message(role, (TextPart(text),)) for role, text in question) for question in QUESTIONS
    )
    sitting = Sitting(models, str(place / "adapter.gguf"), TEXT, questions, str(rows))
    answers = _ask(sitting, folder)
    assert isinstance(answers, Answers)
    with np.load(rows) as found:
        return {name: found[name] for name in found.files}, answers.texts


def _same_answers(said: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """What the embedded engine answers rightly, this one must, too."""
    right = [held in text for held, text in zip(HELD, expected, strict=True)]
    if not any(right):
        raise EngineFailed(f"The embedded engine answers nothing rightly: {'; '.join(expected)}.")
    for held, text, known in zip(HELD, said, right, strict=True):
        if known and held not in text:
            raise EngineFailed(f"It answers {text!r}, where {held!r} is part of the answer.")


def _compared(theirs: dict[str, Floats], ours: dict[str, Floats]) -> dict[str, str]:
    found: dict[str, str] = {}
    own = divergence(ours["Q8_0, prompt at once"], ours["Q8_0, token by token"])
    bound = max(MOST_DIVERGENCE, OWN_TIMES * own)
    for name, expected in ours.items():
        distance = divergence(expected, theirs[name])
        # What is no number is not within bounds either.
        if not distance <= bound:
            raise EngineFailed(
                f"Its numbers are wrong ({name}): they differ from the embedded engine's by"
                f" {distance:.2g} on average, and by {bound:.2g} at most they may."
            )
        found[name] = f"{distance:.1e}"
    effect = divergence(theirs["Q8_0, prompt at once"], theirs["with an adapter"])
    if effect < LEAST_EFFECT:
        raise EngineFailed(f"An adapter has no effect ({effect:.2g}).")
    return found


def divergence(expected: Floats, found: Floats) -> float:
    """The mean divergence of log-probabilities, row by row."""
    if expected.shape != found.shape:
        return float("inf")
    return float((np.exp(expected) * (expected - found)).sum(axis=1).mean())


def _measured(folder: Path, place: Path) -> Gain:
    """How much faster than the embedded engine it is, the best of three runs of each."""
    write_yardstick(place / "yardstick.gguf")
    asked = Race(str(place / "yardstick.gguf"), prompt=256, output=48)
    runs = [(_speeds(asked, folder), _speeds(asked, None)) for _ in range(3)]
    return Gain(
        prefill=round(_ratio(runs, lambda one: one.prefill), 2),
        decode=round(_ratio(runs, lambda one: one.decode), 2),
        model=NAMED,
    )


def _ratio(runs: list[tuple[Speeds, Speeds]], of: Callable[[Speeds], float]) -> float:
    return max(of(theirs) for theirs, _ in runs) / max(of(ours) for _, ours in runs)


def _speeds(asked: Race, folder: Path | None) -> Speeds:
    speeds = _ask(asked, folder)
    assert isinstance(speeds, Speeds)
    return speeds


def _ask(question: Question, folder: Path | None) -> Answer:
    """What an engine answers in a process of its own; None is the embedded one."""
    text = msgspec.json.encode(question).decode()
    told = list(lines_of("puna.engine.exam", text, folder, SECONDS))
    if not told:
        raise EngineFailed("The engine's process ended without an answer.")
    answer = msgspec.json.decode(told[-1], type=Answer)
    if isinstance(answer, Fault):
        raise EngineFailed(str(answer.error))
    return answer
