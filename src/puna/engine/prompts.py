"""From jobs to prompts: rendered, tokenised safely, and fitted to the context."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from puna.engine.vocabulary import Vocabulary
from puna.errors import MissingCapability, PromptTooLong
from puna.jobs import ChatJob, CompleteJob, Message
from puna.text.guard import Guard
from puna.text.markup import Markup
from puna.text.templates import Template
from puna.text.tokens import Specials


@dataclass(frozen=True, slots=True)
class Prompt:
    """A job's input. `thinking` says that the template has opened thinking already."""

    text: str
    tokens: tuple[int, ...]
    thinking: bool = False


class Prompts:
    """Makes prompts for one model; blocks while a template is rendered."""

    def __init__(
        self, vocabulary: Vocabulary, template: Template, markup: Callable[[], Markup]
    ) -> None:
        self._vocabulary = vocabulary
        self._template = template
        self._markup = markup
        self._specials = Specials(vocabulary)

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
        tokens = self._completion(job)
        if len(tokens) >= length:
            if not job.fit.truncate:
                raise PromptTooLong(len(tokens), length)
            # The beginning that is to be kept, and the end, which the output goes on from.
            keep = min(max(job.fit.keep, 0), length // 2)
            tokens = tokens[:keep] + tokens[len(tokens) - (length - 1 - keep) :]
        return Prompt(job.prompt if isinstance(job.prompt, str) else "", tuple(tokens))

    def known(self, job: ChatJob | CompleteJob, tokens: tuple[int, ...]) -> Prompt:
        """The prompt of a job that goes on, whose tokens are known already."""
        thinking = isinstance(job, ChatJob) and self._render(job).thinking
        return Prompt("", tokens, thinking)

    def tokens(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text as it stands, without BOS."""
        if special:
            return self._vocabulary.tokenize(text, special=True)
        return self._specials.plain(text)

    def _render(self, job: ChatJob) -> Prompt:
        guard = Guard(self._specials)
        guarded = guard.job(job)
        text = self._template.render(
            guarded.messages,
            guarded.tools if job.tool_choice != "none" else (),
            continue_last=job.continue_last,
            think=job.think,
            values=guarded.template_values,
        )
        tags = self._markup().think
        thinking = tags is not None and text.rstrip().endswith(tags.open.strip())
        return Prompt(text, tuple(guard.tokens(text)), thinking)

    def _completion(self, job: CompleteJob) -> list[int]:
        if not isinstance(job.prompt, str):
            return list(job.prompt)
        guard = Guard(self._specials)
        if job.suffix is None:
            prompt = job.prompt if job.parse_special else guard.text(job.prompt)
            return guard.tokens(prompt)
        if self._vocabulary.fill_in is None:
            raise MissingCapability("This model cannot fill in between a prompt and a suffix.")
        prefix, suffix, middle = self._vocabulary.fill_in
        tokens = [prefix, *self._specials.plain(job.prompt)]
        tokens += [suffix, *self._specials.plain(job.suffix), middle]
        bos = self._vocabulary.bos
        return [bos, *tokens] if self._vocabulary.adds_bos and bos is not None else tokens


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
