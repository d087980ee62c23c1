"""Machines that can start runners."""
