"""What `connect` must not forget until `disconnect`: a small file that only its owner can read.

It holds the value that connect replaced, which may be a gateway's address with a password in it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file
from offramp_core.claude_settings.editing import Made
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path


class TokenLine(msgspec.Struct, frozen=True, kw_only=True):
    """The line that connect added to the headers that Claude Code sends; the token is not kept."""

    previous: str | None = None
    """The JSON of the variable's value before; None where there was none."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that connect made of a settings file, beside it, and how to know it again."""

    name: str
    sha256: str


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One settings file into which connect wrote `url`."""

    file: str
    url: str
    made: Made
    previous: str | None = None
    """The JSON of the value that `url` replaced."""
    token_line: TokenLine | None = None
    """Set while the headers that Claude Code sends hold the client token by connect's doing."""
    status_line: str | None = None
    """The command of the status line that connect set, while it is there by connect's doing."""
    backups: tuple[Backup, ...] = ()
    """The oldest first."""


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    connections: tuple[Connection, ...] = ()


def recall(memory_file: Path, file: Path) -> Connection | None:
    """Read what connect left behind for this settings file.

    Raises:
        OfframpError: the memory can't be read.
    """
    wanted = os.fspath(file)
    return next((each for each in recall_all(memory_file) if each.file == wanted), None)


def recall_all(memory_file: Path) -> tuple[Connection, ...]:
    """Read what connect left behind for all settings files, the latest last.

    Raises:
        OfframpError: the memory can't be read.
    """
    return _load(atomic_file.read(memory_file), memory_file).connections


def remember(memory_file: Path, file: Path, connection: Connection | None) -> None:
    """Keep `connection` for this settings file, in place of an earlier one; None forgets it.

    Raises:
        OfframpError: the memory can't be read or written.
    """
    before = atomic_file.read(memory_file)
    memory = _load(before, memory_file)
    wanted = os.fspath(file)
    others = tuple(each for each in memory.connections if each.file != wanted)
    connections = others if connection is None else (*others, connection)
    if connections == memory.connections:
        return
    memory = msgspec.structs.replace(memory, connections=connections)
    data = msgspec.json.format(msgspec.json.encode(memory), indent=2) + b"\n"
    atomic_file.write(memory_file, data if connections else None, before=before)


def _load(data: bytes | None, memory_file: Path) -> _Memory:
    if data is None:
        return _Memory()
    try:
        return msgspec.json.decode(data, type=_Memory)
    except msgspec.DecodeError as error:
        raise OfframpError(
            f"{memory_file} is damaged: what connect remembered there can't be read.",
            hint="Move it away and try again. If connect had replaced a value, restore that by "
            "hand.",
        ) from error
