"""The server's half of a runner."""
