"""Whole screens, each compared with a file of its own; UPDATE_GOLDEN=1 writes the files again."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "cli" / "golden"


def assert_screen(shown: str, name: str, *, home: Path | None = None) -> None:
    """`shown`, with HOME for `home` and no spaces at the ends of lines, is the screen `name`."""
    text = shown if home is None else shown.replace(str(home), "HOME")
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    file = _FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
