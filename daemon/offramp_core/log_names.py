"""How the files of the log folder are named: the one place that knows, for writers and readers.

Without a machine's name the files are `requests-YYYY-MM.jsonl`, `events.jsonl` and `quota.jsonl`.
Where several machines share the folder by way of a synchroniser, each writes files of its own:
`requests-YYYY-MM.NAME.jsonl` and so on. A machine never writes another one's file.

Where two machines changed one file, a synchroniser keeps the second version as a conflict copy
beside it. Their names are those of Syncthing (`.sync-conflict-…`), Dropbox, Nextcloud and Seafile
(` (… conflicted copy …)`), ownCloud (`_conflict-…`), Resilio (`.Conflict`), iCloud and Google Drive
(` 2`, ` (1)`), rclone and pCloud (`.jsonl.conflict1`, `.jsonl.conflicted`), OneDrive (`-COMPUTER`)
and Synology Drive (`_COMPUTER_Jan-03-0901-2026_CaseConflict_1`). The last two read as a machine's
longer name: see `may_copy`. What a synchroniser has not finished begins with a dot or `~`, and is
no file of the log.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Kind = Literal["requests", "events", "quota"]

REQUESTS: Final = "requests"
EVENTS: Final = "events"
QUOTA: Final = "quota"

KINDS: Final = (REQUESTS, EVENTS, QUOTA)

LONGEST_MACHINE: Final = 32

_MACHINE = (
    r"(?!(?i:sync-)?(?i:conflict))[A-Za-z0-9]"
    rf"(?:(?![_-](?i:conflict))[A-Za-z0-9_-]){{0,{LONGEST_MACHINE - 1}}}"
)
_MACHINE_NAME = re.compile(_MACHINE)
_MARK = r"[ (].*|[._-](?i:sync-)?(?i:conflict).*"
"""What synchronisers put behind a name."""
_END = r"\.jsonl(?P<after>\.(?i:conflict)(?:ed|\d+)?|\.{1,2}(?:conflict|path)\d+)?"
_BESIDE = re.compile(
    rf"(?P<kind>events|quota)(?:\.(?P<machine>{_MACHINE}))?(?P<mark>{_MARK}|){_END}"
)
_REQUESTS = re.compile(
    rf"(?P<kind>requests)(?:-(?P<month>\d{{4}}-\d{{2}})(?!\d))?(?:\.(?P<machine>{_MACHINE}))?"
    rf"(?P<mark>.*?){_END}",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LogName:
    """What a file's name says of it; `month` and `machine` are empty where there is none."""

    kind: Kind
    month: str
    machine: str
    is_copy: bool
    """A synchroniser's, or the user's, copy of the file of that month and machine."""

    @property
    def original(self) -> str:
        """The name of the file that it is, or is a copy of."""
        return file_name(self.kind, self.month, self.machine)


def is_machine_name(text: str) -> bool:
    """Return whether `text` can be in a file's name for a machine, on any file system."""
    return _MACHINE_NAME.fullmatch(text) is not None


def file_name(kind: Kind, month: str = "", machine: str = "") -> str:
    """Return the name of a file of that kind; `month` is `YYYY-MM`, for requests."""
    dated = f"{kind}-{month}" if month else kind
    return f"{dated}.{machine}.jsonl" if machine else f"{dated}.jsonl"


@lru_cache(maxsize=1024)  # the same names again, several times a second where charts are open
def parse(name: str) -> LogName | None:
    """Return what `name` says; None where it is the name of no file of the log."""
    found = _REQUESTS.fullmatch(name) or _BESIDE.fullmatch(name)
    if found is None:
        return None
    parts = found.groupdict()
    return LogName(
        kind=next(kind for kind in KINDS if kind == parts["kind"]),
        month=parts.get("month") or "",
        machine=parts["machine"] or "",
        is_copy=bool(parts["mark"] or parts["after"]),
    )


def find(folder: Path, *kinds: Kind) -> tuple[Path, ...]:
    """Return the files of these kinds in `folder`, those without a month first, then by month.

    Of one month and machine the original comes before its copies. A folder that is not there has
    none.

    Raises:
        OSError: the folder is there but can't be listed.
    """
    return tuple(folder / name for name in _sorted(_listed(folder), kinds))


def may_copy(name: str) -> tuple[str, ...]:
    """Return of which files the one called `name` may be a copy, the shortest names first.

    OneDrive and Synology Drive put a computer's name behind a file's, which reads as a machine's
    longer name. Only what the files hold shows whether it is a copy. Not all of these names need be
    those of files of the log.
    """
    stem = name.rpartition(".jsonl")[0]
    ends = (end for end, character in enumerate(stem) if not character.isalnum())
    return tuple(f"{stem[:end]}.jsonl" for end in ends)


def are_of_one_month(one: str, other: str) -> bool:
    """Whether two files, by their names, are of one kind and one month."""
    first, second = parse(one), parse(other)
    if first is None or second is None:
        return False
    return (first.kind, first.month) == (second.kind, second.month)


def original_of(path: Path) -> str:
    """Return the name of the file that the one at `path` is, or is a copy of."""
    name = parse(path.name)
    return name.original if name is not None else path.name


def machine_of(path: Path) -> str:
    """Return whose the file is by its name; empty where it names no machine."""
    name = parse(path.name)
    return name.machine if name is not None else ""


def month_of(path: Path) -> str:
    """Return the month that the file's name tells, `YYYY-MM`; empty where there is none."""
    name = parse(path.name)
    return name.month if name is not None else ""


def _listed(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except FileNotFoundError:
        return []


def _sorted(names: Iterable[str], kinds: tuple[Kind, ...]) -> list[str]:
    parsed = [(name, said) for name in names if (said := parse(name))]
    found = [(name, said) for name, said in parsed if said.kind in kinds]
    found.sort(key=lambda each: (each[1].month, each[1].machine, each[1].is_copy, each[0]))
    return [name for name, _ in found]
