"""The runner process's half: tokens in, tokens out."""
