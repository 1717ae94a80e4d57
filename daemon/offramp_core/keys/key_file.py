"""The key file, `keys.json`: per backend its key, or the mark that the system keyring holds it.

Written whole or not at all, and readable only by its owner. Whatever is wrong with it never keeps
the daemon from starting: what can't be used is left out, and a note says so.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

from offramp_core import atomic_file
from offramp_core.errors import OfframpError
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KeyPlace = Literal["keyring", "file"]

_VERSION = 1
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class StoredKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One backend's entry; `key` is None where the keyring holds it."""

    place: KeyPlace
    key: Secret | None = None
    stored: str = ""
    """Differs each time that a key is stored, so that a running daemon notices a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """What the file holds, by backend, and whole sentences on what is wrong with it."""

    keys: Mapping[str, StoredKey] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    version: int = _VERSION
    keys: dict[str, StoredKey] = {}


class _Version(msgspec.Struct, frozen=True):
    version: int


def read(path: Path) -> KeyFile:
    """Read what is in `path`, and make it private where others could read it. Never raises."""
    note = _make_private(path)
    notes = (note,) if note else ()
    try:
        return KeyFile(keys=load(path), notes=notes)
    except OfframpError as error:
        return KeyFile(notes=(*notes, f"The stored keys can't be used. {error}"))


def put(path: Path, backend: str, *, place: KeyPlace, key: Secret | None = None) -> None:
    """Store this for `backend`, in place of what was there; `key` where the file is the place.

    Raises:
        OfframpError: the file can't be read or written; it is then as it was.
    """
    stored = datetime.now(UTC).isoformat()
    _change(path, backend, StoredKey(place=place, key=key, stored=stored))


def remove(path: Path, backend: str) -> StoredKey | None:
    """Forget the entry of `backend`, and return it; None if there is none.

    Raises:
        OfframpError: the file can't be read or written; it is then as it was.
    """
    return _change(path, backend, None)


def load(path: Path) -> Mapping[str, StoredKey]:
    """Read the entries by backend, for those who change them.

    Raises:
        OfframpError: the file can't be read or is damaged.
    """
    return _decoded(path, atomic_file.read(path))


def _change(path: Path, backend: str, entry: StoredKey | None) -> StoredKey | None:
    before = atomic_file.read(path)
    keys = dict(_decoded(path, before))
    replaced = keys.pop(backend, None)
    if entry is None and replaced is None:
        return None
    if entry is not None:
        keys[backend] = entry
    _make_private(path)
    atomic_file.write(path, _encoded(keys) if keys else None, before=before)
    with contextlib.suppress(OSError):  # somebody else's folder; the file is still private
        path.parent.chmod(_FOLDER_MODE)
    return replaced


def _decoded(path: Path, data: bytes | None) -> Mapping[str, StoredKey]:
    if data is None:
        return {}
    # No library error is chained: its text, or its traceback, could hold a key.
    problem = hint = ""
    content = _Content()
    try:
        content = msgspec.json.decode(data, type=_Content, dec_hook=_secret)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = f"{path} is damaged."
        hint = "Remove it, and store the key again: offramp key set"
    if _version(data) > _VERSION:
        problem = f"{path} was written by a newer Offramp."
        hint = "Use that version, or remove the file and store the key again: offramp key set"
    if problem:
        raise OfframpError(problem, hint=hint)
    return MappingProxyType(content.keys)


def _secret(kind: type, value: object) -> Secret:
    """The key of an entry; the only one of its values that msgspec does not know."""
    if kind is not Secret or not isinstance(value, str):
        raise TypeError
    return Secret(value)


def _version(data: bytes) -> int:
    try:
        return msgspec.json.decode(data, type=_Version).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _encoded(keys: Mapping[str, StoredKey]) -> bytes:
    data = msgspec.json.encode(_Content(keys=dict(keys)), enc_hook=Secret.reveal)
    return msgspec.json.format(data, indent=2) + b"\n"


def _make_private(path: Path) -> str | None:
    """Make the file private to its owner; return what to say to the user where it was not."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & _OTHERS:
            return None
        path.chmod(_FILE_MODE)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = error.strerror or os.strerror(error.errno or 0)
        return f"Others may be able to read {path}, and its permissions can't be changed: {why}."
    return f"Others could read {path} (mode {mode:04o}); now only you can read it (0600)."
