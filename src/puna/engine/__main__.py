"""The runner's process: `python -m puna.engine --socket PATH`.

It calls the server on that socket and serves it until one of the two ends.
"""

import argparse
import asyncio
import sys

from puna.engine.service import Service

# The engine's thread must not wait long for the loop's to let go of the interpreter.
SWITCH_SECONDS = 0.0005


async def serve(socket: str) -> None:
    """Call the server and serve it."""
    reader, writer = await asyncio.open_unix_connection(socket)
    await Service(reader, writer).run()


def main() -> None:
    """Begin."""
    parser = argparse.ArgumentParser(prog="puna.engine", description="One runner of Puna.")
    parser.add_argument("--socket", required=True, help="where the server listens")
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(serve(arguments.socket))


if __name__ == "__main__":
    main()
