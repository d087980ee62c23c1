"""Cria's recipe is no installed package: its folder goes on the path for its tests."""

import sys
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "training" / "cria"
sys.path.insert(0, str(RECIPE))
