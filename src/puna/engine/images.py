"""What an image's bytes say of themselves, checked before anything decodes them.

The engine's decoder takes what it is given: it would start a video player for bytes that it does
not know, and fill the memory for a few that lie about their size. So the kind, the size and what
a small file may blow up into are all looked at here first.
"""

import zlib
from dataclasses import dataclass

from puna.errors import BadRequest

MAX_BYTES = 64 << 20
MAX_PIXELS = 1 << 25
# Beyond it, resizing to what a model sees leaves a side without pixels.
MAX_RATIO = 200
# A progressive JPEG's scan costs a pass over all of its pixels; real ones have about ten.
MAX_SCANS = 64

# Kinds that people send and the engine's decoder does not know, or not well enough to be checked:
# how each begins, but for WebP and AVIF, which a length comes before.
_OTHERS = {b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_OTHERS_AT_8 = {b"WEBP": "WebP", b"avif": "AVIF", b"heic": "HEIC", b"heix": "HEIC"}

_PNG = b"\x89PNG\r\n\x1a\n"
# Samples in a pixel, by a PNG's colour type.
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_BITS = frozenset((1, 2, 4, 8, 16))
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
_JPEG_OTHER_FRAMES = frozenset((0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))


@dataclass(frozen=True, slots=True)
class Size:
    """An image's width and height in pixels."""

    width: int
    height: int


def check(data: bytes) -> Size:
    """The size of an image that is safe to decode; anything else is refused."""
    if len(data) > MAX_BYTES:
        raise BadRequest(f"An image has {len(data)} bytes, at most {MAX_BYTES} are taken.")
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif(data)
    kind = _OTHERS_AT_8.get(data[8:12]) or _OTHERS.get(data[:4]) or _OTHERS.get(data[:2])
    what = f"{kind}, which is not taken" if kind else "of no known kind"
    raise BadRequest(f"An image is {what}.", "Send it as PNG, JPEG or GIF.")


def _size(width: int, height: int) -> Size:
    if not width or not height:
        raise _broken()
    if width * height > MAX_PIXELS:
        raise BadRequest(
            f"An image has {width} x {height} pixels, at most {MAX_PIXELS} are taken.",
            "Scale it down: a model sees far fewer.",
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise BadRequest(
            f"An image of {width} x {height} pixels is too narrow.",
            f"One side may be {MAX_RATIO} times as long as the other.",
        )
    return Size(width, height)


def _broken() -> BadRequest:
    return BadRequest("An image is broken or cut off.")


def _png(data: bytes) -> Size:
    at, size, room = len(_PNG), None, 0
    pixels: list[bytes] = []
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if len(body) < length or (size is None) != (kind == b"IHDR"):
            raise _broken()
        if kind == b"IHDR":
            size, room = _png_header(body)
        elif kind == b"IDAT":
            pixels.append(body)
        at += 12 + length
    if size is None:
        raise _broken()
    _check_unpacked(b"".join(pixels), room)
    return size


def _png_header(body: bytes) -> tuple[Size, int]:
    """A PNG's size, and how many bytes its pixels may take."""
    if len(body) != 13 or body[8] not in _PNG_BITS or body[9] not in _PNG_SAMPLES:
        raise _broken()
    size = _size(int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"))
    row = (size.width * _PNG_SAMPLES[body[9]] * body[8] + 7) // 8
    # Interlaced, the pixels lie in seven images, each with rows of its own.
    passes = 2 if body[12] else 1
    return size, size.height * (row + 1) * passes + 1024


def _check_unpacked(data: bytes, room: int) -> None:
    """Refuse a stream that becomes more bytes than there is room for."""
    inflate = zlib.decompressobj()
    try:
        while data and not inflate.eof:
            room -= len(inflate.decompress(data, min(1 << 20, room + 1)))
            if room < 0:
                raise BadRequest("An image unpacks into more than its size says.")
            data = inflate.unconsumed_tail
    except zlib.error:
        raise _broken() from None


def _jpeg(data: bytes) -> Size:
    at, size, scans = 2, None, 0
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        if marker in _JPEG_OTHER_FRAMES:
            raise BadRequest("An image is a JPEG of a rare kind.", "Save it as a plain one.")
        if marker in _JPEG_FRAMES:
            if size is not None or at + 9 > len(data):
                raise _broken()
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            size = _size(int.from_bytes(width, "big"), int.from_bytes(height, "big"))
        scans += marker == 0xDA
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if size is None or not scans:
        raise _broken()
    if scans > MAX_SCANS:
        raise BadRequest(f"An image has {scans} scans, at most {MAX_SCANS} are taken.")
    return size


def _gif(data: bytes) -> Size:
    if len(data) < 14:
        raise _broken()
    return _size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
