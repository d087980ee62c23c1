"""A last message that the model shall go on with: the prompt ends in the middle of it."""

from collections.abc import Sequence

from msgspec.structs import replace

from puna.errors import TemplateFailed
from puna.jobs import Message, TextPart

_HERE = "PUNAGOESONHERE"


def marked(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, with a mark at the end of the last one."""
    if not messages:
        raise TemplateFailed("There is no last message to go on with.")
    last = messages[-1]
    if last.thinking and not last.parts:
        last = replace(last, thinking=last.thinking + _HERE)
    else:
        last = replace(last, parts=(*last.parts, TextPart(_HERE)))
    return (*messages[:-1], last)


def cut(text: str) -> str:
    """A rendered text up to the mark."""
    at = text.rfind(_HERE)
    if at < 0:
        raise TemplateFailed("The chat template leaves out the last message, to be gone on with.")
    return text[:at]
