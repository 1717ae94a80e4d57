"""Reads a file whole and replaces it at once: a reader finds the old text or the new one.

Mode and owner stay; a symbolic link stays one, and what it leads to is replaced. A file that its
owner made read-only is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE_FOLDER = 0o700


def read(path: Path) -> bytes | None:
    """What is in `path`; None if there is no file.

    Raises:
        OfframpError: it can't be read, or is no regular file.
    """
    try:
        # A pipe or device would block, or never end.
        is_regular = stat.S_ISREG(path.stat().st_mode)
        data = path.read_bytes() if is_regular else b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OfframpError(
            f"{path} can't be read: {error.strerror}.",
            hint="Check the permissions of the file and of its folder.",
        ) from error
    if not is_regular:
        raise OfframpError(f"{path} is not a file.", hint="Move it away, and try again.")
    return data


def write(
    path: Path, data: bytes | None, *, before: bytes | None, like: Path | None = None
) -> None:
    """Let `path` hold `data`, or be gone where that is None; it held `before` when it was read.

    A new file has the mode and owner of `like`, else it is its owner's alone (0600), as is a folder
    that had to be made for it.

    Raises:
        OfframpError: that is not possible, or somebody else changed the file meanwhile.
    """
    target = path.resolve()
    try:
        if data is None:
            _refuse_change(path, before)
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        _replace(path, target, data, before, (like or path).resolve())
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its links lead in a circle"
        raise OfframpError(
            f"{path} can't be written: {reason}. It is as it was.",
            hint=f"Check the permissions of the file and of the folder {target.parent}.",
        ) from error


def _replace(path: Path, target: Path, data: bytes, before: bytes | None, like: Path) -> None:
    status = like.stat() if like.exists() else None
    if target.exists() and not _is_writable(target):
        # Replacing it would work where the folder allows it, but it was made so on purpose.
        raise PermissionError(errno.EACCES, "it is read-only")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
            file.flush()
            if status is not None:
                _keep_owner_and_mode(file.fileno(), status)
            os.fsync(file.fileno())
        _refuse_change(path, before)
        os.replace(name, target)  # noqa: PTH105 - mkstemp gives text
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 - mkstemp gives text
        raise
    _sync_folder(target.parent)


def _refuse_change(path: Path, before: bytes | None) -> None:
    if read(path) != before:
        raise OfframpError(
            f"{path} was changed by another program just now. Nothing was written.",
            hint="Try again.",
        )


def _is_writable(path: Path) -> bool:
    has_effective = os.access in os.supports_effective_ids
    return os.access(path, os.W_OK, effective_ids=has_effective)


def _keep_owner_and_mode(descriptor: int, status: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
