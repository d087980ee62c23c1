"""Servers to measure: Puna and its peer over the same library, started, asked and stopped."""

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from asking import Asked, ask, lines

from puna.models import gguf
from puna.models.builtin_model import FILE
from puna.models.gguf.arrays import Array

Result = TypeVar("Result")
WORDS = 8
# What a conversation may have, and how each server draws: all alike, and to the very end.
CONTEXT = 2560
DRAWN = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.0, "ignore_eos": True}


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
    read: Callable[[Told, float, bytes], None]

    async def ask(self, text: str, most: int) -> Asked:
        """Ask for an answer of exactly so many tokens, which is not awaited."""
        return await ask(self.address, self.path, json.dumps(self.body(text, most)).encode())

    def told(self, asked: Asked) -> Told:
        """What has come of an answer by now."""
        told = Told(asked.began)
        for at, line in lines(asked.arrived):
            self.read(told, at, line)
        return told

    def called(self, name: str) -> "Server":
        """The same by another name."""
        return replace(self, name=name)

    def awake(self, asked: Coroutine[Any, Any, Result]) -> Result:
        """What is asked of it, which computes only meanwhile."""
        self.go_on()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(asked)
        finally:
            self.pause()

    def pause(self) -> None:
        """Take no processor time until `go_on`."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on after `pause`."""
        os.killpg(self.process.pid, signal.SIGCONT)


@cache
def words() -> list[str]:
    """What the built-in vocabulary has as words of one token: lengths of prompts can be chosen."""
    tokens = gguf.read(FILE).metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, Array)
    found = [str(token).removeprefix("Ġ") for token in tokens if str(token).startswith("Ġ")]
    return [word for word in found if len(word) > 3 and word.isalpha() and word.islower()][:WORDS]


def prompt(seed: str, length: int) -> str:
    """A text of so many tokens that no other prompt begins like."""
    return " ".join(random.Random(seed).choices(words(), k=length))


def placement(server: Server) -> dict[str, Any]:
    """How Puna's runner lies: its context, for how many, and whether they share it."""
    import urllib.request

    server.go_on()
    try:
        with urllib.request.urlopen(f"http://{server.address}/puna/v1/runners", timeout=30) as told:
            (one,) = json.load(told)["runners"]
    finally:
        server.pause()
    return {name: one[name] for name in ("context", "sequences", "pooled")}


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
    options = {**DRAWN, "num_predict": most, "num_ctx": CONTEXT}
    return {"model": "measured", "messages": messages, "options": options}


def _read_ollama(told: Told, at: float, line: bytes) -> None:
    said = json.loads(line)
    if "error" in said:
        raise RuntimeError(said["error"])
    if said["done"]:
        told.prompt_tokens = said["prompt_eval_count"]
        told.output_tokens = said["eval_count"]
    else:
        told.pieces.append(at)


def _openai_body(text: str, most: int) -> dict[str, Any]:
    return {
        **DRAWN,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": most,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _read_openai(told: Told, at: float, line: bytes) -> None:
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
            told.pieces.append(at)
