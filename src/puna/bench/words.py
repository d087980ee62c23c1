"""Prompts of an exact length, as the server itself counts tokens.

No tokenizer is needed: the server says how long a few texts are, and from that follows how long
any text of the same words is.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from puna.errors import BadSetting, PunaError

# Words that most vocabularies have as one token each, the smallest ones too.
COMMON = ("the", "you", "and", "to", "of", "is", "it", "in")
OTHERS = ("a", "that", "for", "on", "with", "was", "he", "be", "at", "by", "this", "have", "from")
FEWEST = 4
_PROBE = 16

# How many tokens a prompt of a text has, by the server's own count.
Count = Callable[[str], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one cost: a prompt of one has `alone` tokens, and each further one adds `each`."""

    words: tuple[str, ...]
    alone: int
    each: int = 1

    @property
    def is_exact(self) -> bool:
        """Whether any length can be met."""
        return self.each == 1

    def text(self, random: Random, tokens: int) -> str:
        """A text with which the prompt has so many tokens."""
        if tokens < self.alone:
            raise BadSetting(
                f"A prompt cannot have {tokens} tokens: with a single word it has {self.alone}.",
                "Ask for longer ones; what is around the words is the model's template.",
            )
        return self.more(random, 1 + (tokens - self.alone) // self.each)

    def more(self, random: Random, count: int) -> str:
        """A text of so many words."""
        # The first is always the same, since it may be another token than behind a space.
        return " ".join([self.words[0], *random.choices(self.words, k=count - 1)])


async def measured(count: Count) -> Words:
    """The words to use with a server."""
    costs = {each: COMMON for each in (await _each(count, COMMON),) if each == 1}
    if not costs:
        costs = await _sorted_by_cost(count)
    each, words = min(costs.items())
    return Words(words, await count(words[0]), each)


async def _sorted_by_cost(count: Count) -> dict[int, tuple[str, ...]]:
    """Words by what each costs, where there are enough that cost the same."""
    costs = dict[int, tuple[str, ...]]()
    for word in (*COMMON, *OTHERS):
        cost = await _each(count, (word,))
        if cost is not None and cost > 0:
            costs[cost] = (*costs.get(cost, ()), word)
    if usable := {cost: words for cost, words in costs.items() if len(words) >= FEWEST}:
        return usable
    raise PunaError(
        "The server's counts of prompt tokens do not add up, so prompts cannot be made to measure.",
        "Does it count only what its cache did not hold?",
    )


async def _each(count: Count, words: tuple[str, ...]) -> int | None:
    """What each of these words costs behind another, if they all cost the same."""
    once = await count(" ".join(words))
    more = await count(" ".join(words * (1 + _PROBE)))
    cost, rest = divmod(more - once, _PROBE * len(words))
    return cost if rest == 0 else None
