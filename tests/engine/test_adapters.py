"""LoRA adapters: each sequence with its own set, side by side, and caches that stay apart."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import stand_in_parts
from tests.engine.harness import Driver, prompt, regret, request

from puna.engine.context import Context, Floats, Outcome, Span
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.errors import BadModelFile
from puna.protocol import Adapter, Pace, Placement

Shape = Callable[[str], Path]
Set = tuple[tuple[int, float], ...]
ROUNDING = 0.6
POOL = Placement(context=512, sequences=4, pooled=True, batch=128, threads=1)
