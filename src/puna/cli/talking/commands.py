"""The commands within a talk, beside those of `setting.py` and `showing.py`."""

from collections.abc import Callable, Iterable

from puna.cli.client import Client
from puna.cli.talking.helping import TOPICS, help_on
from puna.cli.talking.setting import SETTABLE, settle
from puna.cli.talking.showing import SHOWN, show
from puna.cli.talking.talk import Talk
from puna.errors import PunaError
from puna.models.parameters import PARAMETERS


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


def following(client: Client, before: list[str]) -> Iterable[str]:
    """What may stand behind these words of a command."""
    match before:
        case []:
            return COMMANDS
        case ["/set"]:
            return SETTABLE
        case ["/set", "parameter"]:
            return PARAMETERS
        case ["/show"]:
            return SHOWN
        case ["/?" | "/help"]:
            return TOPICS
        case ["/load" | "/save"]:
            return model_names(client)
        case _:
            return ()


def model_names(client: Client) -> Iterable[str]:
    """The models that there are, as far as the server tells."""
    try:
        models: list[dict[str, str]] = client.get("/api/tags")["models"]
    except PunaError:
        return ()
    return [model["name"].removesuffix(":latest") for model in models]


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
