"""Tells accounts apart without keeping their credentials: by a hash with a salt of this user's own.

The salt is made once, so that an account keeps its name from run to run; without it the names mean
nothing. The credential itself is never stored.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from typing import TYPE_CHECKING, Final

from offramp_core import atomic_file, private_files

if TYPE_CHECKING:
    from pathlib import Path

_SALT_BYTES: Final = 32
_HASH_BYTES = 8
_log = logging.getLogger(__name__)


class AccountIds:
    """Names accounts. `load` blocks; the rest does not."""

    def __init__(self, salt_file: Path) -> None:
        """Name accounts by the salt in `salt_file`, once loaded; until then by one that passes."""
        self._file = salt_file
        self._salt = secrets.token_bytes(_SALT_BYTES)

    def load(self) -> None:
        """Take up the salt, or make it. Where neither can be done, this run has one of its own."""
        try:
            self._salt = _read(self._file) or _make(self._file)
        except OSError as error:
            _log.warning(
                "The accounts' salt can't be kept: figures of earlier runs are not recognised",
                extra={"file": str(self._file), "error": error.strerror or str(error)},
            )

    def name(self, backend: str, credential: str) -> str:
        """Return the account behind `credential` at `backend`: 16 hex characters."""
        text = f"{backend}\0{credential}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._salt, digest_size=_HASH_BYTES).hexdigest()


def _read(file: Path) -> bytes | None:
    """Return the salt in `file`; None where there is none that can be used."""
    text = atomic_file.load(file, 4 * _SALT_BYTES)
    try:
        salt = bytes.fromhex((text or b"").decode("ascii").strip())
    except ValueError:
        return None
    return salt if len(salt) == _SALT_BYTES else None


def _make(file: Path) -> bytes:
    """Make a new salt in `file`, or take that of the process which was faster.

    Raises:
        OSError: it can't be written.
    """
    private_files.make_folder(file.parent)
    salt = secrets.token_bytes(_SALT_BYTES)
    text = salt.hex().encode() + b"\n"
    try:
        atomic_file.create(file, text)
    except OSError:  # there is one, or no salt, or a file system without links
        found = _read(file)
        if found is not None:
            return found
        atomic_file.replace(file, text)
    return salt
