"""Fetches llama.cpp's source: the sdist of the pinned engine, by the index that pip is set to.

Usage: python scripts/sdist.py    prints the folder of llama.cpp's source

The hash is checked, the archive is unpacked once into the user's cache and found there again.
"""

import hashlib
import html
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

VERSION = "2026.10.11549"
SHA256 = "c17ee1163006f70726abb9f72137830818f3d8cb60bfc34cb232d08428eaa22b"
ARCHIVE = f"xllamacpp-{VERSION}.tar.gz"


def cache_folder() -> Path:
    """Where the source lies once it is fetched."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "puna" / "source" / VERSION


def index_url() -> str:
    """The package index that pip is set to."""
    from pip._internal.models.index import PyPI

    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return os.environ.get("PIP_INDEX_URL") or asked.stdout.strip() or PyPI.simple_url


def archive_url() -> str:
    """Where the index says that the archive is."""
    page = urllib.parse.urljoin(index_url().rstrip("/") + "/", "xllamacpp/")
    kinds = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
    with urllib.request.urlopen(
        urllib.request.Request(page, headers={"Accept": kinds}), timeout=60
    ) as answer:
        text = answer.read().decode()
    if text.lstrip().startswith("{"):
        links = [file["url"] for file in json.loads(text)["files"]]
    else:
        links = [html.unescape(link) for link in re.findall(r'href="([^"#]+)', text)]
    for link in links:
        if urllib.parse.urlparse(link).path.endswith("/" + ARCHIVE):
            return urllib.parse.urljoin(page, link)
    raise SystemExit(f"The package index has no {ARCHIVE}.")


def fetch(folder: Path) -> None:
    """Download, check and unpack; the folder appears only when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = Path(scratch) / ARCHIVE
        with urllib.request.urlopen(archive_url(), timeout=300) as answer:
            archive.write_bytes(answer.read())
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != SHA256:
            raise SystemExit(f"{ARCHIVE} has SHA-256 {found}, expected {SHA256}.")
        with tarfile.open(archive) as tar:
            tar.extractall(Path(scratch) / "source", filter="data")
        try:
            (Path(scratch) / "source" / ARCHIVE.removesuffix(".tar.gz")).rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def llama_source() -> Path:
    """The folder of llama.cpp's source, fetched when it is not there yet."""
    folder = cache_folder()
    if not folder.is_dir():
        fetch(folder)
    return folder / "thirdparty" / "llama.cpp"


if __name__ == "__main__":
    print(llama_source())
