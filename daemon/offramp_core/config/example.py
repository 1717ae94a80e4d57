"""The settings file that a user begins with: every setting, each as a comment with its default."""

from __future__ import annotations

import contextlib
import os
from importlib import resources
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

_FILE_NAME = "config.example.toml"


def text() -> str:
    """Read the example; as it stands it changes nothing."""
    return resources.files("offramp_core.config").joinpath(_FILE_NAME).read_text(encoding="utf-8")


def create_if_missing(file: Path) -> bool:
    """Put the example at `file`, which only its user can read; whether there was none.

    Raises:
        OfframpError: the file, or its folder, can't be made.
    """
    if file.exists():
        return False
    try:
        private_files.make_folder(file.parent)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_made(file, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text())
    except OSError as error:
        with contextlib.suppress(OSError):
            file.unlink()
        raise _not_made(file, error) from error
    return True


def _not_made(file: Path, error: OSError) -> OfframpError:
    return OfframpError(
        f"The settings file {file} can't be created: {error.strerror or error}.",
        hint="Make its folder writable for your user.",
    )
