"""A talk with a model: with whom, how, and what has been said."""

import sys

from puna.cli.client import Client
from puna.cli.talking.answering import answer, load, question, stoppable
from puna.cli.talking.display import Display
from puna.cli.talking.facts import Facts, facts
from puna.cli.talking.keyboard import PROMPT
from puna.cli.talking.remembered import Remembered
from puna.cli.talking.screen import Screen
from puna.cli.talking.wishes import Message, Wishes


class Talk:
    """One talk. `messages` is what has been said since it began, or since it was cleared."""

    def __init__(
        self, client: Client, wishes: Wishes, known: Facts, screen: Screen, history: Remembered
    ) -> None:
        self.client = client
        self.wishes = wishes
        self.facts = known
        self.screen = screen
        self.history = history
        self.messages: list[Message] = []

    def begin(self) -> None:
        """Have the model loaded, and show the conversation that it begins with."""
        with stoppable():
            load(self.client, self.wishes, self.screen)
        for message in self.facts.begun:
            self._recall(message)
        sys.stdout.flush()

    def switch(self, model: str) -> None:
        """Go on with another model, from the beginning."""
        former = self.wishes, self.facts, self.messages
        self.facts = facts(self.client, model)
        self.wishes, self.messages = self.wishes.of(model), []
        try:
            self.begin()
        except BaseException:
            self.wishes, self.facts, self.messages = former
            raise

    def ask(self, text: str) -> None:
        """Ask something, and show the answer."""
        asked = question(text, self.facts, self.screen)
        reply = answer(self.client, self.wishes, [*self.messages, asked], self.screen)
        print(flush=True)
        # What was stopped before anything came was not said.
        if reply.message is not None:
            self.messages += [asked, reply.message]

    def _recall(self, message: Message) -> None:
        match message:
            case {"role": "user", "content": str(text)}:
                print(f"{PROMPT}{text}")
            case {"role": "assistant"}:
                display = Display(self.screen.look(self.wishes))
                display.show(message)
                display.close()
                print()
            case _:
                pass
