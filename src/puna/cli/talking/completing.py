"""How a command within a talk may go on."""

from collections.abc import Callable, Iterable, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

# What may stand behind each word: more words, or what is asked for when it is needed.
Words = Mapping[str, "Words | Callable[[], Iterable[str]] | None"]


class Completing(Completer):
    """Completes the commands, their words, and names of parameters and models."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """The words that the one before the cursor may be."""
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        *before, begun = text.split(" ")
        for word in self._known(before):
            if word.startswith(begun):
                yield Completion(word, start_position=-len(begun))

    def _known(self, before: Iterable[str]) -> Iterable[str]:
        known: Words = self._words
        for word in filter(None, before):
            match known.get(word):
                case None:
                    return ()
                case Mapping() as more:
                    known = more
                case ask:
                    known = dict.fromkeys(ask())
        return known
