"""What is wrong with a template, as the process that renders it says it. Imports nothing."""


class Wrong(Exception):
    """What is wrong, in one line; `refuses` when the template itself says no to a conversation."""

    def __init__(self, message: str, *, refuses: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.refuses = refuses
