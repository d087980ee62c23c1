"""Stands in for the build system of an archive that is only fetched: see toolchain.py."""
