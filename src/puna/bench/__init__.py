"""`puna bench`: load for any server that speaks a known API, and what was measured of it."""
