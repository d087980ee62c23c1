"""`puna run`: one question and its answer, or a talk."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from puna.cli.background import have_server
from puna.cli.client import Client
from puna.cli.options import Host, Model
from puna.cli.talking.answering import answer, load, question, stoppable
from puna.cli.talking.facts import Facts, facts
from puna.cli.talking.screen import Screen
from puna.cli.talking.wishes import Wishes, formatted, options, thinking
from puna.errors import BadRequest


class RunCommand(TyperCommand):
    """Takes `--think` alone as a yes, so that a prompt may follow it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What the words mean."""
        end = args.index("--") if "--" in args else len(args)
        words = ["--think=true" if word == "--think" else word for word in args[:end]]
        return super().parse_args(ctx, words + args[end:])


def run(
    model: Model,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="What to ask; without it, a talk begins."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(metavar="json|FILE", help="Answer in JSON, or by the JSON schema in a file."),
    ] = None,
    think: Annotated[
        str | None,
        typer.Option(
            metavar="[=LEVEL]",
            help="Whether to think before answering: true (also --think alone), false, or where "
            "the model can, low, medium or high.",
        ),
    ] = None,
    hide_thinking: Annotated[
        bool, typer.Option("--hidethinking", help="Do not show what is thought.")
    ] = False,
    system: Annotated[
        str | None, typer.Option(help="A system prompt, in place of the model's own.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="NAME=VALUE",
            help="An option, such as temperature=0.5 or num_ctx=8192; several times for several.",
        ),
    ] = None,
    keep_alive: Annotated[
        str | None,
        typer.Option(
            "--keepalive",
            metavar="DURATION",
            help="How long the model stays loaded afterwards: 5m, 1h30m, 0, or -1 for ever.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Tell counts, durations and rates of each answer.")
    ] = False,
    no_wrap: Annotated[
        bool, typer.Option("--nowordwrap", help="Do not break lines between words.")
    ] = False,
    host: Host = None,
) -> None:
    """Talk with a model, or ask it one thing.

    A prompt is what stands on the command line, what is piped in, or both, the piped text first:
    `puna run cria "Say it in one sentence:" < story.txt`. The answer goes to the output, Markdown
    as it is unless that is a terminal; all else is told on the error stream. An empty prompt only
    loads the model.

    Without a prompt a talk begins: /? tells what can be typed there. Models that see are shown
    images by their paths, which begin with /, ./, ../ or ~/: `puna run MODEL "Who is ./cat.png?"`

    Where no server answers at an address of this machine, one is started in the background.

    Exit codes: 0 there was an answer, 1 an error, 2 a command that makes no sense, 130 interrupted.
    """
    wishes = _wishes(
        Wishes(
            model,
            system=system or "",
            keep_alive=keep_alive,
            hide_thinking=hide_thinking,
            wrap=not no_wrap,
            verbose=verbose,
        ),
        format,
        think,
        option or [],
    )
    text = _text(prompt or [])
    client, screen = Client(host), Screen()
    have_server(client, screen.tell)
    known = facts(client, model)
    if text is not None:
        _ask(client, wishes, known, screen, text)
        return
    # Only who talks needs an editor.
    from puna.cli.talking.turns import converse
    from puna.configuration import Configuration

    converse(client, wishes, known, Configuration().settings.home)


# What runs it, in place of typer's own.
vars(run)["kind"] = RunCommand


def _wishes(wishes: Wishes, format: str | None, think: str | None, option: list[str]) -> Wishes:
    try:
        wishes.format = formatted(format) if format else None
        wishes.think = thinking(think) if think else None
        wishes.options = options(option)
    except BadRequest as error:
        raise typer.BadParameter(str(error)) from None
    return wishes


def _text(prompt: list[str]) -> str | None:
    """What is asked once; None where somebody is there to talk."""
    if sys.stdin is not None and sys.stdin.isatty():
        if prompt:
            return " ".join(prompt)
        if sys.stdout.isatty():
            return None
        raise typer.BadParameter("A talk needs a terminal; give a prompt, or pipe one in.")
    piped = sys.stdin.buffer.read().decode(errors="replace") if sys.stdin is not None else ""
    return " ".join(part for part in (piped, *prompt) if part)


def _ask(client: Client, wishes: Wishes, known: Facts, screen: Screen, text: str) -> None:
    if not text.strip():
        with stoppable():
            load(client, wishes, screen)
        return
    asked = question(text, known, screen)
    if answer(client, wishes, [asked], screen).stopped:
        raise KeyboardInterrupt
