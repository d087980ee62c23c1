"""What is known of a model's markup, as data: literals, and the slots between them.

Literals are exact, as the template writes them, so that a grammar can force them; the parser is
lenient about whitespace between their words. In a literal, `GAP` stands for a short text that
differs from call to call, such as an id or a number.
"""

from typing import Literal

import msgspec

GAP = "\0"

# What a prompt has opened for the model: nothing, its thinking, what follows that, or the answer.
Begun = Literal["", "thinking", "thought", "answer"]


class Tags(msgspec.Struct, frozen=True):
    """What opens and closes a stretch of the answer."""

    open: str
    close: str


class ObjectCall(msgspec.Struct, frozen=True, tag="object"):
    """A call is one JSON object that holds the name and the arguments under these keys."""

    name_key: str = "name"
    arguments_key: str = "arguments"


class JsonArguments(msgspec.Struct, frozen=True, tag="json"):
    """The arguments are a JSON object."""


class Parameters(msgspec.Struct, frozen=True, tag="parameters"):
    """Each argument is written by itself, between literals, and strings without quotes.

    Where the template says in a gap of `key_close` whether a value is a string, it says
    `string_hint` for those that are. `cdata`: strings may be wrapped as `<![CDATA[…]]>`.
    """

    key_open: str
    key_close: str
    value_close: str
    string_hint: str = ""
    cdata: bool = False


class Elements(msgspec.Struct, frozen=True, tag="elements"):
    """The arguments are elements named by their keys, inner ones too, and a list's `item`s.

    `open`, a name and `assign` stand before a value, `leave`, the name and `close` behind it.
    """

    open: str
    assign: str
    leave: str
    close: str
    item: str = "item"


class Assignments(msgspec.Struct, frozen=True, tag="assignments"):
    """The arguments are assignments, as in a Python call: `(key=value, …)`."""

    open: str = "("
    assign: str = "="
    close: str = ")"
    quote: str = "'"
    comma: str = ", "


Arguments = JsonArguments | Parameters | Elements | Assignments


class NamedCall(msgspec.Struct, frozen=True, tag="named"):
    """A call is its name, a literal, and its arguments."""

    name_close: str
    arguments: Arguments


class Calls(msgspec.Struct, frozen=True):
    """How tool calls are written: `open` call (`between` call)* `close`.

    Where `between` is empty, every call has an `open` and a `close` of its own. Where `open` is
    empty, a call is known by its form alone, and stands at the beginning of an answer. `said` is a
    message of text that may come before the calls; a call that ends the answer is `single`.
    """

    open: str
    between: str
    close: str
    call: ObjectCall | NamedCall
    said: Tags | None = None
    single: bool = False


class Markup(msgspec.Struct, frozen=True):
    """How one model marks what is not plain text.

    `tools` and `thinking` say what the template supports. `calls` and `think` say how it is
    written, `text` what stands around plain text, `ending` what ends a turn, and `lead` is the
    beginning of those literals that the prompt itself has written. `named` is the format of the
    short list of those that no template shows, `learnt` whether the template itself has shown how
    calls are written.
    """

    tools: bool = False
    thinking: bool = False
    think: Tags | None = None
    text: Tags | None = None
    calls: Calls | None = None
    ending: str = ""
    lead: str = ""
    named: Literal["", "harmony"] = ""
    learnt: bool = False

    def begun(self, prompt: str) -> Begun:
        """How far a prompt has gone into the answer."""
        ending = prompt.rstrip()
        if self.think is not None and ending.endswith(self.think.open):
            return "thinking"
        if self.text is not None and ending.endswith(self.text.open):
            return "answer"
        if self.think is not None and ending.endswith(self.think.close):
            return "thought"
        return ""
