"""The application."""

from puna.server import lightly as lightly
