"""The engine's shared library: found, opened, and checked against what the binding expects.

The structs and prototypes are in abi.py, which is generated. Here is no model and no context; the
objects that own them are rooms of their own.
"""

import base64
import ctypes as C
import hashlib
import importlib.metadata
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from puna.engine import abi
from puna.errors import EngineMismatch

LogSink = Callable[[str, str], None]

PACKAGE = "xllamacpp"
# A native build lies beside this file, which says what source it was built from.
BUILD_FILE = "puna-engine.version"

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

_LOG_CALLBACK = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)
# The library logs to a pointer for as long as the process lives, so what it points to stays.
_KEPT: list[object] = []
_LEVELS = {level.value: level.name.lower() for level in abi.GgmlLogLevel}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a library lies, of which version it is, and which hash was recorded for it."""

    path: Path
    version: str
    sha256: str | None

    def verify(self) -> "Origin":
        """Compare the file with its recorded hash; takes a tenth of a second."""
        if self.sha256 is None:
            return self
        with self.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise EngineMismatch(
                f"The engine at {self.path} has SHA-256 {found}, recorded is {self.sha256}."
            )
        return self


def embedded() -> Origin:
    """The library inside the engine's wheel; the package itself is not imported."""
    try:
        wheel = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise EngineMismatch(f"The engine's package {PACKAGE} is not installed.") from None
    for file in wheel.files or ():
        if file.name.startswith(PACKAGE) and file.suffix == ".so":
            recorded = file.hash.value if file.hash else None
            return Origin(Path(str(file.locate())), wheel.version, _hex(recorded))
    raise EngineMismatch(f"The package {PACKAGE} {wheel.version} holds no shared library.")


def native(path: Path) -> Origin:
    """A library that was built from the same source, by its file or its folder."""
    if path.is_dir():
        names = ("libllama.so", "libllama.dylib")
        found = [path / name for name in names if (path / name).is_file()]
        if not found:
            raise EngineMismatch(f"The folder {path} holds no libllama.")
        path = found[0]
    if not path.is_file():
        raise EngineMismatch(f"There is no engine at {path}.")
    record = path.parent / BUILD_FILE
    recorded = record.read_text().split() if record.is_file() else []
    version, sha256 = (*recorded, "", "")[:2]
    return Origin(path, version or abi.VERSION, sha256 or None)


class Library:
    """The opened library: its functions, typed, and its log lines as they come."""

    def __init__(self, origin: Origin, log: LogSink | None = None) -> None:
        self.origin = origin
        if origin.version != abi.VERSION:
            raise EngineMismatch(
                f"The engine at {origin.path} is {origin.version}, "
                f"the binding was written for {abi.VERSION}."
            )
        try:
            libraries = [C.CDLL(str(path)) for path in _parts(origin.path)]
        except OSError as error:
            raise EngineMismatch(f"{origin.path} cannot be opened: {error}.") from None
        self.call = _bind(libraries)
        self._check_defaults()
        self._log = log
        self._line: dict[int, str] = {}
        callback = _LOG_CALLBACK(self._on_log)
        _KEPT.append(callback)
        pointer = C.cast(callback, C.c_void_p)
        self.call.llama_log_set(pointer, None)
        self.call.mtmd_log_set(pointer, None)
        self.call.mtmd_helper_log_set(pointer, None)
        self.call.llama_backend_init()

    def devices(self) -> list[tuple[str, str, str, int, int]]:
        """Name, description, kind, free and total bytes of each device."""
        found: list[tuple[str, str, str, int, int]] = []
        for index in range(self.call.ggml_backend_dev_count()):
            device = self.call.ggml_backend_dev_get(index)
            free, total = C.c_size_t(), C.c_size_t()
            self.call.ggml_backend_dev_memory(device, C.byref(free), C.byref(total))
            name = self.call.ggml_backend_dev_name(device) or b""
            description = self.call.ggml_backend_dev_description(device) or b""
            kind = abi.GgmlBackendDevType(self.call.ggml_backend_dev_type(device)).name.lower()
            found.append((name.decode(), description.decode(), kind, free.value, total.value))
        return found

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
        elif self._log is not None and line.strip():
            self._log(_LEVELS.get(level, "info"), line.rstrip())


def chosen() -> Origin:
    """The engine that PUNA_ENGINE names, else the embedded one."""
    path = os.environ.get("PUNA_ENGINE", "")
    return native(Path(path)) if path else embedded()


def verified() -> Origin:
    """The chosen engine, compared with its recorded hash."""
    return chosen().verify()


def open_library(log: LogSink | None = None) -> Library:
    """The chosen engine, opened."""
    return Library(chosen(), log)


def _hex(recorded: str | None) -> str | None:
    if recorded is None:
        return None
    return base64.urlsafe_b64decode(recorded + "=" * (-len(recorded) % 4)).hex()


def _parts(path: Path) -> list[Path]:
    """The library's file and, where a build has them apart, its companions."""
    companions = ("libggml-base", "libggml", "libmtmd")
    beside = [path.with_name(name + path.suffix) for name in companions]
    return [path, *(part for part in beside if part.is_file())]


def _bind(libraries: list[C.CDLL]) -> abi.Functions:
    functions = abi.Functions()
    for name, (result, arguments) in abi.PROTOTYPES.items():
        for library in libraries:
            function = cast(Any, getattr(library, name, None))
            if function is not None:
                function.restype, function.argtypes = result, arguments
                setattr(functions, name, function)
                break
        else:
            raise EngineMismatch(f"The engine has no function {name}.")
    return functions
