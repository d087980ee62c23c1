"""One answer: asked for, waited for, shown, and stopped when Ctrl-C is pressed."""

import signal
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from uuid import uuid4

from puna.cli.client import Client
from puna.cli.talking.display import Display
from puna.cli.talking.facts import Facts
from puna.cli.talking.figures import figures
from puna.cli.talking.pictures import Pictured, pictured
from puna.cli.talking.screen import Screen
from puna.cli.talking.waiting import told
from puna.cli.talking.wishes import Message, Wishes


@dataclass(slots=True)
class Reply:
    """What has come of a question, in whole or until it was stopped."""

    text: str = ""
    thinking: str = ""
    calls: list[Any] = field(default_factory=list[Any])
    ending: dict[str, Any] = field(default_factory=dict[str, Any])
    stopped: bool = False

    @property
    def message(self) -> Message | None:
        """The reply as a part of a conversation; None where nothing has come."""
        said = {"content": self.text, "thinking": self.thinking, "tool_calls": self.calls}
        said = {name: value for name, value in said.items() if value}
        return {"role": "assistant", "content": "", **said} if said else None

    def add(self, line: dict[str, Any]) -> Message:
        """Take a line of the answer; the message in it."""
        message: Message = line.get("message") or {}
        self.text += message.get("content") or ""
        self.thinking += message.get("thinking") or ""
        self.calls += message.get("tool_calls") or ()
        if line.get("done"):
            self.ending = line
        return message


@contextmanager
def stoppable() -> Generator[None]:
    """The first Ctrl-C in this block raises KeyboardInterrupt; more of them change nothing."""
    pressed = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if not pressed:
            pressed = True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def question(text: str, known: Facts, screen: Screen) -> Message:
    """What a user says, with the images that it names if the model sees."""
    found = pictured(text) if known.sees else Pictured(text)
    for path in found.paths:
        screen.note(f"Added image '{path}'")
    images = {"images": found.images} if found.images else {}
    return {"role": "user", "content": found.text, **images}


def answer(client: Client, wishes: Wishes, messages: Sequence[Message], screen: Screen) -> Reply:
    """Ask, and show what comes until it ends or is stopped."""
    reply, id = Reply(), uuid4().hex
    display = Display(screen.look(wishes))

    def progress() -> str:
        return told(client.get(f"/api/progress/{id}"), wishes.model)

    with stoppable():
        try:
            lines = client.stream("/api/chat", wishes.chat(messages), {"x-request-id": id})
            with screen.waiting(progress) as waiting, closing(lines):
                for line in lines:
                    message = reply.add(line)
                    if display.shows(message):
                        waiting.stop()
                        display.show(message)
        except KeyboardInterrupt:
            reply.stopped = True
        finally:
            display.close()
    for warning in reply.ending.get("warnings") or ():
        screen.tell(warning)
    if wishes.verbose and reply.ending:
        screen.note("\n" + "\n".join(figures(reply.ending)))
    return reply


def load(client: Client, wishes: Wishes, screen: Screen) -> None:
    """Have the model loaded before anything is asked of it."""
    with screen.waiting(lambda: f"loading {wishes.model}"):
        for _ in client.stream("/api/generate", wishes.load()):
            pass
