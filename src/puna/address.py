"""Addresses as people write them: a host, with a scheme and a port if wanted."""

import ipaddress

PORT = 11434
# The port that an address has by its scheme, as Ollama reads it.
SCHEMES = {"http": 80, "https": 443}


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of an address in any of the forms that Ollama takes."""
    scheme, found, rest = text.strip().strip("\"'").partition("://")
    if not found:
        scheme, rest = "", scheme
    rest = rest.partition("/")[0]
    default = SCHEMES.get(scheme, PORT)
    if is_number(rest.strip("[]")) or ":" not in rest:
        return rest.strip("[]") or "127.0.0.1", default
    host, _, port = rest.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text!r} is no address; write one as 127.0.0.1:11434 or [::1]:11434")
    return host.strip("[]") or "0.0.0.0", int(port)


def is_number(host: str) -> bool:
    """Whether a host is given by number, not by name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
