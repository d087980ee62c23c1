"""Puna as a service of systemd: the unit, and what systemctl is asked.

All that is particular to systemd is here; which system this is, `service.py` knows.
"""

import grp
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from puna.cli import environment_file
from puna.cli.manager import Scope, State
from puna.configuration import Configuration
from puna.errors import NoServiceManager, ServiceFailed, ServiceForbidden

NAME = "puna.service"
# What sd_booted(3) looks at.
BOOTED = Path("/run/systemd/system")
# Where a system service that belongs to nobody cannot look.
HOMES = ("/home", "/root", "/run/user")
# Who may use GPUs that are not for everybody.
GPU_GROUPS = ("render", "video")
ASKING_SECONDS = 120

# A user's manager has not the right to take more away: capabilities are not its to give.
HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077
# GPUs are devices, so these stay as they are:
#   PrivateDevices=, DeviceAllow=, ProtectClock= (which allows its own device and no other)
# The engine's callbacks and the drivers of GPUs are code that is written at run time, so this too:
#   MemoryDenyWriteExecute="""
SYSTEM_HARDENING = """\
DynamicUser=yes
PrivateUsers=yes
PrivateMounts=yes
ProtectHome=yes
ProtectProc=invisible
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
CapabilityBoundingSet=
AmbientCapabilities=
RemoveIPC=yes"""


