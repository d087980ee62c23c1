"""Options of a request and parameters of a model: one language, with Ollama's names.

A model's parameters lie under what a request says; together they become how tokens are drawn, when
an answer ends, how it fits its context and how the model is loaded.
"""

import sys
from collections.abc import Mapping
from typing import Any

import structlog

from puna.jobs import Demand, Fit, Limits, Sampling
from puna.models.parameters import PARAMETERS, Parameter

_log = structlog.get_logger("puna")
# Names that have been logged; bounded, since clients choose them.
_logged: set[str] = set()
_MOST_LOGGED = 1000

# Every option; the last two only a request may say.
OPTIONS: Mapping[str, Parameter] = {
    **PARAMETERS,
    "dry_breakers": Parameter("dry_breakers", "texts", 1, 64),
    "ignore_eos": Parameter("ignore_eos", "switch"),
}
# llama.cpp's own names for two of them.
_ALIASES = {"dry_penalty_last_n": "dry_last_n", "dry_sequence_breakers": "dry_breakers"}
_SAMPLING = frozenset(Sampling.__struct_fields__)


class Options:
    """What is said of one answer; what is not, is as the model or the settings have it.

    An option of the wrong type is refused by its name. One that nobody knows has no effect: that
    is logged once, and said in `warnings`.
    """

    def __init__(self, *given: Mapping[str, Any]) -> None:
        """What the later say takes the place of what the earlier say; null says nothing."""
        said = {
            _ALIASES.get(name, name): value
            for options in given
            for name, value in options.items()
            if value is not None
        }
        self._values: dict[str, Any] = {
            name: known.checked(_lenient(name, said[name]))
            for name, known in OPTIONS.items()
            if name in said
        }
        self.warnings = tuple(_warning(name) for name in said if name not in OPTIONS)

    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        given = {name: value for name, value in self._values.items() if name in _SAMPLING}
        match given.get("seed"):
            case -1:
                # Ollama's word for any seed.
                del given["seed"]
            case int(seed):
                # Ollama's seeds have a sign; here they are the same bits without one.
                given["seed"] = seed % (1 << 64)
            case _:
                pass
        if "dry_breakers" in given:
            given["dry_breakers"] = tuple(given["dry_breakers"])
        return Sampling(**given)

    def limits(self) -> Limits:
        """When an answer ends; a num_predict of no more than 0 is no limit, as in Ollama."""
        most = self._values.get("num_predict", 0)
        return Limits(
            max_tokens=most if most > 0 else None,
            stop=tuple(self._values.get("stop", ())),
            ignore_eos=self._values.get("ignore_eos", False),
        )

    @property
    def context(self) -> int | None:
        """How many tokens a conversation or an input may have."""
        return self._values.get("num_ctx")

    def fit(self, *, truncate: bool, shift: bool) -> Fit:
        """What happens when a conversation outgrows its context; a negative num_keep keeps all."""
        keep = self._values.get("num_keep", Fit().keep)
        return Fit(
            context=self.context,
            truncate=truncate,
            shift=shift,
            keep=keep if keep >= 0 else sys.maxsize,
        )

    def demand(self, keep_alive: float | None) -> Demand:
        """How the model is to be loaded and kept."""
        layers = self._values.get("num_gpu", -1)
        return Demand(
            keep_alive=keep_alive,
            batch=self._values.get("num_batch"),
            gpu_layers=layers if layers >= 0 else None,
            main_gpu=self._values.get("main_gpu"),
            threads=self._values.get("num_thread") or None,
            mmap=self._values.get("use_mmap"),
            mlock=self._values.get("use_mlock"),
        )


def _lenient(name: str, value: Any) -> Any:
    """What Ollama takes, though it means no more than its neighbour."""
    match name, value:
        case "top_k", int() | float() if value < 0:
            return 0
        case "stop", list():
            return [text for text in value if text != ""]  # pyright: ignore[reportUnknownVariableType]
        case "stop", "":
            return []
        case _:
            return value


def _warning(name: str) -> str:
    name = name[:100]
    if name not in _logged and len(_logged) < _MOST_LOGGED:
        _logged.add(name)
        _log.warning("an option that nobody knows was sent", option=name)
    return f"The option {name!r} is not known and has no effect."
