"""How a command within a talk may go on."""

from collections.abc import Callable, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document


class Completing(Completer):
    """Completes commands; `following` tells what may stand behind some words."""

    def __init__(self, following: Callable[[list[str]], Iterable[str]]) -> None:
        self._following = following

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """The words that the one before the cursor may be."""
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        *before, begun = text.split(" ")
        for word in self._following(list(filter(None, before))):
            if word.startswith(begun):
                yield Completion(word, start_position=-len(begun))
