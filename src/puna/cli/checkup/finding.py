"""What an examination found."""

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One thing that was looked at: how it is, in words, and what to do about it."""

    topic: str
    state: State
    text: str
    mend: str = ""
