"""Reads a file whole and replaces it at once: a reader finds the old text or the new one.

`read` and `write` are for files that belong to the user: mode and owner stay, a symbolic link stays
one, what it leads to is replaced, and a file that its owner made read-only is not touched. `load`,
`replace` and `create` are for files of Offramp's own, which nobody edits. All of it blocks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PRIVATE_FILE = 0o600
_ANY_WRITER = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read(path: Path) -> bytes | None:
    """Return what is in `path`; None if there is no file.

    Raises:
        OfframpError: it can't be read, or is not a regular file.
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
    path: Path,
    data: bytes | None,
    *,
    before: bytes | None,
    like: Path | None = None,
    is_private: bool = False,
) -> None:
    """Let `path` hold `data`, or be gone where that is None; it held `before` when it was read.

    A new file has the mode and owner of `like`. Without that, only its owner can use it (0600), and
    only its owner can use a folder that had to be made for it. `is_private` makes any file so.

    Raises:
        OfframpError: that is not possible, or somebody else changed the file meanwhile.
    """
    folder = path.parent
    try:
        target = _target_of(path)
        folder = target.parent
        if data is None:
            _refuse_change(path, before)
            target.unlink(missing_ok=True)
            return
        private_files.make_folder(folder)
        if target.exists() and not _is_writable(target):
            # Replacing it would work where the folder allows it, but it was made so on purpose.
            raise PermissionError(errno.EACCES, "it is read-only")
        pattern = _target_of(like or path)
        replace(
            target,
            data,
            like=pattern.stat() if pattern.exists() else None,
            is_private=is_private,
            check=lambda: _refuse_change(path, before),
        )
    except OSError as error:
        reason = "its links lead in a circle" if error.errno == errno.ELOOP else error.strerror
        raise OfframpError(
            f"{path} can't be written: {reason}. It was not changed.",
            hint=f"Check the permissions of the file and of the folder {folder}.",
        ) from error


def can_write(path: Path) -> bool:
    """Whether `write` would be let to replace or make `path`, as far as that shows beforehand."""
    try:
        target = _target_of(path)
        if target.exists() and not _is_writable(target):
            return False
        folder = next(each for each in target.parents if each.exists())
    except OSError:
        return False
    return _may_write(folder)


def _target_of(path: Path) -> Path:
    """The file that `path` leads to, whether it is there or not.

    Raises:
        OSError: its links lead in a circle. Python 3.13 and later stop at one of them, and earlier
            ones raise a RuntimeError.
    """
    try:
        target = path.resolve()
        is_link = target.is_symlink()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path)) from error
    if is_link:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
    return target


def load(path: Path, most_bytes: int) -> bytes | None:
    """Return the first `most_bytes` of `path`; None if there is no file.

    Raises:
        OSError: it can't be read, or is not a regular file.
    """
    try:
        # A pipe or device would block, or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        with path.open("rb") as file:
            return file.read(most_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return None


def replace(
    path: Path,
    data: bytes,
    *,
    mode: int = _PRIVATE_FILE,
    like: os.stat_result | None = None,
    is_private: bool = False,
    waits_for_disk: bool = True,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Put `data` in the place of `path`, whole or not at all, so that it survives a power cut.

    It has `mode`, or the mode and the owner of `like`, of which `is_private` leaves the owner's own
    rights. Without `waits_for_disk` a power cut may
    cost it: for what is easily made again, and for threads that may not wait. `check` is called
    last before the old file goes, and may raise to keep it.

    Raises:
        OSError: the disk is full, read-only or broken; what was there stays.
    """
    with _written_beside(
        path, data, mode, like, is_private=is_private, waits_for_disk=waits_for_disk
    ) as new:
        check()
        new.replace(path)
    if waits_for_disk:
        _sync_folder(path.parent)


def create(path: Path, data: bytes) -> None:
    """Put `data` into the new file `path` (0600), whole or not at all.

    Raises:
        FileExistsError: there is a file, which stays.
        OSError: it can't be written, or the file system has no links.
    """
    with _written_beside(path, data, _PRIVATE_FILE, None) as new:
        os.link(new, path)


@contextlib.contextmanager
def _written_beside(
    path: Path,
    data: bytes,
    mode: int,
    like: os.stat_result | None,
    *,
    is_private: bool = False,
    waits_for_disk: bool = True,
) -> Iterator[Path]:
    """Write `data` into a file beside `path`, which is gone at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if like is not None:
                _keep_owner_and_mode(file.fileno(), like, is_private=is_private)
            elif mode != _PRIVATE_FILE:  # which it has already
                os.fchmod(file.fileno(), mode)
            if waits_for_disk:
                os.fsync(file.fileno())
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()


def _refuse_change(path: Path, before: bytes | None) -> None:
    if read(path) != before:
        raise OfframpError(
            f"{path} was changed by another program just now. Nothing was written.",
            hint="Try again.",
        )


def _is_writable(file: Path) -> bool:
    """Whether its owner lets anybody write it, us included; root could write any file."""
    return bool(file.stat().st_mode & _ANY_WRITER) and _may_write(file)


def _may_write(path: Path) -> bool:
    has_effective = os.access in os.supports_effective_ids
    return os.access(path, os.W_OK, effective_ids=has_effective)


def _keep_owner_and_mode(descriptor: int, status: os.stat_result, *, is_private: bool) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    mode = stat.S_IMODE(status.st_mode)
    os.fchmod(descriptor, mode & _PRIVATE_FILE if is_private else mode)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
