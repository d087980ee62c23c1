"""From jobs to prompts: rendered, tokenised safely, and fitted to the context."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from functools import partial

from msgspec.structs import replace

from puna.engine.pictures import Picture, cut_after, cut_before, weave
from puna.engine.vision import Projector
from puna.engine.vocabulary import Vocabulary
from puna.errors import BadRequest, MissingCapability, PromptTooLong, TemplateFailed
from puna.jobs import ChatJob, CompleteJob, Message
from puna.text.chat import IMAGE_MARKER
from puna.text.go.template import GoTemplate
from puna.text.guard import Guard
from puna.text.markup.format import Begun, Markup
from puna.text.tokens import Specials
from puna.text.voices import Voice, Voices

MAX_IMAGES = 64


@dataclass(frozen=True, slots=True)
class Prompt:
    """A job's input; for a conversation the markup of the answer, and how far it has begun.

    Negative tokens stand for images: `pictures` says for which.
    """

    text: str
    tokens: tuple[int, ...]
    markup: Markup | None = None
    begun: Begun = ""
    pictures: Mapping[int, Picture] = field(default_factory=dict[int, Picture])


class Prompts:
    """Makes prompts for one model; blocks while a template is rendered."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        specials: Specials,
        voices: Voices,
        projector: Projector | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._voices = voices
        self._specials = specials
        self._projector = projector

    @property
    def hidden(self) -> Collection[int]:
        """The tokens whose names are not part of a text."""
        return self._specials.hidden

    def chat(self, job: ChatJob, length: int) -> Prompt:
        """The prompt of a conversation; if it must, without its oldest parts.

        What stood before goes first, from its beginning; then whole turns with their images. The
        system messages and the last turn stay.
        """
        self._checked(job.before)
        whole = self._render(job)
        size = len(job.before) + len(whole.tokens)
        if size < length:
            return self._after(job.before, whole)
        if not job.fit.truncate:
            raise PromptTooLong(size, length)
        room = length - 1 - len(whole.tokens)
        if room >= 0:
            keep = min(max(job.fit.keep, 0), room)
            ending = job.before[len(job.before) - (room - keep) :]
            return self._after((*job.before[:keep], *ending), whole)
        return self._without_turns(job, length, size)

    def _without_turns(self, job: ChatJob, length: int, size: int) -> Prompt:
        kept, turns = _turns(job.messages)
        # The fewest turns to drop, found by halving: more dropped is never longer.
        least, most = 1, len(turns) - 1
        fitting: Prompt | None = None
        while least <= most:
            middle = (least + most) // 2
            rest = [message for turn in turns[middle:] for message in turn]
            prompt = self._render(replace(job, messages=(*kept, *rest)))
            if len(prompt.tokens) < length:
                fitting, most = prompt, middle - 1
            else:
                least = middle + 1
        if fitting is None:
            raise PromptTooLong(size, length)
        return fitting

    def _after(self, before: tuple[int, ...], prompt: Prompt) -> Prompt:
        """The prompt behind other tokens; what begins a text stands once."""
        if not before:
            return prompt
        begin = self._begin
        rest = prompt.tokens[len(begin) :] if prompt.tokens[:1] == begin else prompt.tokens
        before = before if before[:1] == begin else begin + before
        return replaced(prompt, tokens=before + rest)

    def complete(self, job: CompleteJob, length: int) -> Prompt:
        """The prompt of a text to go on with, or to fill in."""
        tokens, pictures = self._completion(job)
        if len(tokens) >= length:
            if not job.fit.truncate:
                raise PromptTooLong(len(tokens), length)
            # The beginning that is to be kept, and the end, which the output goes on from.
            keep = cut_before(tokens, min(max(job.fit.keep, 0), length // 2))
            rest = cut_after(tokens, len(tokens) - (length - 1 - keep))
            tokens = tokens[:keep] + tokens[rest:]
        text = job.prompt if isinstance(job.prompt, str) else ""
        return Prompt(text, tokens, pictures=pictures)

    def known(self, job: ChatJob | CompleteJob, tokens: tuple[int, ...]) -> Prompt:
        """The prompt of a job that goes on, whose tokens are known already."""
        rendered = self._render(job) if isinstance(job, ChatJob) else Prompt("", ())
        _, pictures = weave(piece for image in _images(job) for piece in self._read(image))
        return replaced(rendered, text="", tokens=tokens, pictures=pictures)

    def tokens(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text as it stands, without BOS."""
        if special:
            return self._vocabulary.tokenize(text, special=True)
        return self._specials.plain(text)

    def _render(self, job: ChatJob) -> Prompt:
        guard = Guard(self._specials)
        guarded = guard.job(job)
        # Nobody can write what nobody can guess, so only an image becomes one.
        marker = f"image{secrets.token_hex(16)}"
        voice = self._voices.of(job.template)
        if job.suffix:
            return self._between(job, guarded, guard, voice)
        render = voice.template.render
        if isinstance(voice.template, GoTemplate):
            render = partial(voice.template.render, stand_ins=guard.stand_ins)
        text = render(
            guarded.messages,
            guarded.tools if job.tool_choice != "none" else (),
            continue_last=job.continue_last,
            think=job.think,
            values=guarded.template_values,
            image_marker=marker,
        )
        tokens, pictures = self._woven(guard, text.split(marker), _images(job))
        begun = voice.markup.begun(text)
        if job.continue_last:
            begun = "thinking" if begun == "thinking" or _thinks_on(job) else "answer"
        shown = guard.meant(text).replace(marker, IMAGE_MARKER)
        return Prompt(shown, tokens, voice.markup, begun, pictures)

    def _between(self, job: ChatJob, guarded: ChatJob, guard: Guard, voice: Voice) -> Prompt:
        """The prompt for what stands between the last message and the suffix."""
        if _images(job):
            raise BadRequest("Images go only with a prompt of text, without a suffix.")
        suffix = guarded.suffix or ""
        match voice.template:
            case GoTemplate() as template if template.fills_in:
                text = template.fill_in(
                    _last_text(guarded),
                    suffix,
                    think=job.think,
                    values=guarded.template_values,
                    stand_ins=guard.stand_ins,
                )
                return Prompt(guard.meant(text), tuple(guard.tokens(text)), voice.markup, "answer")
            case _:
                tokens = self._fill_in(_last_text(job), job.suffix or "")
                return Prompt(_last_text(job), tokens, voice.markup, "answer")

    def _completion(self, job: CompleteJob) -> tuple[tuple[int, ...], dict[int, Picture]]:
        images = _images(job)
        if images and (job.suffix is not None or not isinstance(job.prompt, str)):
            raise BadRequest("Images go only with a prompt of text, without a suffix.")
        if not isinstance(job.prompt, str):
            return self._checked(job.prompt), {}
        guard = Guard(self._specials)
        if job.suffix is None:
            prompt = job.prompt if job.parse_special else guard.text(job.prompt)
            return self._woven(guard, [*[""] * len(images), prompt], images)
        return self._fill_in(job.prompt, job.suffix), {}

    def _fill_in(self, before: str, after: str) -> tuple[int, ...]:
        """The prompt for what stands between two texts, by the vocabulary's tokens for that."""
        if self._vocabulary.fill_in is None:
            raise MissingCapability(
                "This model cannot fill in between a prompt and a suffix.",
                "Choose one that was made for it, or give a template that reads .Suffix.",
            )
        prefix, suffix, middle = self._vocabulary.fill_in
        tokens = [prefix, *self._specials.plain(before)]
        tokens += [suffix, *self._specials.plain(after), middle]
        return (*self._begin, *tokens)

    @property
    def _begin(self) -> tuple[int, ...]:
        """What the vocabulary wants a prompt to begin with."""
        bos = self._vocabulary.bos
        return (bos,) if self._vocabulary.adds_bos and bos is not None else ()

    def _checked(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        size = self._vocabulary.size
        if any(not 0 <= token < size for token in tokens):
            raise BadRequest(f"A prompt's tokens must be from 0 to {size - 1}.")
        return tokens

    def _woven(
        self, guard: Guard, texts: list[str], images: list[bytes]
    ) -> tuple[tuple[int, ...], dict[int, Picture]]:
        """The tokens of texts with an image between each two of them."""
        if len(texts) != len(images) + 1:
            raise TemplateFailed("The chat template does not show each image once.")
        pieces: list[int | Picture] = [*guard.tokens(texts[0])]
        for image, text in zip(images, texts[1:], strict=True):
            pieces += self._read(image)
            pieces += guard.continued(text)
        return weave(pieces)

    def _read(self, image: bytes) -> tuple[int | Picture, ...]:
        if self._projector is None:
            raise MissingCapability(
                "This model cannot see images.", "Choose one that comes with a projector."
            )
        return self._projector.read(image)


def _images(job: ChatJob | CompleteJob) -> list[bytes]:
    match job:
        case ChatJob():
            images = [image for message in job.messages for image in message.images]
        case CompleteJob():
            images = list(job.images)
    if len(images) > MAX_IMAGES:
        raise BadRequest(f"There are {len(images)} images, at most {MAX_IMAGES} are taken.")
    return images


def _thinks_on(job: ChatJob) -> bool:
    """Whether the message that is gone on with ends in its thinking."""
    return bool(job.messages[-1].thinking) and not job.messages[-1].parts


def _last_text(job: ChatJob) -> str:
    """What the user said last."""
    said = (message.text for message in reversed(job.messages) if message.role == "user")
    return next(said, "")


def _turns(messages: tuple[Message, ...]) -> tuple[list[Message], list[list[Message]]]:
    """The system messages, and the others in turns that each begin with the user's."""
    kept: list[Message] = []
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "system":
            kept.append(message)
        elif message.role == "user" or not turns:
            turns.append([message])
        else:
            turns[-1].append(message)
    return kept, turns
