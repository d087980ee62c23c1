"""The id of the request that is being answered: its job has it, and its answer tells it.

The server makes it where a request comes in; a dialect takes it for the job.
"""

from contextvars import ContextVar
from uuid import uuid4

_current: ContextVar[str] = ContextVar("request_id", default="")


def begin_request() -> str:
    """A new id, which is the current one from here on."""
    id = uuid4().hex
    _current.set(id)
    return id


def request_id() -> str:
    """The current request's id; where there is none, as in a test of a dialect, a new one."""
    return _current.get() or uuid4().hex
