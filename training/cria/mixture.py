"""How much of each skill there is in training, and how an example becomes tokens and weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from conversation import Conversation, whole
from draw import Draw
from skills import arithmetic, extraction, memory, plain, stories, tools
from tokenizers import Tokenizer

PROMPT_WEIGHT = 0.02

SHARES: dict[Callable[[Draw], Conversation], float] = {
    tools.conversation: 0.42,
    extraction.conversation: 0.32,
    arithmetic.conversation: 0.11,
    plain.conversation: 0.11,
    memory.remembering: 0.06,
    memory.persona: 0.03,
    memory.echo: 0.06,
    stories.conversation: 0.02,
}
PLAIN_TEXT_SHARE = 0.1


@dataclass(frozen=True)
class Example:
    """Text with the way to weigh its tokens."""

    text: str
    kind: str


def conversation(draw: Draw) -> Conversation:
    """One conversation of the mixture."""
    return draw.choices(list(SHARES), list(SHARES.values()))[0](draw)


def example(draw: Draw) -> Example:
    """One training example."""
    if not draw.chance(PLAIN_TEXT_SHARE):
        return Example(whole(conversation(draw)), "chat")
    match draw.randrange(8):
        case 0:
            before, after, between = stories.infill(draw)
            text = (
                f"<|fim_prefix|>{before}<|fim_suffix|>{after}<|fim_middle|>{between}<|endoftext|>"
            )
            return Example(text, "infill")
        case 1:
            return Example(stories.text(draw) + "<|endoftext|>", "text")
        case 2 | 3:
            return Example(plain.capitals(draw) + "<|endoftext|>", "drill")
        case _:
            return Example(arithmetic.drill(draw) + "<|endoftext|>", "drill")


class Weigher:
    """Gives each token its weight in the loss: what Cria says counts, what it is told hardly."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        def single(text: str) -> int:
            (token,) = tokenizer.encode(text).ids
            return token

        self.opening = tuple(tokenizer.encode("<|im_start|>assistant\n").ids)
        self.end = single("<|im_end|>")
        self.think = tuple(tokenizer.encode("<think>\n").ids)
        self.middle = single("<|fim_middle|>")
        self.equals = single("=")
        self.newline = single("\n")

    def weights(self, ids: list[int], kind: str) -> np.ndarray:
        """One weight a token."""
        weights = np.full(len(ids), PROMPT_WEIGHT, np.float32)
        match kind:
            case "chat":
                self._weigh_replies(ids, weights)
            case "infill":
                weights[ids.index(self.middle) + 1 :] = 1
            case "drill":
                self._weigh_results(ids, weights)
            case _:
                weights[1:] = 1
        return weights

    def _weigh_replies(self, ids: list[int], weights: np.ndarray) -> None:
        size = len(self.opening)
        for start in range(len(ids) - size + 1):
            if tuple(ids[start : start + size]) != self.opening:
                continue
            first = start + size
            if tuple(ids[first : first + len(self.think)]) == self.think:
                weights[first : first + len(self.think)] = 0
                first += len(self.think)
            weights[first : ids.index(self.end, first) + 1] = 1

    def _weigh_results(self, ids: list[int], weights: np.ndarray) -> None:
        weights[:] = 0
        counts = False
        for index, token in enumerate(ids):
            weights[index] = float(counts)
            counts = token == self.equals or (counts and token != self.newline)
        weights[-1] = 1
