"""The runner's process: `python -m puna.engine --socket PATH`.

It calls the server on that socket and serves it until one of the two ends.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from puna.engine.origin import verified

# The engine's thread must not wait long for the loop's to let go of the interpreter.
SWITCH_SECONDS = 0.0005


def main() -> None:
    """Begin."""
    match sys.argv[1:]:
        case ["--socket", socket]:
            pass
        case _:
            sys.exit("Usage: python -m puna.engine --socket PATH")
    sys.setswitchinterval(SWITCH_SECONDS)
    with ThreadPoolExecutor(1) as aside:
        found = aside.submit(verified)
        # What is imported here takes longer than to verify the library, which goes on meanwhile.
        from puna.engine.service import serve

        serve(socket, found.result)


if __name__ == "__main__":
    main()
