"""Puna's own API: what the others have no route for."""
