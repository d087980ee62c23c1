"""The commands within a talk, beside those of `setting.py` and `showing.py`."""

from collections.abc import Callable, Iterable

from puna.cli.client import Client
from puna.cli.talking.completing import Words
from puna.cli.talking.helping import TOPICS, help_on
from puna.cli.talking.setting import SETTABLE, settle
from puna.cli.talking.showing import SHOWN, show
from puna.cli.talking.talk import Talk
from puna.errors import PunaError
from puna.models.parameters import PARAMETERS

MODELS = ("/load", "/save")


def obey(talk: Talk, line: str) -> bool:
    """Do what a line says; False where it ends the talk."""
    name, _, rest = line.partition(" ")
    if name in ("/bye", "/exit"):
        return False
    command = COMMANDS.get(name)
    if command is None:
        print(f"Unknown command '{name}'. Type /? for help")
    else:
        command(talk, rest.strip())
    return True


def words(client: Client) -> Words:
    """The commands with what may stand behind each."""

    def models() -> Iterable[str]:
        try:
            return [model["name"].removesuffix(":latest") for model in _models(client)]
        except PunaError:
            return []

    deeper: Words = {
        "/set": dict.fromkeys(SETTABLE) | {"parameter": dict.fromkeys(PARAMETERS)},
        "/show": dict.fromkeys(SHOWN),
        "/?": dict.fromkeys(TOPICS),
        "/help": dict.fromkeys(TOPICS),
        **dict.fromkeys(MODELS, models),
    }
    return {**dict.fromkeys(COMMANDS), **deeper}


def _models(client: Client) -> Iterable[dict[str, str]]:
    return client.get("/api/tags")["models"]


def _load(talk: Talk, name: str) -> None:
    if not name or " " in name:
        print("Usage:\n  /load <model>")
        return
    print(f"Loading model '{name}'", flush=True)
    talk.switch(name)


def _save(talk: Talk, name: str) -> None:
    if not name or " " in name:
        print("Usage:\n  /save <model>")
        return
    wishes = talk.wishes
    said = [
        {"role": message["role"], "content": message["content"]}
        for message in (*talk.facts.begun, *talk.messages)
        if message.get("content")
    ]
    asked = {"system": wishes.system, "parameters": wishes.options, "messages": said}
    body = {name: value for name, value in asked.items() if value}
    for _ in talk.client.stream("/api/create", {"model": name, "from": wishes.model, **body}):
        pass
    print(f"Created new model '{name}'")


def _clear(talk: Talk, _: str) -> None:
    talk.messages.clear()
    print("Cleared session context")


def _help(_: Talk, topic: str) -> None:
    print(help_on(topic))


def _leave(_: Talk, __: str) -> None:
    """Known by its name; nothing is left to do."""


COMMANDS: dict[str, Callable[[Talk, str], None]] = {
    "/set": settle,
    "/show": show,
    "/load": _load,
    "/save": _save,
    "/clear": _clear,
    "/bye": _leave,
    "/exit": _leave,
    "/help": _help,
    "/?": _help,
}
