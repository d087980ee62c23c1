"""Puna: one LLM server for your own machines."""
