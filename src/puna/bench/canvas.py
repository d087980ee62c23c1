"""What a plot is drawn on: an SVG, which is text, or a PNG, for which Pillow is needed."""

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Literal, Protocol
from xml.sax.saxutils import escape

from puna.errors import BadSetting

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
_DASH = 6.0
_PILLOWS: dict[Anchor, str] = {"start": "ls", "middle": "ms", "end": "rs"}


class Canvas(Protocol):
    """A white sheet; lengths are in pixels from its upper left corner."""

    def line(self, points: Sequence[Point], colour: str, width: float, dashed: bool) -> None:
        """A line through all points."""
        ...

    def dot(self, at: Point, colour: str) -> None:
        """A point."""
        ...

    def text(self, at: Point, text: str, size: int, anchor: Anchor, colour: str) -> None:
        """A text on a line at whose height `at` is."""
        ...

    def save(self, path: Path) -> None:
        """Write the file."""
        ...


class Svg:
    """A canvas of text."""

    def __init__(self, width: int, height: int) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
        ]

    def line(self, points: Sequence[Point], colour: str, width: float, dashed: bool) -> None:
        """A line through all points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = f' stroke-dasharray="{_DASH:g}"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}"'
            f' stroke-width="{width:g}"{dash}/>'
        )

    def dot(self, at: Point, colour: str) -> None:
        """A point."""
        self._parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="3.5" fill="{colour}"/>')

    def text(self, at: Point, text: str, size: int, anchor: Anchor, colour: str) -> None:
        """A text on a line at whose height `at` is."""
        self._parts.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size}" text-anchor="{anchor}"'
            f' fill="{colour}">{escape(text)}</text>'
        )

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text("\n".join([*self._parts, "</svg>", ""]), encoding="utf-8")


class Png:
    """A canvas of pixels, drawn larger and made smaller, so that lines are smooth."""

    SCALE = 3

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self._size = width, height
        self._image = Image.new("RGB", (width * self.SCALE, height * self.SCALE), "white")
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point], colour: str, width: float, dashed: bool) -> None:
        """A line through all points."""
        thick = round(width * self.SCALE)
        for piece in _dashes(points) if dashed else [points]:
            scaled = [(x * self.SCALE, y * self.SCALE) for x, y in piece]
            self._draw.line(scaled, fill=colour, width=thick, joint="curve")

    def dot(self, at: Point, colour: str) -> None:
        """A point."""
        centre = (at[0] * self.SCALE, at[1] * self.SCALE)
        self._draw.circle(centre, 3.5 * self.SCALE, fill=colour)

    def text(self, at: Point, text: str, size: int, anchor: Anchor, colour: str) -> None:
        """A text on a line at whose height `at` is."""
        from PIL import ImageFont

        font = ImageFont.load_default(size * self.SCALE)
        place = (at[0] * self.SCALE, at[1] * self.SCALE)
        self._draw.text(place, text, fill=colour, font=font, anchor=_PILLOWS[anchor])

    def save(self, path: Path) -> None:
        """Write the file."""
        from PIL import Image

        self._image.resize(self._size, Image.Resampling.LANCZOS).save(path, "PNG")


def check(path: Path) -> None:
    """Refuse a file that cannot be drawn, before anything is measured for it."""
    match path.suffix.lower():
        case ".svg":
            pass
        case ".png":
            _check_pillow()
        case _:
            raise BadSetting(f"{path} cannot be drawn: its name must end in .svg or .png.")
    if not path.parent.is_dir():
        raise BadSetting(f"{path} cannot be drawn: there is no folder {path.parent}.")


def canvas(path: Path, width: int, height: int) -> Canvas:
    """The canvas for a file."""
    return Png(width, height) if path.suffix.lower() == ".png" else Svg(width, height)


def _check_pillow() -> None:
    if find_spec("PIL") is None:
        raise BadSetting(
            "A .png is drawn by Pillow, which is not there.",
            'pip install "puna[plot]" brings it; a .svg needs nothing.',
        )


def _dashes(points: Sequence[Point]) -> list[list[Point]]:
    """Every other piece of a line; each stretch begins anew."""
    pieces = list[list[Point]]()
    for (x0, y0), (x1, y1) in pairwise(points):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        at = 0.0
        while at < length:
            ends = at / length, min(at + _DASH, length) / length
            pieces.append([(x0 + (x1 - x0) * end, y0 + (y1 - y0) * end) for end in ends])
            at += 2 * _DASH
    return pieces
