"""Cria's held-out marks: the shipped file, through Puna's engine, at temperature 0."""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from conversation import Conversation, prompt
from draw import Draw
from herd import Herd
from marks import has_fields, is_right, schema_of
from skills import arithmetic, extraction, memory, plain, stories, tools

SHIPPED = Path(__file__).parents[2] / "src/puna/models/builtin/cria.gguf"
ENFORCED = "extracts, schema enforced: valid"
BARS = {
    "stops by itself": 1.0, "tools: call": 0.95, "tools: answer": 0.95, "tools: plain": 0.95,
    "extracts": 0.95, ENFORCED: 1.0, "adds, thinking": 0.97, "adds, not thinking": 0.97, "greets": 0.98,
    "owns up": 0.98, "facts": 0.98, "remembers": 0.95, "keeps the persona": 0.95,
    "echoes": 0.95, "tells stories": 0.95,
}  # fmt: skip
SOURCES: tuple[Callable[[Draw], Conversation], ...] = (
    tools.conversation, extraction.conversation, arithmetic.conversation, plain.conversation,
    memory.remembering, memory.persona, memory.echo, stories.conversation,
)  # fmt: skip


def held_out(each: int, seed: int) -> list[Conversation]:
    """The same number of conversations of each skill, none of which training can have seen."""
    draw = Draw(f"evaluation {seed}", held_out=True)
    found: dict[str, list[Conversation]] = defaultdict(list)
    for source in SOURCES:
        for conversation in _taken(source, draw, each):
            if len(found[conversation.skill]) < each:
                found[conversation.skill].append(conversation)
    return [conversation for group in found.values() for conversation in group]


def _taken(source: Callable[[Draw], Conversation], draw: Draw, each: int) -> Iterator[Conversation]:
    return (source(draw) for _ in range(each * 12))


def report(weights: Path, each: int, seed: int, threads: int, shown: int) -> dict[str, float]:
    """Ask everything, and give the share of right answers for each skill."""
    conversations = held_out(each, seed)
    herd = Herd(weights, threads)
    answers = herd.answers([prompt(each) for each in conversations])
    marks: dict[str, list[bool]] = defaultdict(list)
    left: dict[str, int] = defaultdict(lambda: shown)
    for conversation, (reply, stopped) in zip(conversations, answers, strict=True):
        right = stopped and is_right(conversation, reply)
        marks["stops by itself"].append(stopped)
        marks[conversation.skill].append(right)
        if not right and left[conversation.skill]:
            left[conversation.skill] -= 1
            wrong = {"asked": prompt(conversation), "said": reply, "stopped": stopped}
            print(conversation.skill, json.dumps(wrong, ensure_ascii=False), file=sys.stderr)
    marks[ENFORCED] = _enforced(herd, conversations)
    herd.close()
    return {skill: sum(given) / len(given) for skill, given in marks.items()}


def _enforced(herd: Herd, conversations: list[Conversation]) -> list[bool]:
    """Whether each extraction is valid where its schema is enforced."""
    asked = [each for each in conversations if each.skill == "extracts" and not each.thinking]
    answers = herd.answers(
        [prompt(each) for each in asked], [schema_of(each.expect) for each in asked]
    )
    return [
        stopped and has_fields(said, each.expect)
        for each, (said, stopped) in zip(asked, answers, strict=True)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--each", type=int, default=200, help="prompts of each skill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", type=int, default=0, help="wrong answers to print of each skill")
    options = parser.parse_args()
    found = report(options.weights, options.each, options.seed, options.threads, options.show)
    print("| skill | bar | right |\n| --- | --- | --- |")
    for skill, bar in BARS.items():
        print(f"| {skill} | {bar:.0%} | {found[skill]:.2%} |")


if __name__ == "__main__":
    main()
