"""Keeps `quota.json`: what several daemons know of the plans, joined; written whole or not at all.

While one daemon takes over from another both write: each joins what it knows with what the file
holds, under a lock, so that nothing newer is lost. Everything here blocks.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.errors import OfframpError
from offramp_core.quota import state_file
from offramp_daemon.quota import merging
from offramp_daemon.storage.locked_file import open_locked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota

Mark = tuple[int, int, int]
"""Time of change (ns), size (bytes) and inode of the file."""

_MOST_BYTES = 2 * 1024 * 1024


def load(file: Path, now: datetime) -> tuple[PlanQuota, ...]:
    """Return the plans in `file`, the one that told last first; none where there is no file.

    Raises:
        OfframpError: it can't be read, or holds something else.
    """
    try:
        data = atomic_file.load(file, _MOST_BYTES)
        return () if data is None else merging.joined(state_file.decode(data), (), now)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error
    except ValueError as error:
        raise _unreadable(file, "it is damaged") from error


def mark(file: Path) -> Mark | None:
    """Return what differs once `file` does; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def save(file: Path, plans: Iterable[PlanQuota], now: datetime) -> tuple[PlanQuota, ...]:
    """Write `plans`, joined with what the file holds by now, and return that.

    Raises:
        OSError: the disk is full, read-only or broken; what was there stays.
    """
    with open_locked(file.with_name(f"{file.name}.lock")):
        there: tuple[PlanQuota, ...] = ()
        with contextlib.suppress(OfframpError):  # said at the start; it is replaced
            there = load(file, now)
        joined = merging.joined(plans, there, now)
        atomic_file.replace(file, state_file.encode(joined))
        return joined


def _unreadable(file: Path, why: str) -> OfframpError:
    return OfframpError(
        f"What was known of the plans' limits can't be read from {file}: {why}.",
        hint="It is created again with the next answer.",
    )
