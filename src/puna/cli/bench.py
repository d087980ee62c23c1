"""`puna bench`: what any server gives under load, and how two compare."""

import asyncio
import sys
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import msgspec
import typer
import uvloop

from puna.bench import canvas, plot, tables
from puna.bench.arrivals import Clients, Load, Rate
from puna.bench.dialect import Manner
from puna.bench.lengths import read_lengths
from puna.bench.playing import Limit
from puna.bench.report import Report
from puna.bench.server import Api, read_address
from puna.bench.sweep import Nobody, Plan, Target, Watch, run
from puna.bench.workloads import WORKLOADS, Work, Workload
from puna.cli.tables import print_table
from puna.cli.terminal import moving
from puna.errors import BadSetting
from puna.units import read_duration

DEFAULT_ROUNDS = 3
Number = TypeVar("Number", int, float)


def bench(
    urls: Annotated[
        list[str], typer.Argument(metavar="URL...", help="The servers; the first against each.")
    ],
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="The model; one for all, or one each.")
    ],
    api: Annotated[
        list[str], typer.Option(help="auto, ollama or openai; one for all, or one each.")
    ] = ["auto"],  # noqa: B006 - typer's way to have a default
    workload: Annotated[str, typer.Option(help=f"{', '.join(WORKLOADS)}.")] = "single",
    prompt: Annotated[
        str, typer.Option(help="Tokens of a prompt: 64, 32..512, normal:256,64@16..512.")
    ] = "64",
    output: Annotated[
        str | None,
        typer.Option(help="Tokens of an answer; 64, or for echo the prompt's.", show_default=False),
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="Turns of a chat.")] = 4,
    concurrency: Annotated[
        str | None, typer.Option(help="How many clients at once: 1,4,16.", show_default=False)
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(help="Arrivals a second instead of clients: 0.5,2.", show_default=False),
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option(min=1, help="Requests of a round; twice the clients.", show_default=False),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="Length of a round: 30s.", show_default=False)
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Rounds of each load; 1, or 3 to compare.", show_default=False),
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="Requests before each load.")] = 1,
    seed: Annotated[int, typer.Option(help="Of prompts, lengths and arrivals.")] = 1,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, help="0.8, or 0 for echo.", show_default=False),
    ] = None,
    ignore_eos: Annotated[
        bool, typer.Option(help="Go on to the asked length, where the server can.")
    ] = True,
    extra: Annotated[
        str, typer.Option(help="A JSON object to add to each request.", show_default=False)
    ] = "{}",
    key: Annotated[
        str | None,
        typer.Option(envvar="OPENAI_API_KEY", help="The API key.", show_default=False),
    ] = None,
    timeout: Annotated[str, typer.Option(help="For how long an answer is waited.")] = "10m",
    json: Annotated[bool, typer.Option("--json", help="For programs to read.")] = False,
    plotted: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw it into a .svg or .png.", show_default=False),
    ] = None,
) -> None:
    """Measure servers under load, and compare them.

    Any server that speaks Ollama's API or OpenAI's. Several are measured in turns, and the first is
    compared with each other, pair by pair.
    """
    if plotted is not None:
        canvas.check(plotted)
    echo = workload == "echo"
    heat = temperature if temperature is not None else 0.0 if echo else 0.8
    plan = Plan(
        targets=_targets(urls, model, api, Manner("", heat, ignore_eos, _object(extra)), key),
        work=_work(workload, prompt, output, turns),
        loads=_loads(concurrency, rate),
        limit=Limit(requests, _seconds("--duration", duration)),
        rounds=rounds or (DEFAULT_ROUNDS if len(urls) > 1 else 1),
        warmup=warmup,
        seed=seed,
        patience=_seconds("--timeout", timeout) or 0,
    )
    report = _run(plan)
    if plotted is not None:
        plot.write(report, plotted)
    if json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _print(report)
    for measured in (one for stage in report.stages for one in stage.measured):
        for error in measured.errors:
            print(f"puna: {report.subjects[measured.subject].url}: {error}", file=sys.stderr)
    if report.all_failed:
        raise typer.Exit(1)


def _run(plan: Plan) -> Report:
    with ExitStack() as stack:
        watch: Watch = Nobody()
        if moving(sys.stderr):
            from puna.cli.bench_progress import Live

            watch = stack.enter_context(Live())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(plan, watch))


def _print(report: Report) -> None:
    for number, subject in enumerate(report.subjects, 1):
        print(f"{number}: {subject.url}, {subject.model}, {subject.api}'s API")
    print(f"{report.workload}: {report.prompt} tokens in, {report.output} out\n")
    print_table(tables.figures_table(report))
    if len(report.subjects) > 1:
        print()
        print_table(tables.ratios_table(report))


def _targets(
    urls: list[str], models: list[str], apis: list[str], manner: Manner, key: str | None
) -> tuple[Target, ...]:
    models, apis = _one_each("--model", models, urls), _one_each("--api", apis, urls)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise BadSetting("--key: it has signs that no key has.")
    return tuple(
        Target(read_address(url), _one_of(Api, "--api", api), replace(manner, model=model), key)
        for url, model, api in zip(urls, models, apis, strict=True)
    )


def _one_each(name: str, given: list[str], urls: list[str]) -> list[str]:
    if len(given) == 1:
        return given * len(urls)
    if len(given) != len(urls):
        raise BadSetting(f"{name}: one for all servers or one for each, not {len(given)}.")
    return given


def _one_of(kinds: Any, name: str, text: str) -> Any:
    """A text as one of a literal type's values."""
    try:
        return msgspec.convert(text, kinds)
    except msgspec.ValidationError:
        raise BadSetting(f"{name}: {text!r} is none of {', '.join(get_args(kinds))}.") from None


def _work(workload: str, prompt: str, output: str | None, turns: int) -> Work:
    known = _one_of(Workload, "--workload", workload)
    text = output or (None if known == "echo" else "64")
    lengths = read_lengths(text) if text else None
    return Work(known, read_lengths(prompt), lengths, turns if known == "chat" else 1)


def _loads(concurrency: str | None, rate: str | None) -> tuple[Load, ...]:
    if rate is not None:
        if concurrency is not None:
            raise BadSetting("--rate and --concurrency: one of them, not both.")
        return tuple(Rate(one) for one in _numbers("--rate", rate, float))
    return tuple(Clients(one) for one in _numbers("--concurrency", concurrency or "1", int))


def _numbers(name: str, text: str, kind: type[Number]) -> list[Number]:
    numbers = list[Number]()
    with suppress(ValueError):
        numbers = [kind(one) for one in text.split(",")]
    if not numbers or not all(0 < one < 100_000 for one in numbers):
        raise BadSetting(f"{name}: {text!r} is no list of positive numbers.")
    return numbers


def _seconds(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = read_duration(text)
    except ValueError as error:
        raise BadSetting(f"{name}: {error}.") from None
    if not isinstance(seconds, float) or not 0 < seconds < 1e9:
        raise BadSetting(f"{name}: {text!r} is no length of time.")
    return seconds


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise BadSetting(f"--extra: {error}.") from None
