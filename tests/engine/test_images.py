"""What may be decoded as an image, and what is refused before anything decodes it."""

import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import stand_in_parts
from stand_in_parts import png, png_chunk

from puna.engine import images
from puna.errors import BadRequest

JPEG = Path("tools/mtmd/test-1.jpeg")
# A GIF of one white pixel.
GIF = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")


def png_of(header: bytes, pixels: bytes) -> bytes:
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return png(1, 1)[:8] + b"".join(png_chunk(kind, data) for kind, data in chunks)


def header(width: int, height: int, rest: bytes = b"\x08\x02\0\0\0") -> bytes:
    return width.to_bytes(4, "big") + height.to_bytes(4, "big") + rest


def test_png_jpeg_and_gif_tell_their_size(llama_source: Path) -> None:
    assert images.check(png(31, 17)) == images.Size(31, 17)
    assert images.check(GIF) == images.Size(1, 1)
    size = images.check((llama_source / JPEG).read_bytes())
    assert min(size.width, size.height) > 100


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no known kind"),
        (b"hello", "no known kind"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "is WebP, which is not taken"),
        (b"\0\0\0\x18ftypisom", "no known kind"),
        (b"\0\0\0\x18ftypavif" + bytes(8), "is AVIF, which is not taken"),
        (b"II*\0" + bytes(8), "is TIFF, which is not taken"),
        (b"ID3\x03" + bytes(100), "no known kind"),
        (b"BM" + bytes(100), "is BMP, which is not taken"),
        (png(9, 9)[:20], "broken"),
        (png(9, 9)[:60], "broken"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(30), "broken"),
        (b"\xff\xd8\xff\xc9\0\x0b\x08\0\x08\0\x08" + bytes(30), "rare kind"),
        (b"GIF89a\x01", "broken"),
        (png_of(header(60_000, 60_000), b""), "60000 x 60000 pixels"),
        (png_of(header(10_000, 2), b""), "too narrow"),
        (png_of(header(0, 5), b""), "broken"),
        (png_of(header(5, 5, b"\xff\x02\0\0\0"), b""), "broken"),
        (png_of(header(5, 5), b"no stream"), "broken"),
        (png_of(header(8, 8), zlib.compress(bytes(1 << 24))), "unpacks into more"),
    ],
)
def test_what_is_no_sound_image_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        images.check(data)


def test_a_jpeg_that_is_nothing_but_scans_is_refused() -> None:
    frame = b"\xff\xd8\xff\xc2\0\x0b\x08\x10\0\x10\0\x01\x01\x11\0"
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\0"
    assert images.check(frame + scan * 10 + b"\xff\xd9").width == 4096
    with pytest.raises(BadRequest, match="scans"):
        images.check(frame + scan * 100 + b"\xff\xd9")


FUZZ = """
import random, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.engine.vision import Projector
from puna.errors import BadRequest
from puna.protocol import Placement
model = Model(open_library(), (sys.argv[1],), Placement())
projector = Projector(model, sys.argv[2], Placement(threads=1))
refused = 0
for file in sorted(Path(sys.argv[3]).iterdir()):
    try:
        for piece in projector.read(file.read_bytes()):
            projector.vectors(piece)
    except BadRequest:
        refused += 1
print(refused)
"""


def test_damaged_images_never_end_the_process(
    shape: Callable[[str], Path], llama_source: Path, tmp_path: Path
) -> None:
    dice = random.Random(5)
    sources = [png(30, 20), GIF, (llama_source / JPEG).read_bytes(), interlaced()]
    for number in range(240):
        damaged = bytearray(sources[number % len(sources)])
        for _ in range(dice.choice((1, 3, 10))):
            # The headers are where the decisions are made.
            at = dice.randrange(min(len(damaged), dice.choice((60, 700, len(damaged)))))
            damaged[at] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
        if dice.random() < 0.2:
            del damaged[dice.randrange(8, len(damaged)) :]
        (tmp_path / f"{number:03}").write_bytes(damaged)
    model = shape("llama")
    projector = stand_in_parts.write_projector(model.with_suffix(".fuzz.gguf"))
    command = [sys.executable, "-c", FUZZ, str(model), str(projector), str(tmp_path), *sys.path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 20 < int(done.stdout.split()[-1]) < 240


def interlaced() -> bytes:
    """A PNG of 16 x 16 pixels in seven passes, each row of them without a filter."""
    steps = ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))
    begins = ((0, 0), (4, 0), (0, 4), (2, 0), (0, 2), (1, 0), (0, 1))
    rows = b""
    for (across, down), (left, top) in zip(steps, begins, strict=True):
        width, height = -(-(16 - left) // across), -(-(16 - top) // down)
        rows += (b"\0" + bytes(3 * width)) * height
    return png_of(header(16, 16, b"\x08\x02\0\0\x01"), zlib.compress(rows))


def test_an_interlaced_png_fits_the_room_that_it_is_given() -> None:
    assert images.check(interlaced()) == images.Size(16, 16)
