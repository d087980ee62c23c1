"""A native engine is built, from nothing but packages, and does what the embedded one cannot.

It is kept between runs where the user's cache survives; else this takes minutes.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import gguf
import numpy as np
import pytest

from puna.builds.building import Order, build
from puna.builds.choosing import choose
from puna.builds.compiling import Progress
from puna.builds.machine import this_machine
from puna.builds.quantizing import quantize
from puna.builds.record import Record
from puna.builds.shelf import Shelf
from puna.errors import BadRequest, EngineNotBuilt
from puna.models.builtin_model import FILE
from puna.models.creation import create
from puna.models.gguf import read
from puna.models.library import Library
from puna.models.quantizing import Progress as Stored
from puna.models.requests import CreateRequest
from puna.models.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

MOST_BYTES = 40 << 20
SYSTEM = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux")


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Shelf(Path(home) / "puna" / "tests")


@pytest.fixture(scope="module")
def built(shelf: Shelf) -> Record:
    return build(shelf, Order())


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(Store(tmp_path / "models"))


def test_it_has_passed_its_test_and_leaves_nothing_of_the_build(
    shelf: Shelf, built: Record
) -> None:
    assert built.passed is not None
    assert built.passed.mark == this_machine().mark
    assert built.gain is not None
    assert not (shelf.folder / ".work" / built.name).exists()


def test_it_depends_on_the_c_library_alone_and_is_small(shelf: Shelf, built: Record) -> None:
    folder = shelf.place(built.name)
    assert {"libllama.so", "libmtmd.so", "ggml-rpc-server"} <= built.files.keys()
    assert sum((folder / name).stat().st_size for name in built.files) < MOST_BYTES
    for name in built.files:
        told = subprocess.run(
            ["readelf", "--dynamic", folder / name], capture_output=True, text=True, check=True
        )
        needed = [line.split("[")[1][:-1] for line in told.stdout.splitlines() if "NEEDED" in line]
        assert all(one in built.files or one.startswith(SYSTEM) for one in needed), needed
    helped = subprocess.run(
        [folder / "ggml-rpc-server", "--help"], capture_output=True, check=False
    )
    assert b"--port" in helped.stdout + helped.stderr


def test_what_is_built_is_not_built_again(shelf: Shelf, built: Record) -> None:
    told: list[Progress] = []
    assert build(shelf, Order(tell=told.append)) == built
    assert told == []


def test_what_cannot_be_fetched_is_told_and_leaves_the_log(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EngineNotBuilt, match=r"(?s)cmake==.*--from") as told:
        build(Shelf(tmp_path / "home"), Order(given=empty))
    assert "log.txt" in str(told.value)


def test_a_model_is_quantized_as_it_is_created(
    shelf: Shelf, built: Record, library: Library
) -> None:
    shelf.default = built.name
    quantizer = partial(quantize, shelf=shelf, choice=choose(shelf))
    told = list(create(library, CreateRequest("small", "cria", quantize="q4_K_M"), quantizer))
    steps = [one for one in told if isinstance(one, Stored)]
    assert {one.status for one in steps} == {"quantizing Q8_0 model to Q4_K_M"}
    done = [one.completed for one in steps]
    assert done == sorted(done)
    assert done[-1] > 0.5 * steps[-1].total
    model = library.find("small")
    assert model.details.quantization == "Q4_K_M"
    assert {tensor.type.name for tensor in read(*model.weights).tensors} >= {"Q5_0", "Q4_K"}
    assert model.size < library.find("cria").size


def test_an_importance_matrix_changes_what_is_stored(
    shelf: Shelf, built: Record, library: Library, tmp_path: Path
) -> None:
    writer = gguf.GGUFWriter(tmp_path / "imatrix.gguf", "imatrix")
    random = np.random.default_rng(1)
    for tensor in read(FILE).tensors:
        if len(tensor.shape) == 2:
            sums = random.exponential(size=(1, tensor.shape[0])).astype(np.float32) ** 4
            writer.add_tensor(f"{tensor.name}.in_sum2", sums)
            writer.add_tensor(f"{tensor.name}.counts", np.array([[2.0]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    matrix = library.store.blobs.add_file(tmp_path / "imatrix.gguf")
    choice = choose(shelf, shelf.place(built.name))
    quantizer = partial(quantize, shelf=shelf, choice=choice)
    for name, given in (("plain", ""), ("weighted", matrix)):
        asked = CreateRequest(name, "cria", quantize="q4_0", imatrix=given)
        assert list(create(library, asked, quantizer))[-1] == "success"
    assert library.find("plain").weights != library.find("weighted").weights


def test_an_unknown_way_to_store_is_refused_by_name(library: Library) -> None:
    with pytest.raises(BadRequest, match=r"'q4_x' is no way to store weights\. There are F32"):
        list(create(library, CreateRequest("m", "cria", quantize="q4_x")))


def test_the_command_tells_which_engine_is_used(shelf: Shelf, built: Record) -> None:
    command = [sys.executable, "-m", "puna", "engine"]
    home = ["--home", str(shelf.folder.parent)]
    subprocess.run([*command, "use", built.name, *home], check=True, capture_output=True)
    done = subprocess.run([*command, "list", *home], check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith(built.name))
    assert line.endswith("used")
    assert "native" in line


KEEPING = """
import os, sys
from puna.engine.context import Context, Span
from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.protocol import Placement

def threads():
    return set(os.listdir("/proc/self/task"))

placement = Placement(context=64, sequences=1, batch=8, threads=2)
model = Model(open_library(), (sys.argv[1],), placement)
before = threads()
context = Context(model, placement)
seen = []
for position in range(3):
    context.step([Span(0, position, [5], 1)])
    seen.append(threads() - before)
context.close()
assert seen[0] and seen[0] == seen[1] == seen[2], seen
assert threads() == before
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux shows them")
def test_threads_stay_from_one_step_to_the_next(shelf: Shelf, built: Record) -> None:
    library = shelf.place(built.name) / "libllama.so"
    command = [sys.executable, "-c", KEEPING, str(FILE)]
    told = subprocess.run(
        command,
        env=os.environ | {"PUNA_ENGINE": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
