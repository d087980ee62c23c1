"""Guided fuzzing of GGUF headers: bytes that lead the reader to new places are bred further.

Usage: PYTHONPATH=src python tests/models/fuzz_gguf.py [CORPUS] [-max_total_time=SECONDS]

An input that is neither read nor refused, or takes more than five seconds or 512 MiB, is kept in
the working directory as crash-…, timeout-… or oom-…
"""

import importlib
import sys
import tempfile
from pathlib import Path


def main() -> None:
    try:
        atheris = importlib.import_module("atheris")
    except ModuleNotFoundError:
        print("There is no atheris for this system: GGUF headers were fuzzed by hypothesis alone.")
        return
    with atheris.instrument_imports(include=["puna.models"]):
        from headers import written
        from mutations import DRAFTS, read_to_the_end

    with tempfile.TemporaryDirectory() as folder:
        path, seeds = Path(folder) / "fuzzed.gguf", Path(folder) / "seeds"
        seeds.mkdir()
        for number, draft in enumerate(DRAFTS):
            draft.write(seeds / f"{number}.gguf")

        def once(data: bytes) -> None:
            read_to_the_end(written(path, data))

        limits = ["-timeout=5", "-rss_limit_mb=512", "-max_len=8192"]
        # Where a corpus is named, what is found goes there; the seeds are only read.
        corpus = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
        atheris.Setup([sys.argv[0], *corpus, str(seeds), *limits, *options], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
