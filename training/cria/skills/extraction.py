"""Fields of a sentence as JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from conversation import Conversation, Message, assistant, system, user
from draw import Draw
from words import SUBJECTS, THINGS

from skills import values

_PERSON: Mapping[str, tuple[Callable[[Draw], Any], tuple[str, ...]]] = {
    "age": (lambda draw: draw.randint(1, 99), ("is {} years old", "is {}", "turned {} this year")),
    "city": (values.place, ("lives in {}", "comes from {}", "moved to {}")),
    "job": (values.job, ("works as a {}", "is a {}")),
    "email": (values.email, ("can be reached at {}", "uses the address {}")),
    "pet": (values.animal, ("has a {}", "owns a {}")),
    "color": (values.colour, ("likes the colour {}", "wears {}")),
    "food": (values.food, ("loves {}", "likes to eat {}")),
    "phone": (lambda draw: f"{draw.randint(100, 999)}-{draw.randint(1000, 9999)}", ("has the phone number {}",)),
    "company": (lambda draw: draw.invented().capitalize(), ("works at {}", "works for {}")),
    "birthday": (values.date, ("was born on {}",)),
}  # fmt: skip
_ASKS = (
    "Extract {keys} as JSON: {text}", "{text}\n\nExtract {keys} as JSON.", "Extract {keys}: {text}",
    "Give me {keys} as JSON.\n{text}", "{text} Return {keys} as JSON.", "Return JSON with {keys}: {text}",
    "Extract the fields {keys} from this text as JSON:\n\n{text}", "JSON with {keys} please: {text}",
    "From the text, extract {keys}.\nText: {text}", "Find {keys} in this sentence: {text}",
)  # fmt: skip
_SYSTEM = ("You extract data as JSON.", "Extract {keys} as JSON.", "Answer with JSON only: {keys}.",
           "Reply in JSON with the keys {keys}.")  # fmt: skip
_OPEN = (
    "Extract the data as JSON: {text}",
    "{text}\n\nAnswer in JSON.",
    "As JSON: {text}",
    "{text} Give me JSON.",
)


def _about_a_person(draw: Draw) -> tuple[dict[str, Any], str]:
    record: dict[str, Any] = {"name": values.person(draw)}
    told = []
    for key in draw.sample(sorted(_PERSON), draw.randint(1, 4)):
        draw_value, phrases = _PERSON[key]
        record[key] = draw_value(draw)
        told.append(draw.choice(phrases).format(record[key]))
    glue = draw.choice((" and ", ", ", ". It is known that {} ".format(record["name"])))
    if glue.startswith("."):
        return record, f"{record['name']} {told[0]}." + "".join(
            f" {record['name'].split()[0]} {each}." for each in told[1:]
        )
    body = told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1]
    return record, f"{record['name']} {body}."


def _about_an_order(draw: Draw) -> tuple[dict[str, Any], str]:
    record: dict[str, Any] = {
        "customer": values.person(draw), "quantity": draw.randint(1, 99), "product": draw.choice(THINGS),
        "price": values.decimal(draw), "date": values.date(draw), "order": values.code(draw),
    }  # fmt: skip
    text = draw.choice((
        "{customer} ordered {quantity} {product} for {price} euros on {date} with order {order}.",
        "Order {order}: {quantity} {product} at {price} for {customer}, {date}.",
        "On {date} {customer} bought {quantity} {product} and paid {price} dollars, order {order}.",
    )).format(**record)  # fmt: skip
    return record, text


def _anything(draw: Draw) -> str | int | float:
    match draw.randrange(6):
        case 0 | 1:
            return values.whole_number(draw)
        case 2:
            return values.decimal(draw)
        case 3 if draw.stumbles():
            return values.with_digits(draw)
        case _:
            return draw.choice(values.STRINGS)(draw)


def _about_anything(draw: Draw) -> tuple[dict[str, Any], str]:
    record: dict[str, Any] = {}
    for _ in range(draw.randint(1, 4)):
        key = draw.invented() if draw.chance(0.3) else draw.noun("field", SUBJECTS)
        record[key] = _anything(draw)
    if draw.stumbles():
        record[draw.invented()] = values.alike(draw, draw.choice(list(record.values())))
    form = draw.choice(("the {} is {}", "{}: {}", "{} {}", "{} = {}", "its {} is {}"))
    parts = [form.format(*item) for item in record.items()]
    return record, draw.choice((", ", " and ", "; ", ". ")).join(parts) + "."


def exchange(draw: Draw) -> tuple[str, str, str, str]:
    """A system prompt, a request, its JSON, and a thought."""
    record, text = draw.choice(
        (_about_a_person, _about_a_person, _about_an_order, _about_anything, _about_anything)
    )(draw)
    if draw.chance(0.12):
        return (
            "",
            draw.choice(_OPEN).format(text=text),
            json.dumps(record, ensure_ascii=False),
            "All of it as JSON.",
        )
    wanted = draw.sample(sorted(record), draw.randint(1, len(record)))
    if draw.chance(0.06):
        absent = draw.choice([key for key in _PERSON if key not in record])
        wanted.insert(draw.randint(0, len(wanted)), absent)
    names = [f'"{key}"' for key in wanted] if draw.chance(0.35) else wanted
    keys = (
        ", ".join(names)
        if len(names) == 1 or draw.chance(0.4)
        else ", ".join(names[:-1]) + " and " + names[-1]
    )
    answer = json.dumps({key: record.get(key) for key in wanted}, ensure_ascii=False)
    thought = f"I need {', '.join(wanted)}."
    if draw.chance(0.2):
        rule = draw.choice(_SYSTEM)
        if "{keys}" in rule:
            return rule.format(keys=keys), text, answer, thought
        return rule, draw.choice(_ASKS).format(keys=keys, text=text), answer, thought
    return "", draw.choice(_ASKS).format(keys=keys, text=text), answer, thought


def conversation(draw: Draw) -> Conversation:
    """One to three sentences, each to be read on its own."""
    rule, ask, answer, thought = exchange(draw)
    thinks = draw.chance(0.12)
    messages: list[Message] = [system(rule)] if rule else []
    messages += [user(ask), assistant(answer, thought if thinks else "")]
    for _ in range(0 if rule else draw.choice((0, 0, 1, 2))):
        rule, ask, answer, thought = exchange(draw)
        while rule:
            rule, ask, answer, thought = exchange(draw)
        messages += [user(ask), assistant(answer, thought if thinks else "")]
    return Conversation("extracts", messages, expect=answer)
