"""The language of templates, case by case: what Go itself writes for the same template."""

from pathlib import Path

import pytest
import yaml

from puna.text.go.evaluator import Evaluator
from puna.text.go.functions import NAMES, Functions
from puna.text.go.parser import parsed
from puna.text.go.strings import Strings, whole
from puna.text.go.values import from_json

DATA = {
    "name": "Ann",
    "n": 5,
    "f": 2.5,
    "zero": 0,
    "empty": "",
    "list": ["a", "b", "c"],
    "nums": [1, 2, 3],
    "none": None,
    "yes": True,
    "no": False,
    "big": 1000000,
    "m": {"b": 1, "a": "x", "c": {"d": [1, {"e": "deep"}]}},
    "el": [],
    "em": {},
    "uni": "héllo",
    "html": "<a href=\"x\">'&'</a>",
    "objs": [{"k": "v1", "s": {"t": 1}}, {"k": "v2", "s": {"t": 2}}],
    "nl": [None, 1],
}


def written(source: str) -> str:
    pieces: list[str] = []
    template = parsed(source, NAMES)
    functions = Functions(Strings(), 1 << 20)
    Evaluator(template, functions, pieces.append).run(template.body, from_json(DATA))
    return whole("".join(pieces))


CASES = yaml.safe_load((Path(__file__).parent / "language.yaml").read_text("utf-8"))


@pytest.mark.parametrize("subject", CASES)
def test_a_template_writes_what_go_writes(subject: str) -> None:
    for case in CASES[subject]:
        assert written(case["source"]) == case["text"], case["source"]
