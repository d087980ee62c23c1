"""What is typed: editing, what was typed before, several lines, completion."""

import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import Completer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle

from puna.cli.talking.remembered import Remembered

PROMPT = ">>> "
CONTINUED = "... "
PLACEHOLDER = "Send a message (/? for help)"
QUOTES = '"""'
# After these words several lines may begin too.
QUOTED_COMMAND = "/set system"


class Dropped(Exception):
    """Ctrl-C was pressed; `empty` tells whether there was nothing to drop."""

    def __init__(self, empty: bool) -> None:
        super().__init__()
        self.empty = empty


def is_open(text: str) -> bool:
    """Whether several lines have been begun by three quotes, and not ended yet."""
    text = text.lstrip().removeprefix(QUOTED_COMMAND).lstrip()
    return text.startswith(QUOTES) and text.count(QUOTES) % 2 == 1


def unquoted(text: str) -> str:
    """What is said, without three quotes around it."""
    bare = text.strip()
    if len(bare) >= 2 * len(QUOTES) and bare.startswith(QUOTES) and bare.endswith(QUOTES):
        return bare.removeprefix(QUOTES).removesuffix(QUOTES)
    return text


class Keyboard:
    """Asks for one line, or several, after the other."""

    def __init__(self, history: Remembered, completer: Completer) -> None:
        output = Vt100_Output.from_pty(sys.stdout)
        # What asks the terminal where its cursor is may be answered into a later line.
        output.enable_cpr = False
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            history=history,
            completer=completer,
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            # The key of Enter decides whether the text is whole.
            multiline=True,
            prompt_continuation=CONTINUED,
            placeholder=_placeholder,
            key_bindings=_keys(),
            enable_suspend=True,
            reserve_space_for_menu=0,
            output=output,
        )

    def ask(self) -> str:
        """What is typed next; EOFError for Ctrl-D, Dropped for Ctrl-C."""
        return self._session.prompt()


def _placeholder() -> StyleAndTextTuples:
    # Of a line that was left empty, nothing stays.
    return [] if get_app().is_done else [("ansibrightblack", PLACEHOLDER)]


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        if is_open(event.current_buffer.text):
            event.current_buffer.newline(copy_margin=False)
        else:
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("c-c")
    @keys.add("<sigint>")
    def _drop(event: KeyPressEvent) -> None:
        empty = not event.current_buffer.text
        event.app.exit(exception=Dropped(empty), style="class:aborting")

    @keys.add("c-g")
    def _edit(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()

    return keys
