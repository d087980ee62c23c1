"""`python -m puna` is the command `puna`."""

from puna.cli.app import main

main()
