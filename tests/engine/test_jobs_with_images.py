"""Jobs with images and adapters, from the wire's messages to the wire's messages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import stand_in_parts
from msgspec.structs import replace
from stand_in_parts import png

from puna.deltas import DoneDelta, TextDelta, Usage
from puna.engine.libllama import Library
from puna.engine.loaded import Loaded
from puna.engine.opening import opened
from puna.engine.sequence import Output
from puna.engine.work import Work
from puna.jobs import (
    ChatJob,
    CompleteJob,
    Fit,
    GenerateJob,
    ImagePart,
    Limits,
    Message,
    Sampling,
    TextPart,
    message,
)
from puna.protocol import (
    Adapter,
    Emitted,
    Frame,
    JobFailed,
    Load,
    Pause,
    Paused,
    Placement,
    Resume,
    Submit,
    Tokenize,
    Tokens,
    ToServer,
)
from puna.text.templates import IMAGE_MARKER

Shape = Callable[[str], Path]
GREEDY, SHORT = Sampling(temperature=0, seed=1), Limits(max_tokens=12, ignore_eos=True)
PLACEMENT = Placement(context=512, sequences=4, batch=128, threads=1)
HERE, THERE = png(40, 40, seed=1), png(64, 48, seed=2)
PATCHES = stand_in_parts.PATCHES
GO = "{{ range .Messages }}<{{ .Role }}>{{ .Content }}{{ end }}<assistant>"


class Runner:
    """A loaded model and its work, and all that they say."""

    def __init__(self, library: Library, load: Load) -> None:
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Queue[ToServer] = asyncio.Queue()
        self.loaded = Loaded(
            opened(library, load),
            load,
            self._take,
            lambda error: pytest.fail(str(error)),
        )
        self.work = Work(self.loaded, self._say, lambda: None)
        # The job that is to be paused once it has said something.
        self._pausing, self._spoken = "", False

    def _take(self, outputs: list[Output]) -> None:
        """On the engine's thread, which takes no step meanwhile."""
        self.work.take(outputs)
        if self._pausing and self._spoken:
            self.work.pause(Pause(self._pausing))
            self._pausing = ""

    def _say(self, message: ToServer) -> None:
        self._spoken = isinstance(message, Frame) and any(
            isinstance(delta, TextDelta) for _, each in message.deltas for delta in each
        )
        self._loop.call_soon_threadsafe(self._said.put_nowait, message)

    def close(self) -> None:
        self.work.close()
        self.loaded.close()

    async def run(self, job: GenerateJob, resume: Resume | None = None) -> tuple[str, Usage]:
        """A job's text and usage."""
        async with asyncio.TaskGroup() as tasks:
            self.work.submit(Submit(job, resume), tasks)
        text = ""
        while True:
            match await self._said.get():
                case Frame(deltas):
                    for delta in (delta for _, each in deltas for delta in each):
                        if isinstance(delta, TextDelta):
                            text += delta.text
                        if isinstance(delta, DoneDelta):
                            return text, delta.usage
                case JobFailed(_, error):
                    raise AssertionError(error.name, str(error))

    async def pause(self, job: GenerateJob) -> tuple[str, Resume]:
        """Start a job and take it off after its first words: those, and what it goes on with."""
        self._pausing, self._spoken, text = job.id, False, ""
        async with asyncio.TaskGroup() as tasks:
            self.work.submit(Submit(job), tasks)
        while True:
            match await self._said.get():
                case Frame(deltas):
                    said = [one for _, each in deltas for one in each if isinstance(one, TextDelta)]
                    text += "".join(one.text for one in said)
                case Paused(_, resume):
                    assert resume is not None
                    return text, resume

    async def tokens(self, job: GenerateJob) -> Tokens:
        """A job's prompt."""
        await self.work.tokenize(Tokenize("t", job=job))
        said = await self._said.get()
        assert isinstance(said, Tokens)
        assert said.error is None, said.error
        return said


def load(shape: Shape, *, projector: bool = True, adapters: tuple[int, ...] = ()) -> Load:
    path = shape("llama")
    file = stand_in_parts.write_projector(path.with_suffix(".projector.gguf"))
    written = (
        stand_in_parts.write_adapter(path.with_suffix(f".lora{seed}.gguf"), seed=seed)
        for seed in adapters
    )
    return Load(
        (str(path),),
        projector=str(file) if projector else "",
        adapters=tuple(Adapter(str(file)) for file in written),
        placement=PLACEMENT,
    )


@pytest.fixture
async def runner(library: Library, shape: Shape) -> AsyncIterator[Runner]:
    made = Runner(library, load(shape))
    yield made
    made.close()


def chat(id: str, *messages: Message) -> ChatJob:
    return ChatJob(id, "m", messages, sampling=GREEDY, limits=SHORT)


def seen(text: str, *images: bytes) -> Message:
    return Message("user", (*map(ImagePart, images), TextPart(text)))


