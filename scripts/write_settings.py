"""Writes docs/configuration.md from the settings themselves.

Usage: python scripts/write_settings.py
"""

import os
from pathlib import Path

from puna.cli.config import written
from puna.configuration import Configuration, Told, flag

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = """\
# Settings

<!-- Written by scripts/write_settings.py: change the settings, not this page. -->

Every setting can be given in four ways. The first that has it wins:

1. a flag of `puna serve`, such as `--keep-alive 1h`
2. a variable of Puna's own in the environment, such as `PUNA_KEEP_ALIVE=1h`
3. the variable that Ollama has for it, such as `OLLAMA_KEEP_ALIVE=1h`
4. a file in YAML, with lines such as `keep_alive: 1h`

The file is the one named by `--config`, else by `PUNA_CONFIG`, else `config.yaml` in the folder for
settings of this system (on Linux `~/.config/puna`), if it is there. A name in it that is no
setting is an error; a `PUNA_…` or `OLLAMA_…` variable that means nothing here is a warning in the
log. `puna config` shows each setting with its value and where that came from; `--json` is for
programs, and `GET /puna/v1/settings` tells the same of a running server.

What acts *live* can be changed while the server runs: change the file and send it a `SIGHUP`. The
rest waits for a restart.

- A duration is written as `90s`, `5m` or `1h30m`; a bare number is seconds.
- A size is written as `512MiB` or `8GiB` (binary), `8GB` (decimal), or in bytes.
- A list has commas between its parts; in the file it may be a list of YAML.
- `auto`, or as with Ollama `0`, leaves to the server what is `auto` by default.

| setting | what it is for | default | acts | also known as |
| --- | --- | --- | --- | --- |
"""
# A file without a line, so that not even one of this machine has a say.
NOTHING_SET = Configuration(file=Path(os.devnull), environment={})
# What is another on each machine.
PLACES = {"home": "the system's folder for data"}


def page() -> str:
    """The page as it should be."""
    return HEAD + "".join(_row(one) for one in NOTHING_SET.told())


def _row(one: Told) -> str:
    default = PLACES.get(one.name) or (f"`{text}`" if (text := written(one.value)) else "none")
    ours, *theirs = one.environment
    names = ", ".join(f"`{name}`" for name in (flag(one.name), ours, *theirs))
    return f"| `{one.name}` | {one.description} | {default} | {one.effect} | {names} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