class Systemd:
    """systemd: the manager of this user's services, or of the system's."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Scope = scope
        self.file = _folder(scope) / NAME
        self.settings = _settings(scope)

    @property
    def logs(self) -> str:
        """The command that shows the log."""
        return f"journalctl {'--user ' if self.scope == 'user' else ''}-u puna -f"

    @property
    def again(self) -> str:
        """The command that starts the service anew."""
        return f"{' '.join(self._systemctl)} restart puna"

    def written(self) -> str:
        """The unit."""
        return "\n".join((_HEAD, *self._order(), "", *self._service(), "", *self._install(), ""))

    def install(self) -> None:
        """Write the unit, and start it now and with the system."""
        self._check()
        if self.scope == "system":
            _reachable()
        environment_file.write_template(self.settings, self.again)
        for folder in self._folders():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.written())
        self._ask("daemon-reload")
        self._ask("enable", NAME)
        self._ask("restart", NAME)

    def uninstall(self) -> None:
        """End the service and forget the unit; settings and models stay."""
        self._check()
        self._ask("disable", "--now", NAME)
        self.file.unlink(missing_ok=True)
        self._ask("daemon-reload")

    def state(self) -> State:
        """What has become of the service."""
        _booted()
        names = ("ActiveState", "SubState", "UnitFileState", "MainPID", "StatusText")
        lines = self._ask("show", NAME, f"--property={','.join(names)}").splitlines()
        told = {name: value for name, _, value in (line.partition("=") for line in lines)}
        return State(
            installed=self.file.exists(),
            running=told.get("ActiveState") == "active",
            enabled=told.get("UnitFileState") == "enabled",
            process=int(told.get("MainPID") or 0) or None,
            words=told.get("StatusText") or told.get("SubState") or "",
        )

    def hints(self) -> list[str]:
        """What else is good to know."""
        if self.scope == "system" or _lingers():
            return []
        return [
            "It ends when you log out. To let it run on, and to start it with the machine:",
            "  loginctl enable-linger",
        ]

    @property
    def _systemctl(self) -> tuple[str, ...]:
        return ("systemctl", "--user") if self.scope == "user" else ("systemctl",)

    def _order(self) -> list[str]:
        order = ["[Unit]", "Description=Puna, one LLM server that speaks every API"]
        if self.scope == "system":
            order += ["Wants=network-online.target", "After=network-online.target"]
        return order

    def _service(self) -> list[str]:
        return [
            "[Service]",
            "Type=notify",
            f"ExecStart={_quoted(sys.executable)} -m puna serve",
            "ExecReload=kill -HUP $MAINPID",
            *self._surroundings(),
            "# A server lets its answers end, and its runners with them.",
            "KillMode=mixed",
            "# A runner for which memory ran out is replaced; the server need not end with it.",
            "OOMPolicy=continue",
            "Restart=on-failure",
            "RestartSec=2",
            "LimitNOFILE=65536",
            "",
            HARDENING,
            *([SYSTEM_HARDENING] if self.scope == "system" else []),
        ]

    def _surroundings(self) -> list[str]:
        """Its settings, and where it may write."""
        settings = f"EnvironmentFile=-{_escaped(str(self.settings))}"
        paths = " ".join(_quoted(f"-{folder}") for folder in self._folders())
        if self.scope == "user":
            return [settings, "ProtectHome=read-only", f"ReadWritePaths={paths}"]
        groups = " ".join(name for name in GPU_GROUPS if _has_group(name))
        return [
            "Environment=PUNA_HOME=%S/puna",
            settings,
            "StateDirectory=puna",
            "StateDirectoryMode=0700",
            *([f"ReadWritePaths={paths}"] if paths else []),
            *([f"SupplementaryGroups={groups}"] if groups else []),
        ]

    def _install(self) -> list[str]:
        target = "default" if self.scope == "user" else "multi-user"
        return ["[Install]", f"WantedBy={target}.target"]

    def _folders(self) -> list[Path]:
        """The folders outside of what systemd itself makes that the settings let it write to."""
        settings = Configuration(environment=environment_file.read(self.settings)).settings
        folders = [settings.home] if self.scope == "user" else []
        return [*folders, *([settings.models] if settings.models else [])]

    def _check(self) -> None:
        _booted()
        if self.scope == "system" and os.geteuid() != 0:
            raise ServiceForbidden(
                "Only root may change the system's services.",
                "Ask as root (sudo), or leave out --system for a service of your own.",
            )

    def _ask(self, *words: str) -> str:
        command = (*self._systemctl, *words)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=ASKING_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceFailed(f"`{' '.join(command)}` did not work: {error}.") from None
        if done.returncode == 0:
            return done.stdout
        told = done.stderr.strip() or f"status {done.returncode}"
        if "connect to bus" in told:
            raise NoServiceManager(
                f"Your service manager cannot be reached: {told}.",
                "Log in as this user (not through su or sudo), or use --system.",
            )
        raise ServiceFailed(f"`{' '.join(command)}` failed: {told}", f"`{self.logs}` may say why.")


_HEAD = "# Written by `puna service install`; `systemctl edit puna` adds to it and lasts."


def _folder(scope: Scope) -> Path:
    if scope == "system":
        return Path("/etc/systemd/system")
    return _own_folder() / "systemd" / "user"


def _settings(scope: Scope) -> Path:
    folder = Path("/etc") if scope == "system" else _own_folder()
    return folder / "puna" / "service.env"


def _own_folder() -> Path:
    """Where this user's settings are; systemd asks the same variable."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _booted() -> None:
    if not BOOTED.is_dir() or shutil.which("systemctl") is None:
        raise NoServiceManager(
            "systemd does not run here.",
            "Start the server by what does, or use a container: see docs/service.md.",
        )


def _reachable() -> None:
    """A system service sees no homes: neither Python nor Puna may lie in one."""
    for path in (sys.executable, sys.base_prefix, __file__):
        if path.startswith(tuple(f"{home}/" for home in HOMES)):
            raise ServiceForbidden(
                f"A system service cannot look into {path}, which is in somebody's home.",
                "Install Puna elsewhere (such as a virtual environment in /opt/puna), "
                "or leave out --system.",
            )


def _lingers() -> bool:
    name = pwd.getpwuid(os.getuid()).pw_name
    return Path("/var/lib/systemd/linger", name).exists()


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _escaped(text: str) -> str:
    """A text in which systemd looks for none of its specifiers."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word, whatever is in it."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escaped(plain)}"'
