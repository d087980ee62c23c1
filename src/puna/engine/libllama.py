"""The engine's shared library: opened, and checked against what the binding expects.

Where it lies origin.py tells; abi.py and prototypes.py, which are generated, say what it is. Here
is no model and no context; the objects that own them are rooms of their own.
"""

import ctypes as C
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from puna.engine import abi
from puna.engine.origin import Origin, chosen
from puna.engine.prototypes import PROTOTYPES, Functions
from puna.errors import EngineMismatch

LogSink = Callable[[str, str], None]

# How often a thread of the embedded library looks for the others at a barrier before it gives its
# core away: some ten microseconds. Left alone it looks for milliseconds, several hundred times a
# step, and on a busy machine that is the very core that the others wait for.
SPINS = "200"

# What the library must say of itself: a struct that gained a field would say otherwise.
DEFAULT_CONTEXT: dict[str, float] = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "ctx_type": 0,
    "pooling_type": -1,
    "flash_attn_type": -1,
    "yarn_ext_factor": -1.0,
    "type_k": 1,
    "type_v": 1,
    "moe_cache_size": 0,
    "embeddings": False,
    "offload_kqv": True,
    "op_offload": True,
    "no_perf": True,
}
DEFAULT_MODEL: dict[str, float] = {
    "n_gpu_layers": -1,
    "split_mode": 1,
    "main_gpu": 0,
    "vocab_only": False,
    "check_tensors": False,
    "use_extra_bufts": True,
    "no_alloc": False,
}

# What the embedded library lacks; who needs it asks whether it is there.
OPTIONAL = frozenset(
    {
        "llama_model_quantize",
        "llama_model_quantize_default_params",
        "ggml_threadpool_new",
        "ggml_threadpool_free",
    }
)

_LOG_CALLBACK = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)
_FUNCTION = re.compile(r"^\w+: ")
# So many of the library's errors are remembered until somebody asks.
COMPLAINTS = 8
# The library logs to a pointer for as long as the process lives, so what it points to stays.
_KEPT: list[object] = []
_LEVELS = {level.value: level.name.lower() for level in abi.GgmlLogLevel}


class DeviceFound(NamedTuple):
    """A device as the library tells of it; `id` is that of the PCI bus, where it knows it."""

    name: str
    description: str
    kind: str
    free: int
    total: int
    id: str


class Library:
    """The opened library: its functions, typed, and its log lines as they come."""

    def __init__(self, origin: Origin, log: LogSink | None = None) -> None:
        self.origin = origin
        if origin.version not in (None, abi.VERSION):
            raise EngineMismatch(
                f"The engine at {origin.path} is {origin.version}, "
                f"the binding was written for {abi.VERSION}."
            )
        # Read once, when the library's runtime of threads is loaded with it.
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
        try:
            libraries = [C.CDLL(str(path)) for path in _parts(origin.path)]
        except OSError as error:
            raise EngineMismatch(f"{origin.path} cannot be opened: {error}.") from None
        self.call = _bind(libraries)
        self._check_defaults()
        self._log = log
        self._complaints = deque[str](maxlen=COMPLAINTS)
        self._line: dict[int, str] = {}
        callback = _LOG_CALLBACK(self._on_log)
        _KEPT.append(callback)
        pointer = C.cast(callback, C.c_void_p)
        self.call.llama_log_set(pointer, None)
        self.call.mtmd_log_set(pointer, None)
        self.call.mtmd_helper_log_set(pointer, None)
        self.call.llama_backend_init()

    def devices(self) -> list[DeviceFound]:
        """What the library can compute on; the same hardware behind two backends counts once."""
        found: list[DeviceFound] = []
        for index in range(self.call.ggml_backend_dev_count()):
            props = abi.GgmlBackendDevProps()
            device = self.call.ggml_backend_dev_get(index)
            self.call.ggml_backend_dev_get_props(device, C.addressof(props))
            id = (props.device_id or b"").decode()
            if id and id in {other.id for other in found}:
                continue
            found.append(
                DeviceFound(
                    (props.name or b"").decode("utf-8", "replace"),
                    (props.description or b"").decode("utf-8", "replace"),
                    abi.GgmlBackendDevType(props.type).name.lower(),
                    props.memory_free,
                    props.memory_total,
                    id,
                )
            )
        return found

    @property
    def quantizes(self) -> bool:
        """Whether the library has the quantizer."""
        return hasattr(self.call, "llama_model_quantize")

    @property
    def keeps_threads(self) -> bool:
        """Whether threads can be made that stay: not where the processor's part is a plug-in."""
        return hasattr(self.call, "ggml_threadpool_new")

    def _check_defaults(self) -> None:
        for struct, expected in (
            (self.call.llama_context_default_params(), DEFAULT_CONTEXT),
            (self.call.llama_model_default_params(), DEFAULT_MODEL),
        ):
            for field, value in expected.items():
                found = getattr(struct, field)
                if found != value:
                    raise EngineMismatch(
                        f"The engine at {self.origin.path} is laid out differently: "
                        f"{field} is {found} by default, version {abi.VERSION} has {value}."
                    )

    def _on_log(self, level: int, text: bytes | None, _data: int | None) -> None:
        # Lines come in pieces, each thread its own; a piece without a level goes on with the last.
        thread = threading.get_ident()
        line = self._line.pop(thread, "") + (text or b"").decode("utf-8", "replace")
        if not line.endswith("\n"):
            self._line[thread] = line
        elif line.strip():
            self._tell(_LEVELS.get(level, "info"), line.rstrip())

    def _tell(self, level: str, line: str) -> None:
        if level == "error":
            # Without the name of the function that the line begins with.
            self._complaints.append(_FUNCTION.sub("", line))
        if self._log is not None:
            self._log(level, line)

    def complaints(self) -> list[str]:
        """The errors that were logged since this was asked last, the latest of them."""
        found = list(self._complaints)
        self._complaints.clear()
        return found


def open_library(log: LogSink | None = None) -> Library:
    """The chosen engine, opened."""
    return Library(chosen(), log)


def _parts(path: Path) -> list[Path]:
    """The library's file and, where a build has them apart, its companions."""
    companions = ("libggml-base", "libggml-cpu", "libggml", "libmtmd")
    beside = [path.with_name(name + path.suffix) for name in companions]
    return [path, *(part for part in beside if part.is_file())]


def _bind(libraries: list[C.CDLL]) -> Functions:
    functions = Functions()
    for name, (result, arguments) in PROTOTYPES.items():
        for library in libraries:
            function = cast(Any, getattr(library, name, None))
            if function is not None:
                function.restype, function.argtypes = result, arguments
                setattr(functions, name, function)
                break
        else:
            if name not in OPTIONAL:
                raise EngineMismatch(f"The engine has no function {name}.")
    return functions
