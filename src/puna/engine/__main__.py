"""The runner's process: `python -m puna.engine --socket PATH`.

It calls the server on that socket and serves it until one of the two ends.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from puna.engine.libllama import Origin, verified

# The engine's thread must not wait long for the loop's to let go of the interpreter.
SWITCH_SECONDS = 0.0005


async def serve(socket: str, find_library: Callable[[], Origin]) -> None:
    """Call the server and serve it."""
    # What is imported here takes longer than to verify the library, which goes on meanwhile.
    from puna.engine.service import Service

    reader, writer = await asyncio.open_unix_connection(socket)
    await Service(reader, writer, find_library).run()


def main() -> None:
    """Begin."""
    parser = argparse.ArgumentParser(prog="puna.engine", description="One runner of Puna.")
    parser.add_argument("--socket", required=True, help="where the server listens")
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)
    with ThreadPoolExecutor(1) as aside:
        found = aside.submit(verified)
        asyncio.run(serve(arguments.socket, found.result))


if __name__ == "__main__":
    main()
