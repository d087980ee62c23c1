"""The file with the settings of a service, as lines of `NAME=value`.

A service hears nothing of the environment of whoever installs it. systemd reads the file whenever
the server starts; launchd knows no such files, so there it is read when the service is installed.
"""

import os
import shlex
from pathlib import Path

from puna.errors import BadSetting

TEMPLATE = """\
# The settings of Puna's service, one NAME=value a line: `puna config` shows them all.
# After a change: {again}

#PUNA_HOST=127.0.0.1:11434
#PUNA_KEEP_ALIVE=1h
#PUNA_LOG_LEVEL=info
"""


def write_template(path: Path, again: str) -> None:
    """Write a file without any setting, for its owner alone, unless there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with open(descriptor, "w") as file:
        file.write(TEMPLATE.format(again=again))


def read(path: Path) -> dict[str, str]:
    """The variables in a file; there are none where there is no file."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"The service's settings in {path} cannot be read: {error}.") from None
    return dict(_variable(line, path) for line in lines if line.strip()[:1] not in ("", "#", ";"))


def _variable(line: str, path: Path) -> tuple[str, str]:
    name, found, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise BadSetting(f"{path} has a line that cannot be read, {line!r}: {error}.") from None
    if not found or not name.strip().isidentifier():
        raise BadSetting(f"{path} has a line that is no NAME=value: {line!r}.")
    return name.strip(), " ".join(words)
