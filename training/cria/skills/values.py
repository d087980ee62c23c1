"""Values of the kinds that people put into tool calls and records: names, numbers, dates, codes."""

from collections.abc import Callable

from draw import Draw
from words import (
    ADJECTIVES,
    ANIMALS,
    CITIES,
    COLOURS,
    DAYS,
    FIRST_NAMES,
    FOODS,
    JOBS,
    LAST_NAMES,
    MONTHS,
    NOUNS,
    THINGS,
)


def person(draw: Draw) -> str:
    """A name; one in three is made up."""
    first = draw.choice(FIRST_NAMES) if draw.chance(0.65) else draw.invented().capitalize()
    if draw.chance(0.5):
        return first
    last = draw.choice(LAST_NAMES) if draw.chance(0.6) else draw.invented().capitalize()
    return f"{first} {last}"


def place(draw: Draw) -> str:
    """A city, real or made up."""
    if draw.chance(0.6):
        return draw.choice(CITIES)
    name = draw.invented().capitalize()
    return f"{draw.choice(('New', 'San', 'Port', 'North'))} {name}" if draw.chance(0.2) else name


def email(draw: Draw) -> str:
    """An e-mail address."""
    who = draw.choice(FIRST_NAMES).lower() if draw.chance(0.5) else draw.invented()
    where = draw.invented() if draw.chance(0.6) else "example"
    return f"{who}@{where}.{draw.choice(('com', 'org', 'net'))}"


def date(draw: Draw) -> str:
    """A date in one of three ways."""
    month, day = draw.randrange(12), draw.randint(1, 28)
    match draw.randrange(3):
        case 0:
            return f"{draw.randint(1990, 2039)}-{month + 1:02}-{day:02}"
        case 1:
            return f"{MONTHS[month]} {day}"
        case _:
            return draw.choice((*DAYS, "tomorrow", "today"))


def with_digits(draw: Draw) -> str:
    """A text that begins like a number, and is none."""
    match draw.randrange(4):
        case 0:
            return f"{draw.randint(100, 999)}-{draw.randint(1000, 9999)}"
        case 1:
            return f"{draw.randint(1990, 2039)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        case _:
            return time(draw)


def time(draw: Draw) -> str:
    """A time of day."""
    return f"{draw.randint(0, 23)}:{draw.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02}"


def phrase(draw: Draw) -> str:
    """A few words that mean little together, so that they have to be copied."""
    pools = (NOUNS, ADJECTIVES, THINGS, COLOURS, FOODS)
    words = [
        draw.invented() if draw.chance(0.25) else draw.choice(draw.choice(pools))
        for _ in range(draw.randint(1, 4))
    ]
    if draw.stumbles():
        words.insert(draw.randrange(len(words) + 1), draw.choice(words))
    text = " ".join(words)
    return text.capitalize() if draw.chance(0.4) else text


def word(draw: Draw) -> str:
    """One plain word."""
    return draw.invented() if draw.chance(0.5) else draw.choice(draw.choice((NOUNS, FOODS, THINGS)))


def colour(draw: Draw) -> str:
    """A colour."""
    return draw.choice(COLOURS)


def animal(draw: Draw) -> str:
    """An animal."""
    return draw.choice(ANIMALS)


def job(draw: Draw) -> str:
    """A profession."""
    return draw.choice(JOBS)


def food(draw: Draw) -> str:
    """Something to eat."""
    return draw.choice(FOODS)


def code(draw: Draw) -> str:
    """An identifier."""
    return draw.code()


def whole_number(draw: Draw) -> int:
    """A number of one to four digits, mostly short."""
    size = draw.choice((1, 2, 2, 3, 4))
    return int(draw.repetitive(size)) if draw.stumbles() else draw.randint(1, 10**size)


def decimal(draw: Draw) -> float:
    """A number with a fraction."""
    if draw.stumbles():
        return float(f"{draw.repetitive(2)}.{draw.repetitive(2)}")
    return float(f"{draw.randint(0, 200)}.{draw.randint(1, 99):02}")


def alike(draw: Draw, value: str | int | float) -> str | int | float:
    """Another value of this kind that is easily confused with it."""
    text = str(value)
    places = [at for at, each in enumerate(text) if each.isalnum()]
    at = draw.choice(places)
    other = draw.choice("123456789" if text[at].isdigit() else "aeiounrst")
    changed = text[:at] + other + text[at + 1 :]
    if isinstance(value, str):
        return draw.choice((changed, text[: at + 1], text[: at + 1] + other))
    return type(value)(changed)


STRINGS: tuple[Callable[[Draw], str], ...] = (
    person, place, email, date, time, word, word, code, code, colour,
)  # fmt: skip
