"""Reads a settings file whole, and says in the user's words why it can't be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.config.values import ConfigError
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1024 * 1024


def read_text(path: Path) -> str | None:
    r"""Read `path`, with `\n` line ends and no byte order mark; None if there is no file.

    Raises:
        ConfigError: it is not a regular file, can't be read, is far too large, or is not UTF-8.
    """
    try:
        data = atomic_file.read(path)
    except OfframpError as error:
        is_other = error.__cause__ is None  # a folder, say
        hint = "Put a text file there, or remove it." if is_other else error.hint
        raise ConfigError(error.title, hint=hint) from error
    if data is None:
        return None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB.", hint="Is it the right file?")
    text = _decoded(data)
    if text is None:
        raise ConfigError(f"{path} is not UTF-8 text.", hint="Save it with the encoding UTF-8.")
    return text.replace("\r\n", "\n")


def _decoded(data: bytes) -> str | None:
    """None for bad bytes: the library's error would carry the whole file along."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
