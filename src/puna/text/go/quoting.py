"""Text in Go's quotes: %q."""

from puna.text.go.strings import Strings

_SIMPLE = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def quoted(text: str, strings: Strings, *, quote: str = '"', flags: str = "") -> str:
    """The text in quotes; with the flag `+` in ASCII, with `#` in back quotes where they can."""
    if "#" in flags and quote == '"' and _fits_back_quotes(text):
        return f"`{text}`"
    return quote + "".join(_char(char, strings, quote, "+" in flags) for char in text) + quote


def _fits_back_quotes(text: str) -> bool:
    return not any(char in "`\x7f\ufeff" or (char < " " and char != "\t") for char in text)


def _char(char: str, strings: Strings, quote: str, ascii_only: bool) -> str:
    code = ord(char)
    if char == quote:
        return f"\\{char}"
    if char in _SIMPLE:
        return _SIMPLE[char]
    if char in strings.stand_ins:
        return char
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable() and (code < 0x80 or not ascii_only):
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
