"""How benchmarks read answers: each line has the time at which its end came."""

import asyncio
import random
from itertools import pairwise

import pytest
from benchmarks import asking, findings

BODY = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (b'{"a":1}\n', b'{"b"', b":2}\n\n"))
WHOLE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY + b"0\r\n\r\n"


def cut(whole: bytes, *places: int) -> list[tuple[float, bytes]]:
    """The answer as it comes in pieces, one at each second."""
    marks = [0, *sorted(places), len(whole)]
    pieces = [whole[begin:end] for begin, end in pairwise(marks)]
    return [(float(second), piece) for second, piece in enumerate(pieces)]


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_the_same_however_an_answer_is_cut(seed: int) -> None:
    places = random.Random(seed).sample(range(len(WHOLE)), 6)
    told = [*asking.lines(cut(WHOLE, *places))]
    assert [line for _, line in told] == [b'{"a":1}', b'{"b":2}']


def test_a_line_came_when_its_last_byte_did() -> None:
    end = WHOLE.index(b":2}")
    assert [at for at, _ in asking.lines(cut(WHOLE, end))] == [0.0, 1.0]


def test_of_an_answer_that_was_cut_off_the_whole_lines_count() -> None:
    assert [line for _, line in asking.lines(cut(WHOLE[: WHOLE.index(b":2}")]))] == [b'{"a":1}']


def test_a_refusal_is_an_error_with_its_words() -> None:
    for whole in (b'HTTP/1.1 503 No\r\n\r\n{"error":"full"}', b""):
        with pytest.raises(RuntimeError, match=r"full|no answer"):
            list(asking.lines([(0.0, whole)]))


async def test_a_server_is_asked_and_heard_to_its_end() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        for byte in range(len(WHOLE)):
            writer.write(WHOLE[byte : byte + 1])
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        asked = await asking.ask(f"127.0.0.1:{port}", "/api/chat", b"{}")
        await asked.end()
    assert heard[0].startswith(b"POST /api/chat HTTP/1.1\r\n")
    assert len([*asking.lines(asked.arrived)]) == 2
    assert asked.began <= asked.arrived[0][0]


def test_one_round_is_a_finding_too() -> None:
    found = findings.median("what", [1.5])
    assert (found.value, found.least, found.most) == (1.5, 1.5, 1.5)
