"""The home is one server's at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from puna.errors import BadSetting, HomeTaken
from puna.server.home import held

HOLD = "import sys; from pathlib import Path; from puna.server.home import held\n"


def test_a_second_server_on_a_home_is_told_who_has_it(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(HomeTaken, match=rf"process {os.getpid()}.*PUNA_HOME"):  # noqa: SIM117
        with held(tmp_path):
            pass
    with held(tmp_path):
        pass


def test_a_server_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    program = HOLD + "import os\nwith held(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    with held(tmp_path) as home:
        assert (home / "lock").read_text() == str(os.getpid())


def test_nobody_else_can_look_into_a_new_home(tmp_path: Path) -> None:
    with held(tmp_path / "new" / "home") as home:
        assert home.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_is_an_error_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="PUNA_HOME"), held(tmp_path / "file" / "home"):
        pass
