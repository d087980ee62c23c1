"""Short children's stories on a wish, from a grammar that can also parse them."""

import re

from conversation import Conversation, assistant, user
from draw import Draw
from words import FIRST_NAMES

ANIMALS = "fox bear mouse rabbit owl llama frog cat dog duck hen goat pony turtle bee".split()
PLACES = "forest garden village castle meadow valley river house barn market mountain beach".split()
MOODS = {
    "happy": ("laughed", "danced", "sang a song"),
    "sad": ("cried a little", "sat down and sighed", "felt alone"),
    "funny": ("fell into a puddle", "put a hat on its nose", "giggled all day"),
    "exciting": ("ran as fast as the wind", "jumped over a wall", "climbed a tall tree"),
    "calm": ("took a long nap", "watched the clouds", "listened to the wind"),
}
_FINDS = "key ball book stone flower shell hat lamp coin feather".split()
_LOOKS = "small red blue golden old shiny green strange".split()
_FRIENDS = "fox bear mouse rabbit owl frog cat dog duck hen goat bee".split()
_OPEN = ("Once there was a {a} called {n} in the {p}.", "In the {p} lived a {a} called {n}.",
         "A {a} called {n} lived in the {p}.")  # fmt: skip
_MIDDLE = (
    "One day {n} found a {l} {f}.", "In the morning {n} saw a {l} {f} in the {p}.",
    "{n} met a {b} and they became friends.", "A {b} came by and said hello to {n}.",
    "{n} {m}.", "Then {n} {m}.", "{n} showed the {f} to the {b}.", "The {b} gave {n} a {l} {f}.",
)  # fmt: skip
_CLOSE = ("In the evening {n} went home to the {p}.", "And {n} the {a} slept well that night.",
          "So ended the {k} day of {n} the {a}.")  # fmt: skip
_ASKS = (
    "Tell me a {k} story about a {a} in the {p}.", "Write a {k} story about a {a} in a {p}.",
    "A {k} story about a {a} in the {p}, please.", "Can you tell me a {k} story about a {a} in the {p}?",
    "Tell a story about a {a} in the {p}. Make it {k}.",
)  # fmt: skip


def _pattern(sentence: str) -> str:
    acts = [act for mood in MOODS.values() for act in mood]
    pools = {"a": ANIMALS, "n": [r"[A-Z][a-z]+"], "p": PLACES, "l": _LOOKS, "f": _FINDS,
             "b": _FRIENDS, "m": acts, "k": list(MOODS)}  # fmt: skip
    escaped = re.escape(sentence).replace(r"\{", "{").replace(r"\}", "}").replace(r"\ ", " ")
    return escaped.format(**{key: f"(?:{'|'.join(pool)})" for key, pool in pools.items()})


SENTENCE = re.compile("|".join(map(_pattern, (*_OPEN, *_MIDDLE, *_CLOSE))))


def parsed(story: str) -> tuple[int, int]:
    """How many of a story's sentences the grammar parses, and how many it has."""
    sentences = re.findall(r"[^.]+\.?", story.strip())
    return sum(bool(SENTENCE.fullmatch(each.strip())) for each in sentences), len(sentences)


def tale(draw: Draw) -> tuple[str, str, str]:
    """A wish, the story, and its hero's name."""
    while True:
        slots = {
            "a": draw.choice(ANIMALS), "p": draw.choice(PLACES), "k": draw.choice(tuple(MOODS)),
            "n": draw.choice(FIRST_NAMES), "f": draw.choice(_FINDS), "l": draw.choice(_LOOKS),
        }  # fmt: skip
        if draw.ours("tale", slots["a"], slots["p"], slots["k"]):
            break
    slots["b"] = draw.choice([friend for friend in _FRIENDS if friend != slots["a"]])
    middle = draw.sample(_MIDDLE, draw.randint(2, 4))
    sentences = [
        sentence.format(**slots, m=draw.choice(MOODS[slots["k"]]))
        for sentence in (draw.choice(_OPEN), *middle, draw.choice(_CLOSE))
    ]
    return draw.choice(_ASKS).format(**slots), " ".join(sentences), slots["n"]


def conversation(draw: Draw) -> Conversation:
    """A wish and its story."""
    wish, story, _ = tale(draw)
    return Conversation("tells stories", [user(wish), assistant(story)], expect=story)


def text(draw: Draw) -> str:
    """A story without a wish, as plain text."""
    return tale(draw)[1]


def infill(draw: Draw) -> tuple[str, str, str]:
    """A story cut in three: what is before, what is after, and the sentence between."""
    sentences = re.findall(r"[^.]+\.", tale(draw)[1])
    at = draw.randrange(1, len(sentences) - 1)
    return "".join(sentences[:at]), "".join(sentences[at + 1 :]), sentences[at]
