"""`/show`: what is known of the model, and of this talk with it."""

from collections.abc import Callable
from typing import Any

from puna.cli.show import card
from puna.cli.talking.helping import SHOW
from puna.cli.talking.talk import Talk
from puna.cli.talking.wishes import described

Shown = dict[str, Any]


def show(talk: Talk, what: str) -> None:
    """Show one thing of the model."""
    if not what:
        print(SHOW)
        return
    shower = SHOWN.get(what)
    if shower is None:
        print(f"Unknown command '/show {what}'. Type /? for help")
        return
    wishes = talk.wishes
    asked = {"model": wishes.model, "system": wishes.system, "options": wishes.options}
    print(shower(talk, talk.client.post("/api/show", asked)) + "\n", flush=True)


def _license(_: Talk, shown: Shown) -> str:
    return shown.get("license") or "No license was specified for this model."


def _modelfile(_: Talk, shown: Shown) -> str:
    return shown["modelfile"]


def _parameters(talk: Talk, shown: Shown) -> str:
    of_model = (shown.get("parameters") or "").splitlines()
    lines = [
        "Model defined parameters:",
        *(of_model or ["No additional parameters were specified for this model."]),
    ]
    if talk.wishes.options:
        lines += ["", "User defined parameters:", *described(talk.wishes.options)]
    return "\n".join(line if not line or line.endswith(":") else f"  {line}" for line in lines)


def _system(_: Talk, shown: Shown) -> str:
    return shown.get("system") or "No system message was specified for this model."


def _template(_: Talk, shown: Shown) -> str:
    return shown.get("template") or "No prompt template was specified for this model."


def _info(_: Talk, shown: Shown) -> str:
    return "\n".join(card(shown)).rstrip()


SHOWN: dict[str, Callable[[Talk, Shown], str]] = {
    "info": _info,
    "license": _license,
    "modelfile": _modelfile,
    "parameters": _parameters,
    "system": _system,
    "template": _template,
}
