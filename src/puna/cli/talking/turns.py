"""The turns of a talk in a terminal: what is typed is a command, or said to the model."""

from functools import partial
from pathlib import Path

from puna.cli.client import Client
from puna.cli.talking.commands import COMMANDS, following, obey
from puna.cli.talking.completing import Completing
from puna.cli.talking.facts import Facts
from puna.cli.talking.keyboard import Dropped, Keyboard, unquoted
from puna.cli.talking.pictures import pictured
from puna.cli.talking.remembered import Remembered
from puna.cli.talking.screen import Screen
from puna.cli.talking.talk import Talk
from puna.cli.talking.wishes import Wishes
from puna.errors import PunaError

HINT = "Use Ctrl + d or /bye to exit."


def converse(client: Client, wishes: Wishes, known: Facts, home: Path) -> None:
    """Talk until somebody leaves; what was typed is remembered in the home."""
    history = Remembered(home / "history")
    talk = Talk(client, wishes, known, Screen(), history)
    talk.begin()
    keyboard = Keyboard(history, Completing(partial(following, client)))
    while True:
        try:
            if not _turn(talk, keyboard.ask()):
                return
        except EOFError:
            return
        except Dropped as dropped:
            if dropped.empty:
                print(f"\n{HINT}")
        except KeyboardInterrupt:
            print()
        except PunaError as error:
            talk.screen.tell(str(error))


def _turn(talk: Talk, typed: str) -> bool:
    """One turn; False where it was the last."""
    if not typed.strip():
        return True
    first = typed.split(maxsplit=1)[0]
    if first in COMMANDS or (first.startswith("/") and not _names_image(talk, typed)):
        return obey(talk, typed.strip())
    talk.ask(unquoted(typed))
    return True


def _names_image(talk: Talk, typed: str) -> bool:
    return talk.facts.sees and bool(pictured(typed).paths)
