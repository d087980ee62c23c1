"""Images that a prompt names by their paths: `what is in ./cat.png?`

A path begins with `/`, `./`, `../` or `~/`, and may be in quotes or have its spaces escaped, as a
terminal writes the path of a file that is dropped on it. What names no file is text like all else.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from puna.engine.images import check
from puna.errors import BadRequest, PunaError

_START = re.compile(r"""(?:(?<=^)|(?<=[\s'"(]))(?:~|\.{1,2})?/""")
_END = re.compile(r"\.(?:png|jpe?g|gif|webp)(?!\.?\w)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")
MOST_ENDS = 8


@dataclass(slots=True)
class Pictured:
    """A prompt without the paths in it, the images that they led to, and those paths."""

    text: str
    images: list[str] = field(default_factory=list[str])
    paths: list[Path] = field(default_factory=list[Path])


def pictured(prompt: str) -> Pictured:
    """The prompt with the images that it names; a file that is none is an error."""
    found = Pictured("")
    at = 0
    for start, end, path in _files(prompt):
        found.text += prompt[at:start]
        found.paths.append(path)
        found.images.append(_read(path))
        at = end
    found.text = (found.text + prompt[at:]).strip() if found.images else prompt
    return found


def _files(prompt: str) -> Iterator[tuple[int, int, Path]]:
    """Where files stand in it, quotes included."""
    at = 0
    while (start := _START.search(prompt, at)) is not None:
        at = start.end()
        for end, path in _candidates(prompt, start.start()):
            if _is_file(path):
                quote = prompt[start.start() - 1 : start.start()]
                quoted = quote in ("'", '"') and prompt[end : end + 1] == quote
                yield start.start() - quoted, end + quoted, path
                at = end
                break


def _candidates(prompt: str, start: int) -> Iterator[tuple[int, Path]]:
    """The paths that may begin here, the shortest first: spaces may be a part of one."""
    line = prompt.find("\n", start)
    ends = _END.finditer(prompt, start, line if line >= 0 else len(prompt))
    for end, _ in zip(ends, range(MOST_ENDS), strict=False):
        written = prompt[start : end.end()]
        yield end.end(), Path(_ESCAPED.sub(r"\1", written))
        if "\\" in written:
            yield end.end(), Path(written)


def _is_file(path: Path) -> bool:
    try:
        return path.expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        # Too long for a name, or of a user that nobody knows.
        return False


def _read(path: Path) -> str:
    try:
        data = path.expanduser().read_bytes()
        check(data)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from None
    except PunaError as error:
        raise BadRequest(f"{path}: {error}") from None
    return base64.b64encode(data).decode()
