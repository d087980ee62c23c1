"""Servers to measure: Puna and its peer over the same library, started, asked and stopped."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

# What the built-in vocabulary has as words of one token, so that a prompt's length can be chosen.
WORDS = ("the", "you", "ing", "and", "to", "of", "is", "it")


@dataclass(slots=True)
class Told:
    """One answer: when its pieces came, and the counts that the server reported."""

    began: float
    pieces: list[float] = field(default_factory=list[float])
    prompt_tokens: int = 0
    output_tokens: int = 0

    @property
    def first(self) -> float:
        """The seconds until the first piece."""
        return self.first_piece - self.began

    @property
    def first_piece(self) -> float:
        """When the first piece came."""
        return self.pieces[0]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: where, and how it is spoken to."""

    name: str
    address: str
    process: subprocess.Popen[Any]
    body: Callable[[str, int], dict[str, Any]]
    path: str
    read: Callable[[Told, bytes], None]

    async def ask(
        self, session: aiohttp.ClientSession, text: str, most: int, told: Told | None = None
    ) -> Told:
        """One streamed answer of at most so many tokens; `told` grows with it."""
        told = told or Told(0.0)
        told.began = time.perf_counter()
        async for line in self._lines(session, text, most):
            self.read(told, line)
        if not told.pieces:
            raise RuntimeError(f"{self.name} said nothing.")
        return told

    async def _lines(
        self, session: aiohttp.ClientSession, text: str, most: int
    ) -> AsyncGenerator[bytes]:
        url = f"http://{self.address}{self.path}"
        async with session.post(url, json=self.body(text, most)) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{self.name}: {answer.status} {await answer.text()}")
            async for line in answer.content:
                if line.strip():
                    yield line

    def pause(self) -> None:
        """Take no processor time until `go_on`."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on after `pause`."""
        os.killpg(self.process.pid, signal.SIGCONT)


def prompt(seed: int, words: int) -> str:
    """A text that no other prompt begins like."""
    random = np.random.default_rng(seed)
    return " ".join(f"{WORDS[one]}" for one in random.integers(0, len(WORDS), words))


@contextmanager
def puna(
    weights: Path, library: Path | None, sequences: int | None, **more: str
) -> Iterator[Server]:
    """Puna with a store in which the model is `measured`."""
    with tempfile.TemporaryDirectory(prefix="puna-home-", dir=weights.parent) as home:
        lay_out(Path(home) / "models", weights)
        environment = {**os.environ, "PUNA_HOME": home, "PUNA_MODELS": f"{home}/models", **more}
        if library is not None:
            environment["PUNA_ENGINE"] = str(library)
        if sequences is not None:
            environment["PUNA_SEQUENCES"] = str(sequences)
        process = subprocess.Popen(
            [sys.executable, "-m", "puna", "serve", "--host", "127.0.0.1", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        with ended(process):
            assert process.stdout is not None
            found = re.search(r"http://(\S+)", process.stdout.readline())
            assert found is not None
            yield Server("puna", found[1], process, _ollama_body, "/api/chat", _read_ollama)


def lay_out(store: Path, weights: Path) -> None:
    """A store as Ollama lays it out, with one model; the weights are linked, not copied."""
    digest = f"sha256:{_digest(weights)}"
    config = json.dumps({"model_format": "gguf"}).encode()
    layers = [_layer("application/vnd.ollama.image.model", digest, weights.stat().st_size)]
    config_digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": _layer(
            "application/vnd.docker.container.image.v1+json", config_digest, len(config)
        ),
        "layers": layers,
    }
    blobs = store / "blobs"
    named = store / "manifests/registry.ollama.ai/library/measured"
    blobs.mkdir(parents=True)
    named.mkdir(parents=True)
    os.link(weights, blobs / digest.replace(":", "-"))
    (blobs / config_digest.replace(":", "-")).write_bytes(config)
    (named / "latest").write_text(json.dumps(manifest))


def _layer(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def _digest(weights: Path) -> str:
    """The file's SHA-256, remembered beside it, since it takes seconds."""
    beside = weights.with_suffix(".sha256")
    if not beside.exists() or beside.stat().st_mtime < weights.stat().st_mtime:
        with weights.open("rb") as file:
            beside.write_text(hashlib.file_digest(file, "sha256").hexdigest())
    return beside.read_text()


@contextmanager
def peer(name: str, weights: Path, program: Path, *options: str) -> Iterator[Server]:
    """llama.cpp's own server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "-m", weights, "--port", str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with ended(process):
        address = f"127.0.0.1:{port}"
        _wait(address, process)
        yield Server(name, address, process, _openai_body, "/v1/chat/completions", _read_openai)


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End a process, whatever happens."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(address: str, process: subprocess.Popen[Any]) -> None:
    import urllib.error
    import urllib.request

    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("The peer ended before it was ready.")


def _ollama_body(text: str, most: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    options = {"num_predict": most, "temperature": 0.8, "num_ctx": 2560}
    return {"model": "measured", "messages": messages, "options": options}


def _read_ollama(told: Told, line: bytes) -> None:
    said = json.loads(line)
    if "error" in said:
        raise RuntimeError(said["error"])
    if said["done"]:
        told.prompt_tokens = said["prompt_eval_count"]
        told.output_tokens = said["eval_count"]
    else:
        told.pieces.append(time.perf_counter())


def _openai_body(text: str, most: int) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": most,
        "temperature": 0.8,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _read_openai(told: Told, line: bytes) -> None:
    data = line.removeprefix(b"data: ").strip()
    if data == b"[DONE]":
        return
    said = json.loads(data)
    if "error" in said:
        raise RuntimeError(str(said["error"]))
    if usage := said.get("usage"):
        told.prompt_tokens = usage["prompt_tokens"]
        told.output_tokens = usage["completion_tokens"]
    for choice in said.get("choices", ()):
        delta = choice["delta"]
        if delta.get("content") or delta.get("reasoning_content"):
            told.pieces.append(time.perf_counter())
