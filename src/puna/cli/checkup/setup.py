"""How Puna is set up here: settings, folders, the store, the port, the server."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from puna import __version__
from puna.cli.checkup.finding import Finding
from puna.cli.checkup.machine import existing
from puna.cli.client import Client
from puna.configuration import Configuration
from puna.errors import NoServer, PunaError
from puna.models.soundness import blob_faults, manifest_faults, revision_faults
from puna.models.store import Store
from puna.server.holder import described, holder_of
from puna.settings import Settings

# So many faults of a store are told; one cause often makes many.
MOST_FAULTS = 10
SECONDS = 5.0


def settings(configuration: Configuration) -> Iterator[Finding]:
    """What of the settings' sources has no effect."""
    found = [
        *(Finding("settings", "warn", text, "Unset it.") for text in configuration.warnings),
        *_shadowed(configuration),
    ]
    given = sum(origin != "default" for origin in configuration.origins.values())
    yield from found or [Finding("settings", "ok", f"{given} settings are given, all in effect.")]


def folders(settings: Settings) -> Iterator[Finding]:
    """Whether Puna may write where it has to, and nobody else may."""
    yield _home(settings.home)
    if settings.store.is_dir() and not os.access(settings.store, os.W_OK | os.X_OK):
        yield Finding(
            "permissions",
            "warn",
            f"The store {settings.store} can be read, not written to: no model can be made.",
            "Give this user the right to write there, or name another store with PUNA_MODELS.",
        )


def store(settings: Settings, thorough: bool) -> Iterator[Finding]:
    """Whether every model is whole; where it shall be thorough, also whether every byte is true."""
    found = Store(settings.store)
    if not settings.store.is_dir():
        yield Finding("store", "ok", f"{settings.store} is not there yet; a server makes it.")
        return
    try:
        faults = [*manifest_faults(found), *revision_faults(found)]
        faults += blob_faults(found) if thorough else []
        names = len(list(found.names()))
    except (PunaError, OSError) as error:
        mend = "Look at the rights of its folders, or name another store with PUNA_MODELS."
        yield Finding("store", "fail", f"{settings.store} cannot be read: {error}.", mend)
        return
    for fault in faults[:MOST_FAULTS]:
        mend = f"Make or fetch the model again, or remove it: `puna rm {fault.where}`."
        if fault.where.startswith("sha256:"):
            mend = "Remove that blob's file, then make or fetch the models again that need it."
        yield Finding("store", "fail", f"{fault.where}: {fault.what}", mend)
    if len(faults) > MOST_FAULTS:
        yield Finding("store", "fail", f"and {len(faults) - MOST_FAULTS} more.")
    if not faults:
        how = "every byte is right" if thorough else "`puna doctor --thorough` reads every byte"
        models = f"{names} model{'' if names == 1 else 's'}"
        yield Finding("store", "ok", f"{models} in {settings.store}, each whole; {how}.")


def port(settings: Settings) -> Iterator[Finding]:
    """Whether a server could listen where it should, or does."""
    host, number = settings.address
    where = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    error = _unlistenable(host, number)
    if error is None:
        yield Finding("port", "ok", f"{where} is free for a server.")
    elif error.errno == errno.EADDRINUSE:
        yield _held(where, number)
    else:
        mend = "Choose another address with --host and --port, or PUNA_HOST and PUNA_PORT."
        yield Finding("port", "fail", f"{where} cannot be listened on: {error.strerror}.", mend)


def server(host: str | None) -> Iterator[Finding]:
    """Whether a server answers, and is of this version."""
    client = Client(host, patience=SECONDS)
    try:
        version = client.get("/puna/v1/version")["version"]
    except NoServer as error:
        yield Finding("server", "warn", error.message, error.mend)
        return
    except (PunaError, KeyError) as error:
        mend = "Say with --host or PUNA_HOST where Puna's server is."
        yield Finding("server", "fail", f"No Puna answers at {client.address}: {error}", mend)
        return
    if version == __version__:
        yield Finding("server", "ok", f"Puna {version} answers at {client.address}.")
    else:
        text = f"Puna {version} answers at {client.address}, this is {__version__}."
        yield Finding("server", "warn", text, "Start that server again, after it was updated.")


def _shadowed(configuration: Configuration) -> Iterator[Finding]:
    for winner, others in configuration.shadowed():
        text = f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} no effect, since "
        yield Finding("settings", "warn", f"{text}{winner} says otherwise.", "Leave one of them.")


def _home(home: Path) -> Finding:
    place = existing(home)
    if not os.access(place, os.W_OK | os.X_OK):
        text = f"This user may not write to {place}."
        return Finding("permissions", "fail", text, "Name another home with --home or PUNA_HOME.")
    if place != home:
        return Finding("permissions", "ok", f"{home} is not there yet; a server makes it.")
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        text = f"Others than its owner may look into the home {home} (mode {mode:o})."
        return Finding("permissions", "warn", text, f"`chmod 700 {home}`")
    return Finding("permissions", "ok", f"{home} is this user's alone.")


def _unlistenable(host: str, number: int) -> OSError | None:
    try:
        found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
        family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        return error
    return None


def _held(where: str, number: int) -> Finding:
    try:
        Client(where, patience=SECONDS).get("/puna/v1/version")
    except PunaError:
        holder = described(holder_of(number))
        mend = "Stop it, or choose another port with --port or PUNA_PORT."
        return Finding("port", "fail", f"{holder} listens on {where}.", mend)
    return Finding("port", "ok", f"{where} is a Puna server's.")
