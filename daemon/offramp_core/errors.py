"""The errors that Offramp raises on purpose, each fit to be shown to its user."""


class OfframpError(Exception):
    """An error with a title that says what failed, and a hint that says what to do about it."""

    def __init__(self, title: str, *, hint: str = "") -> None:
        """Keep `title` (one sentence, with the value that failed) and `hint` (the cure)."""
        super().__init__(title)
        self.title = title
        self.hint = hint

    def __str__(self) -> str:
        """Title and hint as one text."""
        return f"{self.title} {self.hint}".strip()
