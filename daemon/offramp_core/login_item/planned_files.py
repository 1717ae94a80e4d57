"""Files that a login item consists of: what would become of each, and the writing of it.

A file is replaced at once, a link in its place included: what stands there is only ours, and a
"masked" unit, say, is a link to /dev/null.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from offramp_core import atomic_file, private_files
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

_FILE_MODE = 0o644
_MAX_BYTES = 1024 * 1024


class Fate(Enum):
    """What becomes of a file; the values are the words that the user reads."""

    CREATED = "created"
    CHANGED = "changed"
    SAME = "same"
    REMOVED = "removed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file as it is and as it is to be; None is no file."""

    path: Path
    before: bytes | None
    after: bytes | None

    @property
    def fate(self) -> Fate:
        """What becomes of it."""
        if self.before == self.after:
            return Fate.ABSENT if self.after is None else Fate.SAME
        if self.after is None:
            return Fate.REMOVED
        return Fate.CREATED if self.before is None else Fate.CHANGED

    @property
    def is_change(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after


def plan(path: Path, after: bytes | None) -> PlannedFile:
    """Compare what is at `path` with what is to be there.

    Raises:
        OfframpError: a folder is in the way, or the file can't be read.
    """
    return PlannedFile(path=path, before=_present(path), after=after)


def apply(planned: PlannedFile) -> None:
    """Do it; folders that are missing are made.

    Raises:
        OfframpError: the file can't be written or removed; it is then as it was.
    """
    path, after = planned.path, planned.after
    try:
        if after is None:
            path.unlink(missing_ok=True)
        else:
            private_files.make_folder(path.parent)
            atomic_file.replace(path, after, mode=_FILE_MODE)
    except OSError as error:
        verb = "removed" if after is None else "written"
        raise OfframpError(
            f"{path} can't be {verb}: {error.strerror}.",
            hint=f"Check the permissions of the folder {path.parent}, and who owns it.",
        ) from error


def make_folder(folder: Path) -> None:
    """Make `folder`, private to its owner, if it is missing.

    Raises:
        OfframpError: it can't be made.
    """
    try:
        private_files.make_folder(folder)
    except OSError as error:
        raise OfframpError(
            f"The folder {folder} can't be created: {error.strerror}.",
            hint=f"Check the permissions of {folder.parent}.",
        ) from error


def _present(path: Path) -> bytes | None:
    """What is at `path`; nothing, as far as a comparison goes, where a link or a device is."""
    try:
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            raise OfframpError(f"{path} is a folder.", hint="Move it away, and try again.")
        if not stat.S_ISREG(status.st_mode):
            return b""
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OfframpError(
            f"{path} can't be read: {error.strerror}.",
            hint="Check the permissions of the file and of its folder.",
        ) from error
