"""What a Modelfile's PARAMETER may set: every name, with its type and its bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from puna.errors import BadRequest
from puna.jobs import SAMPLING_BOUNDS

Value = int | float | bool | list[str]

_WHOLE = {
    "top_k", "repeat_last_n", "mirostat", "dry_allowed_length", "dry_last_n", "seed",
}  # fmt: skip
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}

# Names that Ollama has known and that nothing answers to any more.
OBSOLETE = frozenset(
    {
        "embedding_only", "f16_kv", "logits_all", "low_vram", "num_gqa", "numa",
        "penalize_newline", "rope_frequency_base", "rope_frequency_scale", "tfs_z", "vocab_only",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: what it is, and the least and the most that it may be."""

    name: str
    kind: Literal["whole", "number", "switch", "texts"]
    least: float = 0
    most: float = 0

    def read(self, text: str) -> Value:
        """The value that a text is."""
        match self.kind:
            case "texts":
                return self.checked([text])
            case "switch":
                if text in _TRUE | _FALSE:
                    return text in _TRUE
            case "whole" | "number":
                try:
                    return self.checked(int(text) if self.kind == "whole" else float(text))
                except ValueError:
                    pass
        raise self._wrong(text)

    def checked(self, given: Any) -> Value:
        """The value itself, if it is one that this parameter may have."""
        value: Any = given
        match self.kind, value:
            case "switch", bool():
                return value
            case (("whole" | "number"), bool()):
                pass
            case "whole", int() | float() if value == value // 1 and self._holds(value):
                return int(value)
            case "number", int() | float() if self._holds(value):
                return value
            case "texts", str():
                return self.checked([value])
            case "texts", list() | tuple():
                texts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
                if len(texts) <= self.most and all(_is_stop(text) for text in texts):
                    return texts
            case _:
                pass
        raise self._wrong(value)

    def _holds(self, value: float) -> bool:
        return self.least <= value <= self.most

    def _wrong(self, value: Any) -> BadRequest:
        expected = {
            "whole": f"a whole number from {self.least:.20g} to {self.most:.20g}",
            "number": f"a number from {self.least:g} to {self.most:g}",
            "switch": "true or false",
            "texts": f"a text of 1 to 1000 characters, {self.most:g} times at most",
        }[self.kind]
        return BadRequest(f"{self.name} is {_short(value)}, it must be {expected}.")


PARAMETERS: Mapping[str, Parameter] = {
    one.name: one
    for one in (
        *(
            Parameter(name, "whole" if name in _WHOLE else "number", least, most)
            for name, (least, most) in SAMPLING_BOUNDS.items()
            if name != "seed"
        ),
        # Ollama's seeds are signed.
        Parameter("seed", "whole", -(2**63), 2**63 - 1),
        Parameter("stop", "texts", 1, 64),
        Parameter("num_ctx", "whole", 1, 16_777_216),
        Parameter("num_predict", "whole", -2, 10_000_000),
        Parameter("num_keep", "whole", -1, 16_777_216),
        Parameter("num_batch", "whole", 1, 16_384),
        Parameter("num_gpu", "whole", -1, 10_000),
        Parameter("main_gpu", "whole", 0, 1024),
        Parameter("num_thread", "whole", 0, 1024),
        Parameter("use_mmap", "switch"),
        Parameter("use_mlock", "switch"),
    )
}


def parameter(name: str) -> Parameter:
    """The parameter of this name, or an error that names the nearest."""
    known = PARAMETERS.get(name)
    if known is None:
        near = get_close_matches(name, PARAMETERS, n=1)
        mend = f"The nearest is {near[0]}." if near else "docs/modelfile.md has all of them."
        raise BadRequest(f"There is no parameter {_short(name)}.", mend)
    return known


def collected(given: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """All of them in one mapping: texts add up, of others the last counts."""
    values: dict[str, Value] = {}
    for name, value in given:
        former = values.get(name)
        if isinstance(former, list) and isinstance(value, list):
            value = parameter(name).checked([*former, *value])
        values[name] = value
    return values


def _is_stop(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= 1000


def _short(value: object) -> str:
    return repr(value) if len(repr(value)) <= 100 else f"{repr(value)[:100]}…"
