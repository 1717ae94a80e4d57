"""Makes folders and opens files of Offramp's own so that other users of the machine stay out.

A folder that is made is private, and so is each parent that had to be made for it, whatever the
umask says. A file is opened only if its name is not a link and it belongs to the user: in a
folder that others may write to, somebody could have put another file there. All of it blocks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def make_folder(folder: Path) -> None:
    """Create `folder` and its missing parents, 0700; those that exist keep their mode.

    Raises:
        OSError: one of them can't be made, or is not a folder.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            each.mkdir(mode=_FOLDER_MODE)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def open_file(path: Path, flags: int) -> int:
    """Open `path` by `flags`, as `os.open` does, if it is the user's own; a new file is 0600.

    Raises:
        OSError: it can't be opened, is a link or no regular file, or belongs to somebody else.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe's name must not hold it up
    try:
        descriptor = os.open(path, flags, _FILE_MODE)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise PermissionError(errno.EPERM, "it is a link", str(path)) from error
    try:
        if not _is_own(os.fstat(descriptor), path.parent.stat()):
            raise PermissionError(errno.EPERM, "it is not a file of yours", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_own(file: os.stat_result, folder: os.stat_result) -> bool:
    """Whether nobody else can have put the file there.

    Where only the folder's owner may write, the folder says whose it is: some network file systems
    show every file as another user's.
    """
    is_shared = bool(folder.st_mode & _WRITABLE_BY_OTHERS)
    if not stat.S_ISREG(file.st_mode):
        return False
    if file.st_uid == os.geteuid():
        return not (is_shared and file.st_nlink > 1)
    return file.st_uid == folder.st_uid and not is_shared
