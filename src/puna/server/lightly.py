"""Imports what is heavy without what of it Puna never uses, so that a server starts soon."""

import sys

# structlog loads all of rich where it finds it, to dress tracebacks; here they are written plainly.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # pyright: ignore[reportArgumentType]
import structlog as structlog  # noqa: E402

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich
