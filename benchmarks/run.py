"""Runs benchmarks and writes what they found to benchmarks/results.md, each in its own section.

Usage: python benchmarks/run.py [NAME...]

By default all: goals, engine, cancel, interference, server, headers, commands; `crowd`, which takes
half an hour, and `variants`, which compiles several engines, only where they are named. A section
that is not measured anew stays as it was, with the machine and the versions that it was measured
with.
"""

import sys
from collections.abc import Callable

import cancel
import commands
import crowd
import goals
import headers
import interference
import variants
from findings import Finding, table
from results import machine, put

import engine
import server

PARTS: dict[str, Callable[[], list[Finding]]] = {
    "goals": goals.measure,
    "engine": engine.measure,
    "engine --streams": lambda: engine.measure(pooled=False),
    "cancel": cancel.measure,
    "interference": interference.measure,
    "server": server.measure,
    "headers": headers.measure,
    "commands": commands.measure,
    "crowd": crowd.usual,
    "variants": variants.measure,
}
NAMED_ONLY = ("crowd", "variants")


def main(names: list[str]) -> None:
    for name, measure in PARTS.items():
        script, _, options = name.partition(" ")
        if script not in (names or PARTS.keys() - NAMED_ONLY):
            continue
        print(f"## {name}", flush=True)
        before = machine()
        found = table(measure())
        print(found, flush=True)
        command = f"python benchmarks/{script}.py {options}".strip()
        put(name, f"{before}\n- Command: `{command}`\n\n{found}", PARTS)


if __name__ == "__main__":
    main(sys.argv[1:])
