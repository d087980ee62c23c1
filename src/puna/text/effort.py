"""How a wish to think is put to a template, by the variables that it reads."""

import re
from typing import Any, Literal

Think = bool | Literal["low", "medium", "high"] | None
Level = Literal["low", "medium", "high"]

_SWITCHES = ("enable_thinking", "thinking", "reasoning")
_LEVELS = ("reasoning_effort", "thinking_effort", "reasoning_strength")
_ORDER = ("minimal", "low", "medium", "high", "max")
_OFF = ("none", "no_think", "minimal")


def values_for(think: Think, variables: frozenset[str], source: str) -> dict[str, Any]:
    """The template values that ask for this much thinking; none where nothing was wished."""
    if think is None:
        return {}
    wanted = think is not False
    values: dict[str, Any] = {name: wanted for name in _SWITCHES if name in variables}
    if "thinking_mode" in variables:
        values["thinking_mode"] = "enabled" if wanted else "disabled"
    if "thinking_budget" in variables and not wanted:
        values["thinking_budget"] = 0
    level = _level(think, source, switched=bool(values))
    if level is not None:
        values |= {name: level for name in _LEVELS if name in variables}
    return values


def _quoted(word: str, source: str) -> bool:
    return re.search(rf"""['"]{word}['"]""", source) is not None


def _level(think: bool | Level, source: str, *, switched: bool) -> str | None:
    known = [level for level in _ORDER if _quoted(level, source)]
    off = next((word for word in _OFF if _quoted(word, source)), None)
    match think:
        case False:
            return None if switched else off
        case True:
            # Only a template that would not think by itself needs a word for it.
            return "high" if _quoted("no_think", source) else None
        case _:
            # A template that names two levels or more refuses or ignores those it does not name.
            if think in known or len(known) < 2:
                return think
            higher = _ORDER[_ORDER.index(think) :]
            return next((level for level in higher if level in known), known[-1])
