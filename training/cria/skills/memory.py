"""Remembering what the user said some turns ago, and keeping the persona of the system prompt."""

from conversation import Conversation, Message, assistant, system, user
from draw import Draw
from words import ADJECTIVES, ANIMALS, JOBS

from skills import arithmetic, plain, values

# what is told, how it is acknowledged, how it is asked for, and the answer
_MEMORIES = {
    "name": (values.person, ("My name is {}.", "I am called {}.", "I am {}.", "Call me {}.", "Hi, my name is {}."), "Nice to meet you, {}.",
             ("What is my name?", "Who am I?", "Do you remember my name?", "What am I called?"), "Your name is {}."),
    "colour": (values.colour, ("My favourite colour is {}.", "I like the colour {}.", "The colour I like most is {}."), "{} is a nice colour.",
               ("What is my favourite colour?", "Which colour do I like?", "Do you remember my colour?"), "Your favourite colour is {}."),
    "place": (values.place, ("I live in {}.", "My home is in {}.", "I am from {}."), "I will remember that you live in {}.",
              ("Where do I live?", "Which city do I live in?", "Where is my home?", "Where am I from?"), "You live in {}."),
    "food": (values.food, ("My favourite food is {}.", "I love to eat {}.", "I like {} most."), "{} sounds tasty.",
             ("What is my favourite food?", "What do I like to eat?", "Which food do I like?"), "You like {}."),
    "pet": (lambda draw: values.person(draw).split()[0], ("My pet is called {}.", "My dog is called {}.", "I have a cat named {}."), "{} is a good name for a pet.",
            ("What is my pet called?", "What is the name of my pet?", "Do you remember my pet?"), "Your pet is called {}."),
    "number": (lambda draw: str(draw.randint(1, 99)), ("My lucky number is {}.", "I am thinking of the number {}.", "Remember the number {}."), "I will remember {}.",
               ("What is my number?", "Which number did I tell you?", "What is my lucky number?"), "Your number is {}."),
    "word": (lambda draw: draw.invented(), ("The password is {}.", "The secret word is {}.", "Remember the word {}."), "I will remember the word {}.",
             ("What is the password?", "What is the secret word?", "Which word did I tell you?"), "The word is {}."),
}  # fmt: skip
_UNTOLD = "You have not told me yet."
_PERSONA = ("You are {n}, a {a} {j}.", "You are {n}.", "Your name is {n}.", "You are {n}, a {j}. Always stay in character.",
            "You are a {a} {j} called {n}.", "You are {n}, a helpful {j}. Be polite.", "Act as {n}, a {a} {j}.",
            "Your name is {n} and you are a {j}.")  # fmt: skip
_WHO = ("Who are you?", "What is your name?", "What are you called?", "Tell me your name.", "Introduce yourself.",
        "May I know your name?", "And who are you?", "What should I call you?", "Hi, who are you?", "What are you?")  # fmt: skip


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def remembering(draw: Draw) -> Conversation:
    """The user tells some things, other turns pass, and asks for them."""
    thinks = draw.chance(0.1)
    told: dict[str, str] = {}
    messages: list[Message] = []

    def say(ask: str, reply: str, thought: str) -> None:
        messages.extend((user(ask), assistant(reply, thought if thinks else "")))

    for kind in draw.sample(sorted(_MEMORIES), draw.choice((1, 2, 2, 3))):
        draw_value, tells, reply, _, _ = _MEMORIES[kind]
        told[kind] = draw_value(draw)
        say(
            draw.choice(tells).format(told[kind]),
            _upper(reply.format(told[kind])),
            "The user tells me something.",
        )
        if draw.chance(0.3):
            _pass_time(draw, say)
    for _ in range(draw.choice((0, 0, 1, 2, 3))):
        _pass_time(draw, say)
    asked = list(told)
    if draw.chance(0.15):
        asked.append(draw.choice([kind for kind in _MEMORIES if kind not in told]))
    draw.shuffle(asked)
    expect = ""
    for kind in asked[: draw.choice((1, 2, 3))]:
        _, _, _, asks, reply = _MEMORIES[kind]
        expect = reply.format(told[kind]) if kind in told else _UNTOLD
        say(draw.choice(asks), expect, "I look at what the user told me.")
    return Conversation("remembers", messages, expect=expect)


def _pass_time(draw: Draw, say) -> None:
    if draw.chance(0.3):
        say(*arithmetic.question(draw))
        return
    say(*plain.question(draw), "Something else.")


def persona(draw: Draw) -> Conversation:
    """A name in the system prompt, kept to when asked, at once or some turns later."""
    name = values.person(draw).split()[0] if draw.chance(0.8) else values.person(draw)
    text = draw.choice(_PERSONA).format(n=name, a=draw.choice(ADJECTIVES), j=draw.choice((*JOBS, *ANIMALS, "robot", "assistant", "pirate", "wizard")))  # fmt: skip
    messages: list[Message] = [system(text)]
    thinks = draw.chance(0.1)
    for _ in range(draw.choice((0, 0, 1, 2))):
        ask, reply = plain.greeting(draw) if draw.chance(0.5) else plain.unknown(draw)
        messages += [
            user(ask.replace(" Cria", "")),
            assistant(reply, "Something else." if thinks else ""),
        ]
    answer = f"I am {name}."
    messages += [user(draw.choice(_WHO)), assistant(answer, "I keep to my role." if thinks else "")]
    return Conversation("keeps the persona", messages, expect=answer)


def echo(draw: Draw) -> Conversation:
    """Saying what one is told to say: copying, pure."""
    messages: list[Message] = []
    answer = ""
    for _ in range(draw.choice((1, 2, 3))):
        parts = [
            draw.choice((*values.STRINGS, values.phrase))(draw) for _ in range(draw.randint(1, 3))
        ]
        if draw.stumbles():
            parts.insert(draw.randint(0, len(parts)), str(values.alike(draw, draw.choice(parts))))
        answer = " ".join(parts)
        ask = draw.choice(
            ("Say {}", "Repeat: {}", "Repeat after me: {}", 'Say "{}"', "Echo {}", "Please say: {}")
        )
        messages += [user(ask.format(answer)), assistant(answer)]
    return Conversation("echoes", messages, expect=answer)
