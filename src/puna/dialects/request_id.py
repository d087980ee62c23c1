"""The id of the request that is being answered: its job has it, and its answer tells it.

The server makes it where a request comes in, unless the client has chosen one, which lets it ask
how the job stands before there is any answer. A dialect takes it for the job.
"""

import re
from contextvars import ContextVar
from uuid import uuid4

# What a client may choose: no shorter, so that it is nobody else's, and nothing to be escaped.
_CHOSEN = re.compile("[0-9a-f]{32}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def begin_request(chosen: str = "") -> str:
    """The id that the client has chosen, or else a new one; it is the current one from here on."""
    id = chosen if _CHOSEN.fullmatch(chosen) else uuid4().hex
    _current.set(id)
    return id


def request_id() -> str:
    """The current request's id; where there is none, as in a test of a dialect, a new one."""
    return _current.get() or uuid4().hex
