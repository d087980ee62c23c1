"""Digests: `sha256:` and 64 hex digits, the names of blobs."""

import hashlib
import re

from puna.errors import BadRequest

_DIGEST = re.compile(r"sha256[:\-]([0-9a-fA-F]{64})")


def parse_digest(text: str) -> str:
    """The digest that a text is, in its one form, or an error that says that it is none."""
    found = _DIGEST.fullmatch(text)
    if found is None:
        raise BadRequest(
            f"{text[:100]!r} is not a digest.", "A digest is sha256: with 64 hex digits."
        )
    return f"sha256:{found[1].lower()}"


def is_digest(text: str) -> bool:
    """Whether a text is a digest."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