async def test_a_chat_sees_its_images_and_finds_them_again(runner: Runner) -> None:
    assert "vision" in runner.loaded.facts.capabilities
    first, usage = await runner.run(chat("1", asked := seen("What is it?", HERE)))
    other, _ = await runner.run(chat("2", seen("What is it?", THERE)))
    blind, without = await runner.run(chat("3", message("user", "What is it?")))
    assert len({first, other, blind}) == 3
    assert usage.prompt_tokens == without.prompt_tokens + PATCHES
    turns = (asked, message("assistant", first), seen("And now?", THERE))
    _, again = await runner.run(chat("4", *turns))
    assert again.cached_tokens >= usage.prompt_tokens
    assert runner.loaded.projector is not None
    assert runner.loaded.projector.encoded == 2


async def test_a_marker_in_peoples_text_is_no_image(runner: Runner) -> None:
    shown = await runner.tokens(chat("1", seen(f"a {IMAGE_MARKER} b", HERE)))
    assert sum(token < 0 for token in shown.tokens) == PATCHES
    assert b"".join(shown.pieces).count(IMAGE_MARKER.encode()) == 1
    plain = await runner.tokens(chat("2", message("user", f"a {IMAGE_MARKER} b")))
    assert all(token >= 0 for token in plain.tokens)


@pytest.mark.parametrize("template", ["", GO], ids=["jinja", "go"])
async def test_the_images_of_dropped_turns_go_with_them(runner: Runner, template: str) -> None:
    early, late = seen("What is it?", HERE), seen("And that?", THERE)
    turns = (early, message("assistant", "A llama."), late)
    job = replace(chat("1", *turns), template=template)
    prompts = runner.loaded.prompts
    whole, last = prompts.chat(job, 512), prompts.chat(replace(job, messages=(late,)), 512)
    assert len(whole.pictures) == 2
    fitted = prompts.chat(job, len(whole.tokens))
    assert fitted.tokens == last.tokens
    assert fitted.pictures.keys() == last.pictures.keys() < whole.pictures.keys()


async def test_a_completion_sees_images_before_its_text(runner: Runner) -> None:
    job = CompleteJob("1", "m", "It is", images=(HERE, THERE), sampling=GREEDY, limits=SHORT)
    shown = await runner.tokens(job)
    assert all(token < 0 for token in shown.tokens[: 2 * PATCHES])
    text, usage = await runner.run(job)
    assert (len(text) > 0, usage.prompt_tokens) == (True, len(shown.tokens))
    other, _ = await runner.run(replace(job, id="2", images=(THERE, HERE)))
    assert other != text


async def test_a_completion_is_never_cut_inside_an_image(runner: Runner) -> None:
    job = CompleteJob("1", "m", "It is " * 40, images=(HERE, THERE), fit=Fit(context=150, keep=50))
    shown = await runner.tokens(job)
    assert len(shown.tokens) < 150
    assert sum(token < 0 for token in shown.tokens) == PATCHES


async def test_a_job_with_images_goes_on_with_the_same_words(runner: Runner) -> None:
    job = replace(chat("1", seen("What is it?", HERE)), limits=Limits(300, ignore_eos=True))
    whole, _ = await runner.run(job)
    begun, resume = await runner.pause(replace(job, id="2"))
    (emitted,) = resume.emitted
    assert isinstance(emitted, Emitted)
    rest, usage = await runner.run(replace(job, id="2"), resume)
    # Further on, rounding may decide between tokens that are nearly as likely.
    assert begun
    assert whole.startswith(begun + rest[:10])
    assert usage.output_tokens == 300


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((ImagePart(b"no image"),), "BadRequest"),
        ((ImagePart(HERE[:-200]),), "BadRequest"),
        ((ImagePart(HERE),) * 65, "BadRequest"),
        ((ImagePart(HERE),) * 20, "PromptTooLong"),
    ],
)
async def test_images_that_cannot_be_seen_are_refused(
    runner: Runner, parts: tuple[ImagePart, ...], error: str
) -> None:
    with pytest.raises(AssertionError, match=error):
        await runner.run(chat("1", Message("user", parts)))
    assert (await runner.run(chat("2", seen("What is it?", HERE))))[0]


async def test_tokens_that_are_none_of_the_models_are_refused(runner: Runner) -> None:
    for tokens in ((5, -2), (5, 10**9)):
        with pytest.raises(AssertionError, match="must be from 0 to"):
            await runner.run(CompleteJob("1", "m", tokens))


async def test_a_model_without_a_projector_says_so(library: Library, shape: Shape) -> None:
    runner = Runner(library, load(shape, projector=False))
    assert "vision" not in runner.loaded.facts.capabilities
    with pytest.raises(AssertionError, match="cannot see images"):
        await runner.run(chat("1", seen("What is it?", HERE)))
    runner.close()


async def test_a_models_adapters_are_applied_to_its_jobs(library: Library, shape: Shape) -> None:
    answers: set[str] = set()
    for adapters in ((), (1,), (1, 2)):
        runner = Runner(library, load(shape, adapters=adapters))
        answers.add((await runner.run(chat("1", message("user", "What is it?"))))[0])
        runner.close()
    assert len(answers) == 3
