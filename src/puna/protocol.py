"""The messages between a server and a runner, and how they are framed on the wire.

Each is a tagged msgpack map behind a four-byte length. One `Frame` carries the deltas of all jobs
that a step brought. Neither side imports the other: they meet here.
"""

import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Iterator
from typing import Literal

import msgspec

from puna.deltas import Delta, Usage
from puna.errors import ErrorReport
from puna.jobs import Job

State = Literal["idle", "loading", "ready", "busy", "unloading", "failed"]

# From each state, the states that may follow it. Whatever is not here cannot happen.
TRANSITIONS: dict[State, frozenset[State]] = {
    "idle": frozenset({"loading", "failed"}),
    "loading": frozenset({"ready", "unloading", "failed"}),
    "ready": frozenset({"busy", "unloading", "failed"}),
    "busy": frozenset({"ready", "unloading", "failed"}),
    "unloading": frozenset({"idle", "failed"}),
    "failed": frozenset(),
}

MAX_FRAME = 1 << 30


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter file and how strongly it is applied."""

    path: str
    scale: float = 1.0


class Placement(msgspec.Struct, frozen=True):
    """How a model lies on a host.

    `pooled` is one pool of `context` tokens for all sequences; otherwise each sequence has
    `context` tokens for itself, which is faster and takes more memory.
    """

    context: int = 4096
    sequences: int = 4
    pooled: bool = False
    batch: int = 512
    threads: int = 0
    gpu_layers: int = 0
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    split_mode: Literal["none", "layer", "row", "tensor"] = "layer"
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    flash_attention: Literal["auto", "on", "off"] = "auto"
    mmap: bool = True
    mlock: bool = False

    @property
    def step(self) -> int:
        """How many tokens a step takes: one of each sequence at least, or the engine would die."""
        return max(self.batch, self.sequences)


class Pace(msgspec.Struct, frozen=True):
    """How a runner shares its steps: see docs/engine.md."""

    whole_prompt: int = 256
    stretch: float = 2.0
    speculate: bool = True
    # Seconds, of which a screen of 60 pictures a second shows nothing.
    gather: float = 0.016


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Load this model. Paths are local to the runner's host."""

    weights: tuple[str, ...]
    projector: str = ""
    adapters: tuple[Adapter, ...] = ()
    template: str = ""
    placement: Placement = Placement()
    pace: Pace = Pace()


class Emitted(msgspec.Struct, frozen=True):
    """What one choice of a job has put out so far: enough to go on with it anywhere.

    `sampler` is the small state that tokens alone cannot bring back (mirostat's), `memory` the
    KV cache as bytes where it moves along.
    """

    choice: int
    tokens: tuple[int, ...]
    seed: int
    finished: bool = False
    sampler: bytes = b""
    memory: bytes = b""


class Resume(msgspec.Struct, frozen=True):
    """All that is needed to go on with a job on this or another runner.

    An empty prompt is rendered again. `usage` is what was counted and measured up to here.
    """

    prompt: tuple[int, ...]
    emitted: tuple[Emitted, ...]
    usage: Usage | None = None


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Run this job; with `resume`, go on with it where it was."""

    job: Job
    resume: Resume | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Nobody waits for this job any more."""

    job: str


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Take this job off the runner and hand it back; `memory` asks for its KV cache too."""

    job: str
    memory: bool = False


class Tokenize(msgspec.Struct, frozen=True, tag="tokenize"):
    """Turn text into tokens, or say how a chat would be rendered."""

    id: str
    text: str = ""
    job: Job | None = None
    special: bool = False


class Detokenize(msgspec.Struct, frozen=True, tag="detokenize"):
    """Turn tokens into text."""

    id: str
    tokens: tuple[int, ...]


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """End: free everything and leave."""


ToRunner = Load | Submit | Cancel | Pause | Tokenize | Detokenize | Unload


class Facts(msgspec.Struct, frozen=True):
    """What a runner knows of its model once it is loaded.

    `memory` are the bytes that it takes of each device just then.
    """

    architecture: str
    description: str
    parameters: int
    bytes: int
    context_train: int
    context: int
    sequences: int
    vocabulary: int
    width: int
    capabilities: tuple[str, ...]
    recurrent: bool = False
    load_seconds: float = 0.0
    memory: dict[str, int] = {}


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The runner is in another state."""

    state: State
    detail: str = ""
    facts: Facts | None = None
    error: ErrorReport | None = None


class Busyness(msgspec.Struct, frozen=True):
    """How busy a runner is."""

    running: int = 0
    waiting: int = 0
    cells_used: int = 0
    cells_total: int = 0
    steps: int = 0


class Frame(msgspec.Struct, frozen=True, tag="frame"):
    """What a step brought, for each job that it brought something for."""

    deltas: list[tuple[str, list[Delta]]]
    load: Busyness | None = None


class JobFailed(msgspec.Struct, frozen=True, tag="job_failed"):
    """A job ended in an error."""

    job: str
    error: ErrorReport


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """A job was taken off the runner; None when it had already ended."""

    job: str
    resume: Resume | None


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """The answer to Tokenize and Detokenize: the text and its tokens."""

    id: str
    text: str
    tokens: tuple[int, ...]
    pieces: tuple[bytes, ...] = ()
    error: ErrorReport | None = None


class LogLine(msgspec.Struct, frozen=True, tag="log"):
    """A line that the engine's library logged."""

    level: str
    line: str


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """The runner lives; `steps` grows while there is work."""

    load: Busyness


ToServer = Moved | Frame | JobFailed | Paused | Tokens | LogLine | Beat

_encoder = msgspec.msgpack.Encoder()
_to_runner = msgspec.msgpack.Decoder(ToRunner)
_to_server = msgspec.msgpack.Decoder(ToServer)
_length = struct.Struct(">I")


def pack(message: ToRunner | ToServer) -> bytes:
    """A message as it goes over the wire."""
    body = _encoder.encode(message)
    return _length.pack(len(body)) + body


class Unpacker:
    """Cuts what comes from a runner into messages, without waiting for anything."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[ToServer]:
        """Each message that is complete with this piece; the rest is kept for the next."""
        rest = self._rest
        rest += data
        start = 0
        while len(rest) - start >= _length.size:
            (length,) = _length.unpack_from(rest, start)
            if length > MAX_FRAME:
                raise msgspec.DecodeError(f"A message of {length} bytes is too long.")
            end = start + _length.size + length
            if len(rest) < end:
                break
            with memoryview(rest) as view:
                message = _to_server.decode(view[start + _length.size : end])
            start = end
            yield message
        del rest[:start]


async def read_to_runner(reader: StreamReader) -> ToRunner | None:
    """The next message for a runner, or None when the server has gone."""
    body = await _read(reader)
    return None if body is None else _to_runner.decode(body)


async def read_to_server(reader: StreamReader) -> ToServer | None:
    """The next message for the server, or None when the runner has gone."""
    body = await _read(reader)
    return None if body is None else _to_server.decode(body)


async def _read(reader: StreamReader) -> bytes | None:
    try:
        (length,) = _length.unpack(await reader.readexactly(_length.size))
        if length > MAX_FRAME:
            return None
        return await reader.readexactly(length)
    except (IncompleteReadError, ConnectionError):
        return None
