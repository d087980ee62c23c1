"""How a model is spoken to: its templates, each with the markup that was learnt from it."""

from functools import cached_property
from threading import Lock

from puna.text.go.template import GoTemplate
from puna.text.markup.format import Markup
from puna.text.markup.learning import learn
from puna.text.templates import Template

# Each has a process of its own while it is kept.
MAX_VOICES = 4


class Voice:
    """A template, and what it shows of its model's markup, learnt at the first need."""

    def __init__(self, template: Template | GoTemplate) -> None:
        self.template = template

    @cached_property
    def markup(self) -> Markup:
        """How thinking and tool calls are written."""
        return learn(self.template)


class Voices:
    """A model's own voice, and those by the Go templates that jobs bring.

    The few used last are kept. One that is dropped ends when the last job with it has let go.
    """

    def __init__(self, own: Template) -> None:
        self.own = Voice(own)
        self._brought: dict[str, Voice] = {}
        self._lock = Lock()

    def of(self, template: str) -> Voice:
        """The voice for this Go template; the model's own where there is none."""
        if not template:
            return self.own
        with self._lock:
            voice = self._brought.pop(template, None) or Voice(GoTemplate(template))
            self._brought[template] = voice
            while len(self._brought) > MAX_VOICES:
                del self._brought[next(iter(self._brought))]
            return voice

    def close(self) -> None:
        """End what renders."""
        self.own.template.close()
        with self._lock:
            for voice in self._brought.values():
                voice.template.close()
            self._brought.clear()
