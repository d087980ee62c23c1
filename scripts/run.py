"""Shows Puna at work: a server on a free port, one question, its streamed answer, and an end.

Usage: python scripts/run.py    the environment's PROMPT is asked instead of the usual question

The home is a throw-away one; nothing is left behind.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUESTION = "What is Puna?"
# The stand-in does not know when to stop.
MOST_TOKENS = 200


@contextmanager
def server() -> Iterator[str]:
    """A server of our own, by its address."""
    with tempfile.TemporaryDirectory(prefix="puna-home-") as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "puna", "serve", "--host", "127.0.0.1", "--port", "0"],
            env={**os.environ, "PUNA_HOME": home, "PUNA_LOG_LEVEL": "warning"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit("The server did not start.")
            yield found[0]
        finally:
            process.terminate()
            process.wait(timeout=30)


def ask(address: str, question: str) -> None:
    """Print the answer as it comes, and how fast it came."""
    body = {
        "model": "cria",
        "messages": [{"role": "user", "content": question}],
        "options": {"num_predict": MOST_TOKENS},
    }
    request = urllib.request.Request(f"{address}/api/chat", json.dumps(body).encode())
    print(f"> {question}\n")
    try:
        lines = urllib.request.urlopen(request, timeout=300)
    except urllib.error.HTTPError as error:
        raise SystemExit(json.load(error)["error"]) from None
    answer: dict[str, Any] = {}
    with lines:
        for line in lines:
            answer = json.loads(line)
            if "error" in answer:
                raise SystemExit(f"\n{answer['error']}")
            print(printable(answer["message"]["content"]), end="", flush=True)
    seconds = answer["eval_duration"] / 1e9
    rate = answer["eval_count"] / seconds if seconds else 0.0
    print(f"\n\n{answer['eval_count']} tokens, {rate:.1f} tokens per second")


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "·" for letter in text)


if __name__ == "__main__":
    with server() as address:
        ask(address, os.environ.get("PROMPT") or QUESTION)
