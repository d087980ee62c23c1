"""Adding and subtracting numbers of up to two digits, with steps where thinking is on."""

from conversation import Conversation, Message, assistant, system, user
from draw import Draw
from words import FIRST_NAMES, THINGS

from skills.plain import SYSTEMS

_PLUS = ("What is {a} + {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} =", "{a}+{b}=?", "Add {a} and {b}.",
         "What is {a} plus {b}?", "How much is {a} + {b}?", "Calculate {a} + {b}.", "{a} plus {b}",
         "Compute {a}+{b}", "What is the sum of {a} and {b}?", "How much is {a} plus {b}?",
         "{n} has {a} {t} and gets {b} more. How many {t} does {n} have?")  # fmt: skip
_MINUS = ("What is {a} - {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} =", "{a}-{b}=?", "Subtract {b} from {a}.",
          "What is {a} minus {b}?", "How much is {a} - {b}?", "Calculate {a} - {b}.", "{a} minus {b}",
          "Compute {a}-{b}", "How much is {a} minus {b}?", "Take {b} away from {a}.",
          "{n} has {a} {t} and gives away {b}. How many {t} are left?")  # fmt: skip


def sum_of(draw: Draw) -> tuple[int, str, int]:
    """A problem of this side of the split."""
    while True:
        a, b = (draw.randint(0, 99) if draw.chance(0.85) else draw.randint(0, 9) for _ in range(2))
        sign = draw.choice("+-")
        if draw.ours("sum", a, sign, b):
            return a, sign, b


def value_of(a: int, sign: str, b: int) -> int:
    """The right result."""
    return a + b if sign == "+" else a - b


def steps(a: int, sign: str, b: int) -> str:
    """How one does it on paper, ones first."""
    if sign == "+":
        ones = a % 10 + b % 10
        tens = a // 10 + b // 10 + ones // 10
        carried = (
            f"carry 1\n{a // 10} + {b // 10} + 1 = {tens}"
            if ones > 9
            else f"no carry\n{a // 10} + {b // 10} = {tens}"
        )
        return f"{a % 10} + {b % 10} = {ones}, {carried}"
    if a < b:
        return f"{a} is less than {b}\n{steps(b, '-', a)}\nnegative"
    ones = a % 10 - b % 10
    if ones < 0:
        return f"1{a % 10} - {b % 10} = {ones + 10}, borrow 1\n{a // 10} - {b // 10} - 1 = {a // 10 - b // 10 - 1}"
    return f"{a % 10} - {b % 10} = {ones}, no borrow\n{a // 10} - {b // 10} = {a // 10 - b // 10}"


def question(draw: Draw) -> tuple[str, str, str]:
    """A problem in words, its answer and its steps."""
    a, sign, b = sum_of(draw)
    text = draw.choice(_PLUS if sign == "+" else _MINUS)
    text = text.format(a=a, b=b, n=draw.choice(FIRST_NAMES), t=draw.choice(THINGS))
    return text, f"{a} {sign} {b} = {value_of(a, sign, b)}.", steps(a, sign, b)


def conversation(draw: Draw) -> Conversation:
    """One to four problems in a row, all thought through or none."""
    text = draw.choice(SYSTEMS) if draw.chance(0.5) else ""
    messages: list[Message] = [system(text)] if text else []
    thinks = draw.chance(0.45)
    answer = ""
    for _ in range(draw.choice((1, 2, 3, 4))):
        ask, answer, thought = question(draw)
        messages += [user(ask), assistant(answer, thought if thinks else "")]
    skill = "adds, thinking" if thinks else "adds, not thinking"
    return Conversation(skill, messages, expect=answer)


def drill(draw: Draw) -> str:
    """Bare problems, one a line: the cheapest way to learn the table."""
    lines = (sum_of(draw) for _ in range(10))
    return "\n".join(f"{a} {sign} {b} = {value_of(a, sign, b)}." for a, sign, b in lines) + "\n"
