"""Many prompts at once through Puna's own engine, at temperature 0."""

import threading
from collections.abc import Sequence
from pathlib import Path

from puna.engine.libllama import open_library
from puna.engine.loaded import Loaded
from puna.engine.opening import opened
from puna.engine.sequence import Output, Request
from puna.errors import PunaError
from puna.jobs import Constraint, Limits, Sampling
from puna.protocol import Load, Placement

SEQUENCES = 16
CONTEXT = 1024
LONGEST = 240


class Herd:
    """One loaded model, asked many things at a time."""

    def __init__(self, weights: Path, threads: int) -> None:
        self._texts: dict[str, bytearray] = {}
        self._stopped: dict[str, bool] = {}
        self._left = 0
        self._done = threading.Event()
        placement = Placement(context=CONTEXT, sequences=SEQUENCES, pooled=False, threads=threads)
        load = Load((str(weights),), placement=placement)
        self._loaded = Loaded(opened(open_library(), load), load, self._take, self._fail)
        self.vocabulary = self._loaded.model.vocabulary

    def answers(
        self, prompts: Sequence[str], schemas: Sequence[str] = ()
    ) -> list[tuple[str, bool]]:
        """What the model writes after each prompt, and whether it stopped by itself.

        Where there are `schemas`, each answer is held to its JSON schema.
        """
        keys = [str(index) for index in range(len(prompts))]
        self._texts = {key: bytearray() for key in keys}
        self._stopped, self._left = {}, len(keys)
        self._done.clear()
        for key, prompt, schema in zip(keys, prompts, schemas or [""] * len(keys), strict=True):
            constraint = Constraint("json_schema", schema) if schema else None
            tokens = tuple(self.vocabulary.tokenize(prompt, special=True))
            self._loaded.engine.submit(
                Request(
                    key, tokens, CONTEXT, seed=0,
                    sampling=Sampling(temperature=0.0), limits=Limits(max_tokens=LONGEST),
                    constraint=self._loaded.grammars.compile(constraint) if constraint else None,
                )
            )  # fmt: skip
        self._done.wait()
        return [(self._texts[key].decode("utf-8", "replace"), self._stopped[key]) for key in keys]

    def close(self) -> None:
        """Let the model go."""
        self._loaded.close()

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            for drawn in output.drawn:
                self._texts[output.key] += self.vocabulary.piece(drawn.token)
            if output.finish is not None or output.error is not None:
                self._stopped[output.key] = bool(output.finish and output.finish.reason == "stop")
                self._left -= 1
        if not self._left:
            self._done.set()

    def _fail(self, error: PunaError) -> None:
        raise error
