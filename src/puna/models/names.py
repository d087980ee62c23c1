"""Names of models, as people write them: `[host/][namespace/]model[:tag]`."""

import re
from dataclasses import dataclass

from puna.errors import BadRequest

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}"
_NAME = re.compile(
    rf"(?P<path>(?:{_PART}(?::\d{{1,5}})?/)?(?:{_PART}/)?{_PART})(?::(?P<tag>{_PART}))?"
)


@dataclass(frozen=True, slots=True)
class Name:
    """A well-formed name; only such a one may reach the file system."""

    path: str
    tag: str = "latest"

    @classmethod
    def parse(cls, text: str) -> "Name":
        """The name that a text is, or an error that says that it is none."""
        found = _NAME.fullmatch(text)
        if found is None or ".." in text:
            raise BadRequest(
                f"{text[:200]!r} is not a model's name.", "A name is written as model or model:tag."
            )
        return cls(found["path"], found["tag"] or "latest")

    def __str__(self) -> str:
        return f"{self.path}:{self.tag}"
