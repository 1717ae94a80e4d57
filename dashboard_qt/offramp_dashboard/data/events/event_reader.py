"""What daemons told of themselves, from `events.jsonl`. No Qt."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

from offramp_core import log_names
from offramp_core.usage import copy_filter, state_events
from offramp_core.usage.records import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from offramp_core.usage.state_events import StateEvent

MOST_BYTES = 4 * 1024 * 1024
"""Of the file's end that are read: many thousand changes of state."""


def read(folder: Path, *, most_bytes: int = MOST_BYTES) -> tuple[tuple[StateEvent, ...], ...]:
    """Read each machine's events in `folder`, in order, from the last `most_bytes` of its file.

    What a conflict copy of the file holds besides is among them. A folder without events, or that
    can't be listed, has no machine.
    """
    try:
        files = log_names.find(folder, log_names.EVENTS)
    except OSError:
        return ()
    return tuple(_read_machine(paths, most_bytes) for paths in copy_filter.grouped(files))


def _read_machine(paths: Sequence[Path], most_bytes: int) -> tuple[StateEvent, ...]:
    found: list[StateEvent] = []
    copies = copy_filter.CopyFilter(paths)
    for path in paths:
        for line in _tail(path, most_bytes).split(b"\n"):
            try:
                event = state_events.decode(line)
            except UNREADABLE:
                continue  # an empty line, or one torn by a full disk or by where we began
            if copies.passes(path, line):
                found.append(event)
    return tuple(found if len(paths) == 1 else sorted(found, key=attrgetter("ts")))


def moment_of(text: str) -> datetime | None:
    """The time that an event names; None where that is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 1 < moment.year < 9998 else None


def _tail(file: Path, most_bytes: int) -> bytes:
    """The end of `file`; nothing where it can't be read, for marks are not worth an error."""
    try:
        # Never waits, even on a pipe.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return b""
        return os.pread(descriptor, most_bytes, max(0, status.st_size - most_bytes))
    except OSError:
        return b""
    finally:
        os.close(descriptor)
