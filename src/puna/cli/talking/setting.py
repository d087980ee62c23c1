"""`/set`: what is wished of the answers to come."""

from collections.abc import Callable

from puna.cli.talking.helping import PARAMETERS, SET
from puna.cli.talking.keyboard import unquoted
from puna.cli.talking.talk import Talk
from puna.cli.talking.wishes import formatted, option, thinking


def settle(talk: Talk, line: str) -> None:
    """Set what a line says."""
    name, _, rest = line.partition(" ")
    if not name:
        print(SET)
        return
    setter = SETTABLE.get(name)
    if setter is None:
        print(f"Unknown command '/set {name}'. Type /? for help")
        return
    print(setter(talk, rest.strip()), flush=True)


def _parameter(talk: Talk, line: str) -> str:
    name, _, rest = line.partition(" ")
    if not (values := rest.split()):
        return PARAMETERS
    talk.wishes.options[name] = option(name, values)
    return f"Set parameter '{name}' to '{', '.join(values)}'"


def _system(talk: Talk, text: str) -> str:
    if not text:
        return SET
    talk.wishes.system = unquoted(text)
    return "Set system message."


def _history(talk: Talk, _: str) -> str:
    talk.history.enabled = True
    return "What is typed is remembered."


def _nohistory(talk: Talk, _: str) -> str:
    talk.history.enabled = False
    return "What is typed is not remembered."


def _wordwrap(talk: Talk, _: str) -> str:
    talk.wishes.wrap = True
    return "Set 'wordwrap' mode."


def _nowordwrap(talk: Talk, _: str) -> str:
    talk.wishes.wrap = False
    return "Set 'nowordwrap' mode."


def _format(talk: Talk, text: str) -> str:
    if not text:
        return "Missing format: it is 'json', or a file with a JSON schema."
    talk.wishes.format = formatted(text)
    return f"Set format to '{text}' mode."


def _noformat(talk: Talk, _: str) -> str:
    talk.wishes.format = None
    return "Disabled format."


def _verbose(talk: Talk, _: str) -> str:
    talk.wishes.verbose = True
    return "Set 'verbose' mode."


def _quiet(talk: Talk, _: str) -> str:
    talk.wishes.verbose = False
    return "Set 'quiet' mode."


def _think(talk: Talk, level: str) -> str:
    talk.wishes.think = thinking(level or "true")
    return f"Set 'think' mode to '{level}'." if level else "Set 'think' mode."


def _nothink(talk: Talk, _: str) -> str:
    talk.wishes.think = False
    return "Set 'nothink' mode."


SETTABLE: dict[str, Callable[[Talk, str], str]] = {
    "parameter": _parameter,
    "system": _system,
    "history": _history,
    "nohistory": _nohistory,
    "wordwrap": _wordwrap,
    "nowordwrap": _nowordwrap,
    "format": _format,
    "noformat": _noformat,
    "verbose": _verbose,
    "quiet": _quiet,
    "think": _think,
    "nothink": _nothink,
}
