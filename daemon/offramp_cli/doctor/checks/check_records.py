"""Whether the request log can be written, how large it is, and what is in it."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core import log_names
from offramp_core.errors import OfframpError
from offramp_core.usage import records
from offramp_core.usage import state_events as events
from offramp_core.usage.log_reader import LogReader, log_files
from offramp_core.wording.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_cli.doctor.finding import Remark

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_LITTLE_BYTES = 500 * _MIB
_NOTHING_BYTES = 20 * _MIB
_LARGE_BYTES = 2 * _GIB
_EVENTS_BYTES = 4 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFolder:
    """The log's folder; `problem` is why nothing can be written there."""

    path: Path
    is_there: bool
    problem: str | None
    free_bytes: int | None
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMonth:
    """What is in the log for the current UTC month."""

    month: str
    count: int
    skipped: int
    newest: datetime | None
    events: int
    bad_events: int


def look(folder: Path) -> LogFolder:
    """Write a small file there and take it away again; nothing is made that is not there."""
    files = _log_files(folder)
    present = next((each for each in (folder, *folder.parents) if _is_folder(each)), Path("/"))
    is_there = present == folder
    return LogFolder(
        path=folder,
        is_there=is_there,
        problem=_writing_problem(folder) if is_there else _making_problem(present),
        free_bytes=_free_bytes(present),
        files=len(files),
        size_bytes=sum(map(_size, files)),
    )


def judge(folder: LogFolder) -> Iterator[Remark]:
    """Whether there is room, and permission."""
    files = "1 file" if folder.files == 1 else f"{folder.files} files"
    size = f"{files}, {_sized(folder.size_bytes)}"
    free = "" if folder.free_bytes is None else f"; {_sized(folder.free_bytes)} free on the disk"
    if folder.problem is not None:
        yield failure(
            f"Nothing can be written to {folder.path}: {folder.problem}.",
            "Make your user the owner of the folder, or set another with log_dir in config.toml "
            "(LOG_DIR).",
        )
    elif folder.is_there:
        yield ok(f"{folder.path} can be written to ({size}{free}).")
    else:
        yield ok(f"{folder.path} does not exist yet; the daemon creates it{free}.")
    if folder.free_bytes is not None and folder.free_bytes < _NOTHING_BYTES:
        yield failure("The disk is full: records will be lost.", "Free some space on it.")
    elif folder.free_bytes is not None and folder.free_bytes < _LITTLE_BYTES:
        yield warning(f"The disk has {_sized(folder.free_bytes)} left.", "Free some space on it.")
    if folder.size_bytes > _LARGE_BYTES:
        yield note(
            "The log is large, and nothing deletes it automatically.",
            "Move old months away if you don't need them.",
        )


def look_at_records(folder: Path, now: datetime) -> RecordedMonth:
    """Read this month's records, and the events.

    Raises:
        OfframpError: they can't be read.
    """
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    reader = LogReader(folder, since=start)
    count, newest = 0, None
    for found in reader.read_usage():
        moments = [record.ts for record in found if record.ts >= start]
        count += len(moments)
        newest = max((*moments, newest) if newest else moments, default=newest)
    counts = [_events(path) for path in log_names.find(folder, log_names.EVENTS)]
    return RecordedMonth(
        month=f"{start:%Y-%m}",
        count=count,
        skipped=reader.skipped_lines,
        newest=newest,
        events=sum(lines for lines, _ in counts),
        bad_events=sum(bad for _, bad in counts),
    )


def judge_records(recorded: RecordedMonth, now: datetime) -> Iterator[Remark]:
    """What is there, and what of it can't be read."""
    requests = "1 request" if recorded.count == 1 else f"{recorded.count} requests"
    age = ""
    if recorded.newest is not None:
        age_s = (now - recorded.newest).total_seconds()
        age = f", the latest {format_duration(max(age_s, 0))} ago"
    changes = "1 change" if recorded.events == 1 else f"{recorded.events} changes"
    yield ok(f"{requests} in {recorded.month} (UTC){age}; {changes} of state in events.jsonl.")
    torn = recorded.skipped + recorded.bad_events
    if torn:
        lines = "1 line" if torn == 1 else f"{torn} lines"
        yield note(
            f"Skipped {lines} of the log that can't be read.",
            "A crash or a full disk can cause them; only those requests are missing from the "
            "numbers.",
        )


def _writing_problem(folder: Path) -> str | None:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".offramp-doctor-") as probe:
            probe.write(b"probe")
            probe.flush()
    except OSError as error:
        return _lowered(error)
    return None


def _making_problem(present: Path) -> str | None:
    as_effective = os.access in os.supports_effective_ids
    if os.access(present, os.W_OK | os.X_OK, effective_ids=as_effective):
        return None
    return f"it does not exist, and {present} does not allow creating it"


def _free_bytes(present: Path) -> int | None:
    try:
        return shutil.disk_usage(present).free
    except OSError:
        return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it is in a folder that we may not enter
        return False


def _log_files(folder: Path) -> tuple[Path, ...]:
    try:
        return log_files(folder)
    except OfframpError:
        return ()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _events(path: Path) -> tuple[int, int]:
    """How many events the file's end holds, and how many lines there are none.

    A last line without its newline is neither: the rest of it is still to come.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _EVENTS_BYTES))
            lines = file.read(_EVENTS_BYTES).split(b"\n")[:-1]
    except OSError:
        return 0, 0
    bad = sum(not _is_event(line) for line in lines)
    return len(lines) - bad, bad


def _is_event(line: bytes) -> bool:
    try:
        events.decode(line)
    except records.UNREADABLE:
        return False
    return True


def _lowered(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _sized(count: int) -> str:
    if count >= _GIB:
        return f"{count / _GIB:.1f} GiB"
    return f"{count / _MIB:.1f} MiB" if count >= _MIB else f"{math.ceil(count / 1024)} KiB"
