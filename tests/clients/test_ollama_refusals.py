"""What Ollama's clients are refused, or warned of, by a live server."""

import base64
import struct
import zlib
from typing import Any

import httpx
import ollama
import pytest

from .asking import user


def png() -> bytes:
    """The smallest picture that is one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    size = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"options": {"temperature": "warm"}}, "temperature"),
        ({"options": {"top_p": 3}}, "top_p"),
        ({"messages": [user("Look", images=[base64.b64encode(png()).decode()])]}, "images"),
        ({"messages": [{"role": "llama", "content": ""}]}, "role"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(
    http: httpx.Client, asked: dict[str, Any], words: str
) -> None:
    answer = http.post("/api/chat", json={"model": "cria", "messages": [user("Hi")], **asked})
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_a_model_that_there_is_not_is_not_found(client: ollama.Client) -> None:
    for call in (client.chat, client.generate, client.embed, client.show, client.delete):
        with pytest.raises(ollama.ResponseError, match="guanaco") as refused:
            call("guanaco")
        assert refused.value.status_code == 404


def test_an_option_that_nobody_knows_is_warned_of(http: httpx.Client) -> None:
    # A word is enough: what is drawn by chance may go on for long.
    options = {"spice": 1, "num_predict": 1}
    asked = {"model": "cria", "messages": [user("Hi")], "options": options, "stream": False}
    assert "'spice'" in http.post("/api/chat", json=asked).json()["warnings"][0]
    vectors = http.post("/api/embed", json={"model": "cria", "input": "a", "options": {"x": 1}})
    assert "'x'" in vectors.json()["warnings"][0]
