"""What tells this machine from another one that was given the same name by mistake.

A random text in a file of the data folder, which no synchroniser shares. It says nothing of the
machine, and stands in the event by which a daemon with a named machine says that it started.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING

from offramp_core import atomic_file, private_files

if TYPE_CHECKING:
    from pathlib import Path

_HEX_DIGITS = 16
_ID = re.compile(rf"[0-9a-f]{{{_HEX_DIGITS}}}")


def load(file: Path) -> str | None:
    """Return the id in `file`; None where there is none that can be used."""
    try:
        data = atomic_file.load(file, 2 * _HEX_DIGITS)
        text = (data or b"").decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if _ID.fullmatch(text) else None


def load_or_make(file: Path) -> str | None:
    """Return the id in `file`, which is made where there is none; None if it can't be."""
    found = load(file)
    if found is not None:
        return found
    with contextlib.suppress(OSError):
        private_files.make_folder(file.parent)
        atomic_file.replace(file, secrets.token_hex(_HEX_DIGITS // 2).encode() + b"\n")
    return load(file)
