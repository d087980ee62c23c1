"""Keeps text that people wrote from becoming control tokens in a rendered prompt.

A control token's name is made of a sign (`<`, `[`, …) and letters. Before a template is rendered,
each such sign in people's text is exchanged for a stand-in from a private plane of Unicode that
the conversation does not use; after rendering, the prompt is cut at the control tokens that it
has, which are the template's own, and only then are the signs put back. Nothing that a template
does to text (trim, split, join, slice, replace, upper, tojson) can undo that.

A template may also put its own signs around people's words (`<` ~ name ~ `>`). A text that is
such a word, or starts like the end of one, gets a stand-in for its first letter.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import msgspec

from puna.errors import BadRequest
from puna.jobs import ChatJob, Message, TextPart, Tool, ToolCall
from puna.text.tokens import Specials

_PLANE = range(0xF0000, 0xFFFFE)
# A character of that plane as it stands, or as JSON writes it where a template asks for ASCII.
_PRIVATE = re.compile(r"[\U000f0000-\U000ffffd]|\\udb[89ab][0-9a-f]\\ud[c-f][0-9a-f]{2}", re.I)
# Templates look for these in what people wrote; they stay legible unless they are control tokens.
_LEGIBLE = ("<think>", "</think>", "<tool_response>", "</tool_response>")
_LETTER = re.compile(r"[^\W_]")
# The keys of a JSON schema under which keys are names that people chose.
_NAMING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DEEPEST = 100


class _Marks(msgspec.Struct, frozen=True):
    """By what the names of a vocabulary's protected tokens are known in people's text.

    `endings` are names from their first letter on, `words` from their first to their last.
    """

    signs: re.Pattern[str]
    endings: frozenset[str]
    words: frozenset[str]
    longest: int


class Guard:
    """Guards the texts of one conversation, and tokenises what a template makes of them."""

    def __init__(self, specials: Specials) -> None:
        self._specials = specials
        self._marks = _marks(specials.protected)
        self._taken: set[str] = set()
        self._plane = map(chr, _PLANE)
        self._stand_ins: dict[str, str] = {}

    def job(self, job: ChatJob) -> ChatJob:
        """The job with all its texts guarded, ready to be rendered."""
        # First all texts are seen, so that no stand-in is a character that one of them has.
        self._rewritten(job, self._see, self._see)
        return self._rewritten(job, self._guarded, self._signless)

    @property
    def stand_ins(self) -> dict[str, str]:
        """The characters that stand for others in guarded texts, with those."""
        return {known: char for char, known in self._stand_ins.items()}

    def text(self, text: str) -> str:
        """One text guarded, for a prompt that is not rendered from a conversation."""
        self._see(text)
        return self._guarded(text)

    def tokens(self, rendered: str) -> list[int]:
        """The tokens of a rendered prompt; with BOS in front, once, if the vocabulary wants it."""
        tokenizer, tokens = self._specials.tokenizer, self.continued(rendered)
        if tokenizer.adds_bos and tokenizer.bos is not None and tokens[:1] != [tokenizer.bos]:
            tokens.insert(0, tokenizer.bos)
        return tokens

    def continued(self, rendered: str) -> list[int]:
        """The tokens of a later part of a rendered prompt, as behind an image."""
        tokenizer, back = self._specials.tokenizer, self._back
        if back.keys().isdisjoint(match[0].lower() for match in _PRIVATE.finditer(rendered)):
            return tokenizer.tokenize(rendered, special=True)
        tokens: list[int] = []
        for fragment in self._specials.partition(rendered):
            if isinstance(fragment, int):
                tokens.append(fragment)
                continue
            tokens += self._specials.plain(self.meant(fragment))
        return tokens

    def meant(self, rendered: str) -> str:
        """A rendered text as people are to see it, with the signs that they wrote."""
        back = self._back
        return _PRIVATE.sub(lambda match: back.get(match[0].lower(), match[0]), rendered)

    @property
    def _back(self) -> dict[str, str]:
        """What stand-ins stand for, also as JSON writes them."""
        known = self.stand_ins
        return known | {_escaped(each): char for each, char in known.items()}

    def _see(self, text: str) -> str:
        for match in _PRIVATE.finditer(text):
            self._taken |= {match[0], match[0].lower()}
        return text

    def _stand_in(self, char: str) -> str:
        if char not in self._stand_ins:
            free = (new for new in self._plane if self._taken.isdisjoint({new, _escaped(new)}))
            try:
                self._stand_ins[char] = next(free)
            except StopIteration:
                raise BadRequest(
                    "The conversation uses every private character of Unicode's plane 15.",
                    "Leave some out.",
                ) from None
        return self._stand_ins[char]

    def _signless(self, text: str) -> str:
        """A text without signs that control tokens are known by."""
        return self._marks.signs.sub(
            lambda match: match[0] if len(match[0]) > 1 else self._stand_in(match[0]), text
        )

    def _guarded(self, text: str) -> str:
        """A text that no control token can come of, whatever a template puts around it."""
        signless = self._signless(text)
        first = _LETTER.search(text)
        if first is None:
            return signless
        at = first.start()
        rest = text[at : at + self._marks.longest + 1].lower()
        starts_like_an_ending = any(
            rest[:length] in self._marks.endings for length in range(1, len(rest) + 1)
        )
        if starts_like_an_ending or _word(rest) in self._marks.words:
            return signless[:at] + self._stand_in(text[at]) + signless[at + 1 :]
        return signless

    def _rewritten(
        self, job: ChatJob, text: Callable[[str], str], word: Callable[[str], str]
    ) -> ChatJob:
        return msgspec.structs.replace(
            job,
            messages=tuple(_message(message, text) for message in job.messages),
            tools=tuple(_tool(tool, text, word) for tool in job.tools),
            suffix=None if job.suffix is None else text(job.suffix),
            # These are choices that a template compares with its own words, and documents.
            template_values={
                key: _value(value, word) for key, value in job.template_values.items()
            },
        )


def _message(message: Message, text: Callable[[str], str]) -> Message:
    return msgspec.structs.replace(
        message,
        parts=tuple(
            TextPart(text(part.text)) if isinstance(part, TextPart) else part
            for part in message.parts
        ),
        thinking=text(message.thinking),
        tool_calls=tuple(
            ToolCall(text(call.name), _value(call.arguments, text), text(call.id))
            for call in message.tool_calls
        ),
        tool_name=text(message.tool_name),
        tool_call_id=text(message.tool_call_id),
    )


def _tool(tool: Tool, text: Callable[[str], str], word: Callable[[str], str]) -> Tool:
    return Tool(
        name=text(tool.name),
        description=text(tool.description),
        parameters=_schema(tool.parameters, text, word),
    )


def _value(value: Any, text: Callable[[str], str], depth: int = 0) -> Any:
    """A JSON value with all its strings rewritten, names too."""
    _bounded(depth)
    match value:
        case str():
            return text(value)
        case list() | tuple():
            return [_value(item, text, depth + 1) for item in cast("list[Any]", value)]
        case dict():
            return {
                text(key): _value(item, text, depth + 1)
                for key, item in cast("dict[str, Any]", value).items()
            }
        case _:
            return value


def _schema(
    value: Any, text: Callable[[str], str], word: Callable[[str], str], depth: int = 0
) -> Any:
    """A JSON schema with its strings rewritten, but for the words of the schema language."""
    _bounded(depth)
    if not isinstance(value, dict):
        if isinstance(value, list):
            return [_schema(item, text, word, depth + 1) for item in cast("list[Any]", value)]
        return text(value) if isinstance(value, str) else value
    rewritten: dict[str, Any] = {}
    for key, item in cast("dict[str, Any]", value).items():
        if key in _NAMING and isinstance(item, dict):
            named = cast("dict[str, Any]", item)
            rewritten[key] = {
                text(name): _schema(schema, text, word, depth + 1) for name, schema in named.items()
            }
        elif key == "type":
            rewritten[key] = _value(item, word, depth + 1)
        else:
            rewritten[word(key)] = _schema(item, text, word, depth + 1)
    return rewritten


def _bounded(depth: int) -> None:
    if depth > _DEEPEST:
        raise BadRequest(f"Values may be nested {_DEEPEST} deep, these are deeper.")


@lru_cache(maxsize=16)
def _marks(names: frozenset[str]) -> _Marks:
    signs: set[str] = set()
    endings: set[str] = set()
    words: set[str] = set()
    for name in names:
        sign = next((char for char in name if not char.isalnum()), name[:1])
        signs |= {sign, sign.lower(), sign.upper()}
        letter = _LETTER.search(name)
        if letter is not None and letter.start() > 0:
            ending = name[letter.start() :].lower()
            words.add(_word(ending))
            # Without a closing sign an ending is a word, and many texts start with a word.
            endings |= {ending} - {_word(ending)}
    legible = [re.escape(tag) for tag in _LEGIBLE if tag not in names]
    one_sign = [re.escape(sign) for sign in signs if len(sign) == 1]
    return _Marks(
        signs=re.compile("|".join([*legible, *one_sign]) or "(?!)"),
        endings=frozenset(endings),
        words=frozenset(words),
        longest=max((len(name) for name in names), default=0),
    )


def _word(text: str) -> str:
    """A text up to its last letter."""
    for at in range(len(text), 0, -1):
        if text[at - 1].isalnum():
            return text[:at]
    return ""


def _escaped(char: str) -> str:
    high, low = char.encode("utf-16-be")[:2].hex(), char.encode("utf-16-be")[2:].hex()
    return f"\\u{high}\\u{low}"
