"""Puna: one LLM server for your own machines."""

__version__ = "0.1.0"
