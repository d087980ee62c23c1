"""`puna serve`: the server."""

import gc
from typing import Any

from puna.cli.flags import with_flags
from puna.cli.options import File


@with_flags
def serve(config: File = None, *, given: dict[str, Any]) -> None:
    """Start the server."""
    # Until it serves, there is only what stays, and looking through it again and again takes time.
    gc.disable()
    from puna.configuration import Configuration
    from puna.server.serving import serve as run_server

    run_server(Configuration(given, config))
