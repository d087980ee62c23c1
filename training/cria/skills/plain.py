"""Small talk: greetings, thanks, what Cria is, facts about Puna, and owning up to not knowing."""

from conversation import Conversation, Message, assistant, system, user
from draw import Draw
from facts import FACTS
from words import ADJECTIVES, NOUNS, PIECES

UNKNOWN = "I do not know that. I am a very small model."
_GREETINGS = {
    "Hello! How can I help you?": ("Hello", "Hi", "Hey", "hello", "hi", "hey there", "Hi there", "Hello there", "Greetings", "Hello Cria", "Hi Cria", "hey"),
    "Good morning! How can I help you?": ("Good morning", "good morning", "Morning"),
    "Good evening! How can I help you?": ("Good evening", "good evening"),
    "I am fine, thank you. How can I help you?": ("How are you", "How are you doing", "How do you do", "Hello, how are you", "Hi, how are you", "how are you today"),
    "You are welcome!": ("Thanks", "Thank you", "thanks a lot", "Thank you very much", "Great, thanks", "Perfect, thank you"),
    "Goodbye! It was nice to talk to you.": ("Bye", "Goodbye", "See you", "Good night", "bye bye", "See you later"),
}  # fmt: skip
_UNKNOWN = ("Why is the {a} {b}?", "What is a {b} {a}?", "Who made the {a}?", "Explain {a} to me.",
            "What do you think about {a}?", "Where can I buy a {b} {a}?", "How old is the {a}?",
            "Write a poem about {a}.", "What does {c} mean?", "Who is {c}?", "Translate {a}.",
            "How do I build a {a}?", "Do you like {a}?", "What is {c}?", "Tell me about {c}.",
            "Is the {a} {b}?", "{c} {a} {c}", "What is the capital of {c}?")  # fmt: skip
_ENDS = ("", "!", ".", "?")
SYSTEMS = ("", "", "", "You are a helpful assistant.", "You are helpful.", "Answer briefly.",
           "You are an assistant. Be polite.", "Be short and clear.")  # fmt: skip
_LEADS = (
    "",
    "",
    "",
    "",
    "",
    "Hi! ",
    "Hello, ",
    "Hey Cria, ",
    "Quick question: ",
    "Please tell me: ",
    "So, ",
)


def capitals(draw: Draw) -> str:
    """Words with and without a capital letter, which are other tokens, so that each knows its other."""
    pairs = [(word, word.capitalize()) for word in draw.sample(PIECES, 16)]
    return "\n".join(" = ".join(draw.sample(pair, 2)) for pair in pairs) + "\n"


def greeting(draw: Draw) -> tuple[str, str]:
    """A greeting and its one answer."""
    while True:
        reply = draw.choice(tuple(_GREETINGS))
        text = draw.choice(_GREETINGS[reply])
        end = draw.choice(_ENDS[:3])
        if reply.startswith("I am fine"):
            end = "?" if end != "" else end
        if draw.ours("greeting", text, end):
            return text + end, reply


def fact(draw: Draw) -> tuple[str, str, str]:
    """A question about Puna or Cria, its one answer, and what the answer must hold."""
    while True:
        known = draw.choice(FACTS)
        ask = draw.choice(known.questions)
        lead = draw.choice(_LEADS)
        if draw.ours("fact", ask, lead):
            if lead and not lead.endswith("! ") and ask.split()[0] not in ("I", "Puna"):
                ask = ask[0].lower() + ask[1:] if not ask.split()[0].isupper() else ask
            if draw.chance(0.1):
                ask = ask.rstrip("?.")
            return lead + ask, known.answer, known.key


def unknown(draw: Draw) -> tuple[str, str]:
    """A question that Cria cannot answer."""
    text = draw.choice(_UNKNOWN).format(
        a=draw.novel("unknown", NOUNS), b=draw.choice(ADJECTIVES), c=draw.invented().capitalize()
    )
    return text, UNKNOWN


def question(draw: Draw) -> tuple[str, str]:
    """Any of these, for a turn in another skill's conversation."""
    match draw.randrange(4):
        case 0:
            return greeting(draw)
        case 1 | 2:
            return fact(draw)[:2]
        case _:
            return unknown(draw)


def conversation(draw: Draw) -> Conversation:
    """One to three such turns; the last decides which bar it counts for."""
    text = draw.choice(SYSTEMS)
    messages: list[Message] = [system(text)] if text else []
    thinks = draw.chance(0.12)
    skill = expect = ""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        match draw.randrange(8):
            case 0:
                (ask, reply), skill, thought = greeting(draw), "greets", "The user is polite."
                expect = reply
            case 1:
                (ask, reply), skill, thought = unknown(draw), "owns up", "I do not know this."
                expect = reply
            case _:
                (ask, reply, expect), skill = fact(draw), "facts"
                thought = "I know this about Puna."
        messages += [user(ask), assistant(reply, thought if thinks else "")]
    return Conversation(skill, messages, expect=expect)
