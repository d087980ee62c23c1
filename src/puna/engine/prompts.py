"""From jobs to prompts: rendered, tokenised safely, and fitted to the context."""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from puna.engine.pictures import Picture, cut_after, cut_before, weave
from puna.engine.vision import Projector
from puna.engine.vocabulary import Vocabulary
from puna.errors import BadRequest, MissingCapability, PromptTooLong, TemplateFailed
from puna.jobs import ChatJob, CompleteJob, Message
from puna.text.guard import Guard
from puna.text.markup.format import Markup
from puna.text.templates import IMAGE_MARKER, Template
from puna.text.tokens import Specials

MAX_IMAGES = 64


@dataclass(frozen=True, slots=True)
class Prompt:
    """A job's input. `thinking` says that the template has opened thinking already.

    Negative tokens stand for images: `pictures` says for which.
    """

    text: str
    tokens: tuple[int, ...]
    thinking: bool = False
    pictures: Mapping[int, Picture] = field(default_factory=dict[int, Picture])


class Prompts:
    """Makes prompts for one model; blocks while a template is rendered."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        specials: Specials,
        template: Template,
        markup: Callable[[], Markup],
        projector: Projector | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._markup = markup
        self._specials = specials
        self._projector = projector

    @property
    def hidden(self) -> Collection[int]:
        """The tokens whose names are not part of a text."""
        return self._specials.hidden

    def chat(self, job: ChatJob, length: int) -> Prompt:
        """The prompt of a conversation; if it must, without its oldest turns."""
        whole = self._render(job)
        if len(whole.tokens) < length:
            return whole
        if not job.fit.truncate:
            raise PromptTooLong(len(whole.tokens), length)
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
            raise PromptTooLong(len(whole.tokens), length)
        return fitting

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
        thinking = isinstance(job, ChatJob) and self._render(job).thinking
        _, pictures = weave(piece for image in _images(job) for piece in self._read(image))
        return Prompt("", tokens, thinking, pictures)

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
        text = self._template.render(
            guarded.messages,
            guarded.tools if job.tool_choice != "none" else (),
            continue_last=job.continue_last,
            think=job.think,
            values=guarded.template_values,
            image_marker=marker,
        )
        thinking = self._markup().has_begun_thinking(text)
        tokens, pictures = self._woven(guard, text.split(marker), _images(job))
        return Prompt(text.replace(marker, IMAGE_MARKER), tokens, thinking, pictures)

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
        if self._vocabulary.fill_in is None:
            raise MissingCapability("This model cannot fill in between a prompt and a suffix.")
        prefix, suffix, middle = self._vocabulary.fill_in
        tokens = [prefix, *self._specials.plain(job.prompt)]
        tokens += [suffix, *self._specials.plain(job.suffix), middle]
        bos = self._vocabulary.bos
        begin = [bos] if self._vocabulary.adds_bos and bos is not None else []
        return (*begin, *tokens), {}

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
