"""Tools to be called: well-known ones, and ones that nobody has seen before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from draw import Draw
from words import SUBJECTS

from skills import values

_READ = "get find show fetch check search lookup read".split()
_ACT = """create add send book delete remove set update start stop open close cancel order play buy
rent share print save move rename copy count convert measure""".split()
_ASK_READ = ("Get", "Find", "Show", "Show me", "Check", "Look up", "What is", "Tell me", "Give me",
             "I need", "I want to know", "Can you find", "Can you get", "Do you know")  # fmt: skip
_GENERIC = ("with {key} {value}", "{key} {value}", "with {key} = {value}", "{key}: {value}",
            "using {value} as {key}", "and {key} {value}", "where the {key} is {value}",
            "with {key} set to {value}")  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One parameter: how it is declared, and how people give it."""

    name: str
    kind: str
    phrases: Sequence[str]
    draw_value: Any
    choices: tuple[str, ...] = ()
    required: bool = True

    def schema(self) -> Mapping[str, Any]:
        """Its JSON schema."""
        return (
            {"type": self.kind, "enum": list(self.choices)} if self.choices else {"type": self.kind}
        )


@dataclass(frozen=True)
class Tool:
    """One tool with the ways to ask for it."""

    name: str
    description: str
    asks: Sequence[str]
    parameters: Sequence[Parameter]

    def schema(self) -> Mapping[str, Any]:
        """Its OpenAI-shaped declaration."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {
                    "type": "object",
                    "properties": {each.name: each.schema() for each in self.parameters},
                    "required": [each.name for each in self.parameters if each.required],
                },
            },
        }


_NATURAL = (
    (("city", "location", "place", "town", "destination"), "string", ("in {value}", "for {value}", "at {value}"), values.place),
    (("name", "person", "user", "customer", "owner", "guest"), "string", ("for {value}", "of {value}"), values.person),
    (("to", "recipient", "receiver"), "string", ("to {value}",), values.person),
    (("email", "address"), "string", ("to {value}", "for {value}"), values.email),
    (("date", "day"), "string", ("on {value}", "for {value}"), values.date),
    (("time", "hour"), "string", ("at {value}",), values.time),
    (("id", "number", "code", "key"), "string", ("{value}", "with id {value}", "number {value}"), values.code),
    (("color", "colour"), "string", ("in {value}",), values.colour),
    (("title", "text", "query", "message", "label"), "string", ('"{value}"', 'called "{value}"', "with {key} '{value}'"), values.phrase),
    (("count", "amount", "quantity", "limit", "people"), "integer", ("with {key} {value}", "for {value} {key}"), values.whole_number),
    (("days", "minutes", "hours", "nights", "weeks"), "integer", ("for {value} {key}",), values.whole_number),
    (("price", "weight", "length", "rate"), "number", ("for {value}", "with {key} {value}"), values.decimal),
)  # fmt: skip


def _natural(draw: Draw) -> Parameter:
    names, kind, phrases, draw_value = draw.choice(_NATURAL)
    return Parameter(draw.choice(names), kind, phrases, draw_value)


def _novel(draw: Draw) -> Parameter:
    name = draw.invented() if draw.chance(0.4) else draw.noun("parameter", SUBJECTS)
    if draw.chance(0.25):
        name = (
            f"{name}_{draw.choice(('id', 'name', 'level', 'type', 'size', 'code', 'max', 'mode'))}"
        )
    match draw.randrange(10):
        case 0 | 1 | 2:
            return Parameter(name, "integer", _GENERIC, values.whole_number)
        case 3:
            return Parameter(name, "number", _GENERIC, values.decimal)
        case 4:
            return Parameter(name, "boolean", _GENERIC, lambda draw: draw.chance(0.5))
        case 5:
            words = (values.word(draw) for _ in range(draw.randint(2, 3)))
            choices = tuple(dict.fromkeys(words))
            return Parameter(name, "string", _GENERIC, lambda draw: draw.choice(choices), choices)
        case _:
            return Parameter(name, "string", _GENERIC, draw.choice(values.STRINGS))


def _with_options(draw: Draw, parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    distinct = {each.name: each for each in parameters}
    first, *rest = distinct.values() if distinct else (None,)
    if first is None:
        return ()
    said = set(first.phrases)
    loose: list[Parameter] = []
    for each in rest:
        # Two values that are given in the same words could be told apart by nobody.
        phrases = _GENERIC if said & set(each.phrases) - set(_GENERIC) else each.phrases
        said.update(phrases)
        required = not draw.chance(0.3)
        loose.append(
            Parameter(each.name, each.kind, phrases, each.draw_value, each.choices, required)
        )
    return (first, *loose)


def made_up(draw: Draw) -> Tool:
    """A tool of this side of the split."""
    reads = draw.chance(0.5)
    verb = draw.choice(_READ if reads else _ACT)
    noun = draw.invented() if draw.chance(0.25) else draw.noun("tool", SUBJECTS)
    if draw.chance(0.15):
        noun = f"{noun} {draw.choice(SUBJECTS)}"
    joined = noun.replace(" ", "_")
    name = draw.choice((f"{verb}_{joined}", f"{verb}_{joined}", f"{joined}_{verb}",
                        f"{verb}{joined.title().replace('_', '')}", joined))  # fmt: skip
    shown = "look up" if verb == "lookup" else verb
    description = draw.choice((f"{shown.capitalize()} the {noun}", f"{shown.capitalize()} a {noun}",
                               f"{shown.capitalize()} {noun}", f"{shown.capitalize()} the {noun} now.",
                               f"A tool to {shown} a {noun}."))  # fmt: skip
    article = draw.choice(("the ", "the ", "a ", ""))
    asks = [f"{shown} {article}{noun}"]
    if reads:
        asks += [f"{ask} {article}{noun}" for ask in _ASK_READ]
    parameters = [
        _natural(draw) if draw.chance(0.45) else _novel(draw)
        for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3)))
    ]
    return Tool(
        name, description if draw.chance(0.9) else "", asks, _with_options(draw, parameters)
    )


def _known(draw: Draw) -> Tool:
    city = Parameter(
        draw.choice(("city", "location", "place")),
        "string",
        ("in {value}", "for {value}"),
        values.place,
    )
    unit = Parameter(
        "unit",
        "string",
        ("in {value}",),
        lambda draw: draw.choice(("celsius", "fahrenheit")),
        ("celsius", "fahrenheit"),
        required=False,
    )
    text = Parameter(
        draw.choice(("query", "q", "text")),
        "string",
        ("{value}", "for {value}", '"{value}"'),
        values.phrase,
    )
    minutes = Parameter(
        "minutes", "integer", ("for {value} minutes", "of {value} minutes"), values.whole_number
    )
    symbol = Parameter(
        "symbol", "string", ("of {value}", "for {value}"), lambda draw: draw.code().split("-")[0]
    )
    to = Parameter("to", "string", ("to {value}",), values.email)
    subject = Parameter(
        "subject", "string", ('with subject "{value}"', 'about "{value}"'), values.phrase
    )
    one = Parameter("a", "integer", ("{value}",), values.whole_number)
    other = Parameter("b", "integer", ("and {value}",), values.whole_number)
    verb = draw.choice(("get", "fetch", "check", "get_current", "find"))
    return draw.choice((
        Tool(f"{verb}_weather", draw.choice(("Get the weather of a city", "Get the current weather", "Weather for a location")),
             ("What is the weather", "What's the weather like", "How is the weather", "Tell me the weather", "How warm is it", "Will it rain", "weather", "Is it cold"),
             (city, unit) if draw.chance(0.4) else (city,)),
        Tool(f"{verb}_time", "Get the current time", ("What time is it", "What is the time", "Tell me the time"), (city,)),
        Tool(draw.choice(("search", "web_search", "search_web")), "Search the web", ("Search the web for", "Search for", "Look up", "Google"), (Parameter(text.name, "string", ("{value}", '"{value}"'), values.phrase),)),
        Tool("set_timer", "Set a timer", ("Set a timer", "Start a timer"), (minutes,)),
        Tool(draw.choice(("get_stock_price", "stock_price")), "Get the price of a stock", ("What is the stock price", "How much is the stock", "Get the price"), (symbol,)),
        Tool("send_email", "Send an email", ("Send an email", "Write a mail", "Email"), (to, subject)),
        Tool(draw.choice(("add", "sum", "add_numbers")), "Add two numbers", ("Add", "Sum"), (one, other)),
        Tool(draw.choice(("multiply", "times")), "Multiply two numbers", ("Multiply",), (one, other)),
    ))  # fmt: skip


def toolbox(draw: Draw) -> list[Tool]:
    """One to four tools that tell themselves apart; in training rather more, for that is hard."""
    tools: dict[str, Tool] = {}
    sizes = (1, 1, 2, 2, 3, 4) if draw.held_out else (1, 2, 3, 3, 4, 4)
    for _ in range(draw.choice(sizes)):
        tool = _known(draw) if draw.chance(0.25) else made_up(draw)
        tools.setdefault(tool.description or tool.name, tool)
    return list(tools.values())
