"""The copies of a settings file that `connect` made of it: names them, finds and removes them.

A name that is taken, by whatever, is left to its owner. A copy counts as ours only while its
content is what connect wrote. All of it blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.claude_settings.undo_state import Backup
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.claude_settings.undo_state import Connection

_SUFFIX = ".offramp-backup"


def usual_path(file: Path) -> Path:
    """Return where the first copy of `file` goes, if nothing has that name."""
    return file.with_name(file.name + _SUFFIX)


def planned(file: Path, data: bytes, earlier: tuple[Backup, ...]) -> tuple[Backup, ...]:
    """Return `earlier` and, if none of those is still a copy of `data`, one more to be made."""
    digest = _digest(data)
    if any(each.sha256 == digest and _is_intact(file, each) for each in earlier):
        return earlier
    usual = usual_path(file)
    numbered = (usual.with_name(f"{usual.name}-{number}") for number in itertools.count(2))
    free = next(path for path in itertools.chain([usual], numbered) if not os.path.lexists(path))
    return (*earlier, Backup(name=free.name, sha256=digest))


def make(file: Path, data: bytes, backup: Backup) -> None:
    """Write the copy, with the mode and the owner of `file`.

    Raises:
        OfframpError: it can't be written, or something has got its name since it was planned.
    """
    path = file.with_name(backup.name)
    try:
        descriptor = private_files.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as copy:
            copy.write(data)
            copy.flush()
            os.fsync(copy.fileno())
            _be_like(copy.fileno(), file.stat())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritten(path, error) from error


def standing(file: Path, connection: Connection | None) -> tuple[Path, ...]:
    """Return the copies of `file` that are there and are what connect made, the oldest first."""
    return tuple(
        file.with_name(each.name)
        for each in (connection.backups if connection else ())
        if _is_intact(file, each)
    )


def drop_needless(file: Path, data: bytes, connection: Connection | None) -> bool:
    """Remove the copies that hold `data`, as the file itself does; return whether there were any.

    One that can't be removed stays, and `standing` goes on listing it.
    """
    is_dropped = False
    digest = _digest(data)
    for each in connection.backups if connection else ():
        if each.sha256 == digest and _is_intact(file, each):
            with contextlib.suppress(OSError):
                file.with_name(each.name).unlink()
                is_dropped = True
    return is_dropped


def _is_intact(file: Path, backup: Backup) -> bool:
    """Whether the copy is there, a file of the user's own, and still what was written."""
    try:
        descriptor = private_files.open_file(file.with_name(backup.name), os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as copy:
            return _digest(copy.read()) == backup.sha256
    except OSError:
        return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _be_like(descriptor: int, model: os.stat_result) -> None:
    os.fchown(descriptor, model.st_uid, model.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode))


def _unwritten(path: Path, error: OSError) -> OfframpError:
    return OfframpError(
        f"{path} can't be written: {error.strerror}. Claude Code's settings are as they were.",
        hint=f"Check the permissions of the folder {path.parent}, and try again.",
    )
