"""What a wish is made of: the model's anatomy, and how large all is that comes beside it."""

from pathlib import Path

from puna.errors import BadModelFile
from puna.hosts.anatomy import Anatomy, anatomy
from puna.hosts.estimate import NARROW, WIDE, Extras
from puna.hosts.host import Wish
from puna.models import gguf

# A bound on what is remembered: the answers of so many sets of files.
REMEMBERED = 256

_Stamp = tuple[tuple[str, int, int], ...]


class Contents:
    """Reads headers, and remembers them for as long as the files stay as they are."""

    def __init__(self) -> None:
        self._known: dict[_Stamp, tuple[Anatomy, Extras]] = {}

    def of(self, wish: Wish) -> tuple[Anatomy, Extras]:
        """The anatomy and what comes beside it; blocks while files are read."""
        stamp = stamp_of(wish)
        if stamp not in self._known:
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            header = gguf.read(*(Path(path) for path in wish.weights))
            self._known[stamp] = anatomy(header), _extras(wish)
        return self._known[stamp]


def stamp_of(wish: Wish) -> _Stamp:
    """Tells one state of a wish's files from any other."""
    paths = (*wish.weights, wish.projector, *(adapter.path for adapter in wish.adapters))
    return tuple(_stamp_of(path) for path in paths if path)


def _stamp_of(path: str) -> tuple[str, int, int]:
    try:
        fact = Path(path).stat()
    except OSError as error:
        raise BadModelFile(f"{path} cannot be read: {error.strerror}.") from error
    return path, fact.st_size, fact.st_mtime_ns


def _extras(wish: Wish) -> Extras:
    adapters = sum(Path(adapter.path).stat().st_size for adapter in wish.adapters)
    if not wish.projector:
        return Extras(adapters)
    header = gguf.read(Path(wish.projector))
    return Extras(adapters, header.tensor_bytes, _seeing(header))


def _seeing(header: gguf.Header) -> int:
    """What a projector needs to encode an image of the size that it was made for."""

    def number(key: str) -> int:
        found = header.metadata.get(f"clip.vision.{key}")
        return found if isinstance(found, int) else 0

    patches = (number("image_size") // max(1, number("patch_size"))) ** 2
    width, forward = number("embedding_length"), number("feed_forward_length")
    attention = patches * number("attention.head_count")
    return 4 * patches * (NARROW * width + max(WIDE * forward, attention))
