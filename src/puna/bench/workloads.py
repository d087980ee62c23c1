"""What is asked: an endless row of scripts for each workload, the same for the same seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from puna.bench.asking import Ask, Kind, Message
from puna.bench.lengths import Lengths
from puna.bench.words import Words

Workload = Literal["single", "complete", "chat", "shared-prefix", "echo", "embed"]
WORKLOADS: tuple[Workload, ...] = get_args(Workload)

# Of a shared prefix, how much of the usual prompt it is.
SHARED = 0.75


@dataclass(frozen=True, slots=True)
class Script:
    """One conversation as it will be: what the user says in each turn, and how long the answers."""

    kind: Kind
    says: tuple[str, ...]
    outputs: tuple[int, ...]

    def ask(self, history: tuple[Message, ...]) -> Ask:
        """The next request, after what has been said so far."""
        turn = len(history) // 2
        said = Message("user", self.says[turn])
        return Ask(self.kind, (*history, said), self.outputs[turn])


@dataclass(frozen=True, slots=True)
class Work:
    """A workload with its lengths; `output` is None where it is as long as the prompt."""

    workload: Workload
    prompt: Lengths
    output: Lengths | None
    turns: int = 1

    @property
    def kind(self) -> Kind:
        """What is asked for."""
        match self.workload:
            case "embed" | "complete":
                return self.workload
            case _:
                return "chat"

    def framed(self, text: str) -> str:
        """A text of words with what the workload puts around it."""
        return f"Repeat this, word for word: {text}" if self.workload == "echo" else text

    def scripts(self, words: Words, shape: str, seed: str) -> Iterator[Script]:
        """Scripts for ever: `shape` seeds their lengths and `seed` their words."""
        lengths, random = Random(shape), Random(seed)
        shared = self._shared(words).split()
        while True:
            sizes = [self.prompt.draw(lengths) for _ in range(self.turns)]
            output = self.output
            outputs = tuple(output.draw(lengths) if output else size for size in sizes)
            says = tuple(self._says(words, random, shared, size) for size in sizes)
            yield Script(self.kind, says, outputs)

    def _says(self, words: Words, random: Random, shared: list[str], size: int) -> str:
        own = words.text(random, size).split()
        # All words cost the same, so the length stays.
        common = shared[: len(own) - 1]
        return self.framed(" ".join([*common, *own[len(common) :]]))

    def _shared(self, words: Words) -> str:
        if self.workload != "shared-prefix":
            return ""
        size = max(words.alone, round(self.prompt.middle * SHARED))
        return words.text(Random("shared"), size)
