"""The process that translates constraints and tries them out, under limits.

A schema, regex or grammar comes from people: it may take minutes or gigabytes to compile, or nest
so deeply that the library's stack ends, and the process with it. So it is compiled here first;
what came through, the runner compiles for itself. Started by `constraints.py` with a socket as
its standard input. It imports llguidance and the standard library only, so that it starts fast.
"""

import json
import math
import re
import resource
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any, cast

LENGTH_BYTES = 4
# Runners compile with twice this stack, so that what got through here gets through there.
STACK_BYTES = 128 << 20
# Whitespace of a JSON text: as people write it, but never without end.
_WHITESPACE = r"( |\n[ \t]{0,40})"
_GBNF_PIECE = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*|[A-Za-z_][\w-]*')
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)


def translated(kind: str, value: str) -> str:
    """A constraint in llguidance's own notation; raises ValueError if it makes no sense."""
    match kind:
        case "json":
            return _json_schema({"type": "object"})
        case "json_schema":
            return _json_schema(json.loads(value))
        case "regex":
            return _regex(value)
        case "choice":
            return _choice(json.loads(value))
        case "gbnf":
            return _lark(_from_gbnf(value))
        case "lark":
            return _lark(value)
        case _:
            raise ValueError(f"there is no constraint of kind {kind}")


def within(grammar: str, around: str) -> str:
    """A grammar as `@answer` in another one, written in Lark."""
    answer = {**json.loads(grammar)["grammars"][0], "name": "answer"}
    return json.dumps({"grammars": [{"lark_grammar": around}, answer]})


def _json_schema(schema: Any) -> str:
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise ValueError("a JSON schema must be an object")
    # Of several alternatives one is written; whether no other would match cannot be ensured.
    options = {"coerce_one_of": True, "whitespace_pattern": _WHITESPACE}
    whole = {**cast("dict[str, Any]", schema), "x-guidance": options}
    return json.dumps({"grammars": [{"json_schema": whole}]})


def _regex(value: str) -> str:
    from llguidance import LLMatcher

    # An output is matched as a whole, so anchors say nothing new, and the library has none.
    value = value.removeprefix("^")
    if value.endswith("$") and not value.endswith("\\$"):
        value = value[:-1]
    return LLMatcher.grammar_from_regex(value)


def _choice(choices: Any) -> str:
    if not isinstance(choices, list) or not choices:
        raise ValueError("choices must be a list of texts")
    texts = cast("list[Any]", choices)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("choices must be texts")
    words = sorted({text for text in texts if text})
    # As one terminal the choices are a regex, which may be large; as rules they may not.
    lines = ["start: CHOICE" + ("?" if len(words) < len(set(texts)) else "")]
    lines.append("CHOICE: " + " | ".join(json.dumps(word, ensure_ascii=False) for word in words))
    return _lark("\n".join(lines) if words else 'start: ""')


def _lark(grammar: str) -> str:
    return json.dumps({"grammars": [{"lark_grammar": grammar}]})


def _from_gbnf(grammar: str) -> str:
    from llguidance.gbnf_to_lark import gbnf_to_lark

    names = {"root": "root"}

    def plain(match: re.Match[str]) -> str:
        """A piece of the grammar in the part of GBNF that the library's converter knows."""
        piece = match[0]
        if piece[0] in '"[':
            return _ESCAPED.sub(_unescaped, piece)
        # Names that differ in case or hyphens only, and `start`, would be one to the converter.
        return piece if piece[0] == "#" else names.setdefault(piece, f"rule{len(names)}")

    return gbnf_to_lark(_GBNF_PIECE.sub(plain, grammar))


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2]
    if digits is None:
        return match[0]
    point = int(digits, 16)
    return chr(point) if point >= 0x80 else f"\\x{point:02x}"


def answer(asked: dict[str, str]) -> dict[str, str]:
    """What came of one constraint: its translation, or what is wrong with it."""
    from llguidance import LLMatcher

    try:
        grammar = translated(asked["kind"], asked["value"])
        if asked["around"]:
            grammar = within(grammar, asked["around"])
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except MemoryError:
        return {"error": "it takes too much memory"}
    except Exception as error:  # noqa: BLE001 - a translator may raise anything over bad input
        return {"error": str(error)[:500]}
    error = LLMatcher.validate_grammar(grammar)
    return {"error": error[:500]} if error else {"grammar": grammar}


def limited(memory: int, seconds: float) -> None:
    """Take away what is not needed, and end by the kernel's hand after so much computing."""
    # The kernel counts whole seconds.
    until = math.ceil(time.process_time() + seconds) + 1
    wanted = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CPU: until,
    }
    for limit, most in wanted.items():
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Where a kernel has no such limit, the parent's clock remains.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, hard))


def exactly(line: socket.socket, size: int) -> bytes:
    """So many bytes from the other end."""
    data = bytearray()
    while len(data) < size:
        piece = line.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def receive(line: socket.socket) -> dict[str, Any]:
    """The next message."""
    return json.loads(exactly(line, int.from_bytes(exactly(line, LENGTH_BYTES), "big")))


def send(line: socket.socket, message: dict[str, Any]) -> None:
    """Give a message to the other end."""
    data = json.dumps(message).encode()
    line.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)


def serve(line: socket.socket) -> None:
    """Try out one constraint after another until the parent hangs up."""
    with suppress(EOFError, OSError):
        while True:
            asked = receive(line)
            limited(asked["memory"], asked["seconds"])
            started = time.process_time()
            reply = answer(asked)
            if time.process_time() - started > asked["seconds"]:
                reply = {"error": "it takes too long to compile; make it smaller"}
            send(line, reply)


def main() -> None:
    """Serve the parent at the other end of standard input, on a stack that is deep enough."""
    line = socket.socket(fileno=sys.stdin.fileno())
    threading.stack_size(STACK_BYTES)
    worker = threading.Thread(target=serve, args=(line,))
    worker.start()
    worker.join()
