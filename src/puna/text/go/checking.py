"""Whether a Go template is one, and what it reads: without running it."""

from puna.errors import TemplateFailed
from puna.text.go.conversation import Conversational
from puna.text.go.faults import Fault


def check(source: str) -> frozenset[str]:
    """The names that the template reads, in small letters; `TemplateFailed` says what is wrong."""
    try:
        return Conversational(source).variables
    except Fault as fault:
        raise TemplateFailed(
            f"The template has a mistake at {fault.message}.",
            "Templates are written in Go's text/template.",
        ) from None
