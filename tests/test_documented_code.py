"""Every block of code in the README and in docs/ is executed, in its page's order.

A page has a folder, a home and a live server of its own, with the built-in model. Where a page says
`127.0.0.1:11434`, the server's own address stands while it is executed. `puna serve`, which ends
only when it is told to, runs on a port of its own until it listens, and is then told to.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.clients.conftest import serving
from tests.documented import PAGES, ROOT, Block, blocks_of
from tests.serving import FOREIGN

pytestmark = pytest.mark.slow

SECONDS = 300
USUAL = re.compile(r"(?:127\.0\.0\.1|localhost):11434")
SERVE = re.compile(r"^puna serve\b.*$", re.MULTILINE)
# Starts it, waits for its word and for an answer, and tells it to end.
SERVED = r"""
coproc {{ {line}; }}
# Bash forgets it once the process has ended.
server=$COPROC_PID
read -r said <&"${{COPROC[0]}}"
echo "$said"
curl "${{said##* }}/api/version"
kill "$server"
wait "$server"
"""
CODE = [
    page
    for page in PAGES
    if any(
        one.language in ("sh", "console", "python") and not one.excuse for one in blocks_of(page)
    )
]


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, folder: Path, address: str, home: Path) -> None:
        self._folder = folder
        self._address = address
        commands = folder / "bin"
        commands.mkdir(parents=True)
        _script(commands / "puna", f'exec "{sys.executable}" -m puna "$@"')
        _script(commands / "python", f'exec "{sys.executable}" "$@"')
        # An error of the server's is an error of the block's.
        (folder / ".curlrc").write_text('fail-with-body\nsilent\nshow-error\nnoproxy = "*"\n')
        own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        self._environment = {
            **own,
            "CURL_HOME": str(folder),
            "HOME": str(folder),
            "NO_PROXY": "*",
            "OLLAMA_HOST": address,
            "PATH": f"{commands}:{own['PATH']}",
            "PUNA_HOME": str(home),
            "PUNA_HOST": address,
            "PUNA_THREADS": "1",
            "PYTHONPATH": str(ROOT / "src"),
        }

    def do(self, block: Block) -> str:
        """Execute a block; the answer is what it printed."""
        text = USUAL.sub(self._address.removeprefix("http://"), block.text)
        match block.language:
            case "python":
                return self._run(block, [sys.executable, "-c", text])
            case "console":
                return self._shell(block, "\n".join(_typed(text)))
            case _:
                return self._shell(block, text)

    def _shell(self, block: Block, text: str) -> str:
        text = SERVE.sub(lambda line: SERVED.format(line=self._served(line[0])), text)
        return self._run(block, ["bash", "-euo", "pipefail", "-c", text])

    def _served(self, line: str) -> str:
        """A server beside the one that is there already."""
        elsewhere = self._folder / "another home"
        return f"PUNA_HOST= PUNA_PORT=0 PUNA_HOME='{elsewhere}' exec {line}"

    def _run(self, block: Block, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{block.where}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def reader(tmp_path: Path) -> Generator[Reader]:
    with serving(tmp_path / "home") as address:
        yield Reader(tmp_path / "folder", address, tmp_path / "home")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", CODE, ids=lambda page: page.name)
def test_what_a_page_says_can_be_done(page: Path, reader: Reader) -> None:
    for block in blocks_of(page):
        if block.excuse or block.language not in ("sh", "console", "python"):
            continue
        said = reader.do(block)
        if block.language == "console":
            missing = [line for line in _shown(block.text) if not _is_in(line, said)]
            assert not missing, f"{block.where} shows {missing}, which is not in:\n{said}"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "puna gc --no-such-flag"),
        ("sh", "false\ntrue"),
        ("sh", 'curl http://127.0.0.1:11434/api/show -d \'{"model": "guanaco"}\''),
        ("sh", "puna serve --port none"),
        ("python", "import ollama\nollama.show('guanaco')"),
    ],
)
def test_what_cannot_be_done_is_found(language: str, text: str, reader: Reader) -> None:
    with pytest.raises(AssertionError, match=r"README\.md"):
        reader.do(Block(ROOT / "README.md", 1, language, text, ""))


def test_what_is_shown_is_held_against_what_is_said() -> None:
    said = "cria:latest is 60303ae22b99 again.\n3 files, 1.5 MiB\n"
    assert _is_in("cria:latest is 1b4f0e985197 again.", said)
    assert _is_in("12 files,   800 MiB", said)
    assert _is_in("cria:… again.", said)
    assert not _is_in("parrot:latest is 60303ae22b99 again.", said)


def _script(path: Path, line: str) -> None:
    shell = shutil.which("sh")
    path.write_text(f"#!{shell}\n{line}\n")
    path.chmod(0o755)


def _typed(text: str) -> list[str]:
    """What a person types in a session."""
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def _shown(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("$ ")]


def _is_in(line: str, said: str) -> bool:
    """Whether a line was said, but for numbers and digests; `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in _plain(line).split("…"))
    return re.search(f"^{pattern}$", _plain(said), re.MULTILINE) is not None


def _plain(text: str) -> str:
    without = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b|\d+(?:[.,]\d+)*", "#", text)
    return re.sub(r"[ \t]+", " ", without)
