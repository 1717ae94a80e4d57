"""Keeps `troubles.json`: runs of failed requests and counts, so that they outlive the daemon.

While one daemon takes over from another both write: each joins what it knows with what the file
holds, under a lock. Counts are added up, so that none is lost or counted twice. Runs are of one
version of Offramp, for the next one may well send what this one's service refused: whoever starts
takes the file over for its version. Everything here blocks.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from offramp_core import __version__, atomic_file
from offramp_core.control.api import StandIns
from offramp_core.errors import OfframpError
from offramp_daemon.storage.locked_file import open_locked
from offramp_daemon.trouble.runs import Run

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_daemon.trouble.watch import WatchState

_MOST_BYTES = 4 * 1024 * 1024
_FIRST_YEAR, _LAST_YEAR = 1970, 9990
"""Moments near the calendar's ends can't be added to."""


class StoredTroubles(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content."""

    version: str = __version__
    runs: tuple[Run, ...] = ()
    counts: tuple[StandIns, ...] = ()


def load(file: Path) -> StoredTroubles:
    """Return what `file` holds; nothing where there is no file.

    Raises:
        OfframpError: it can't be read, or holds something else.
    """
    try:
        data = atomic_file.load(file, _MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error
    if data is None:
        return StoredTroubles()
    try:
        found = msgspec.json.decode(data, type=StoredTroubles)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(file, "it is damaged") from error
    moments = [
        *(moment for run in found.runs for moment in (run.since, run.latest, run.next_try)),
        *(row.latest for run in found.runs for row in run.rows.values()),
        *(count.since for count in found.counts),
    ]
    if any(moment and not _FIRST_YEAR < moment.year < _LAST_YEAR for moment in moments):
        raise _unreadable(file, "it is damaged")
    return found


class StateWriter:
    """One process's writer of the file. Used from one thread at a time."""

    def __init__(self, file: Path, version: str = __version__) -> None:
        """Write to `file` as a daemon of that version."""
        self._file = file
        self._version = version
        self._written: tuple[StandIns, ...] = ()
        """Of this process's counts, what the file holds already."""
        self._has_taken_over = False

    def save(self, state: WatchState) -> StoredTroubles:
        """Write `state`, joined with what the file holds by now, and return that.

        Raises:
            OSError: the disk is full, read-only or broken; what was there stays.
        """
        with open_locked(self._file.with_name(f"{self._file.name}.lock")):
            there = StoredTroubles(version=self._version)
            with contextlib.suppress(OfframpError):  # said at the start; it is replaced
                there = load(self._file)
            counts = _added(there.counts, state.counts, self._written)
            if there.version == self._version or not self._has_taken_over:
                before = there.runs if there.version == self._version else ()
                found = StoredTroubles(
                    version=self._version, runs=_joined(before, state), counts=counts
                )
            else:  # a daemon of another version has taken over from this one
                found = msgspec.structs.replace(there, counts=counts)
            atomic_file.replace(self._file, msgspec.json.encode(found) + b"\n")
        self._written, self._has_taken_over = state.counts, True
        return found


def _joined(there: tuple[Run, ...], state: WatchState) -> tuple[Run, ...]:
    """The later of each run, without those that have ended since."""
    runs = {run.key: run for run in there}
    for run in state.runs:
        if run.key not in runs or runs[run.key].latest <= run.latest:
            runs[run.key] = run
    known = {run.key for run in state.runs}
    for key, ended in state.ended.items():
        if key in runs and key not in known and runs[key].latest <= ended:
            del runs[key]
    return tuple(runs.values())


def _added(
    there: tuple[StandIns, ...], own: tuple[StandIns, ...], written: tuple[StandIns, ...]
) -> tuple[StandIns, ...]:
    """What the file counts, and what this process has counted since it wrote last."""
    counts = {_name(each): each for each in there}
    before = {_name(each): each.requests for each in written}
    for each in own:
        number = each.requests - before.get(_name(each), 0)
        known = counts.get(_name(each))
        total = number + (known.requests if known else 0)
        if total:
            counts[_name(each)] = msgspec.structs.replace(known or each, requests=total)
    return tuple(counts.values())


def _name(count: StandIns) -> tuple[str, str, str]:
    return count.backend, count.model, count.cause


def _unreadable(file: Path, why: str) -> OfframpError:
    return OfframpError(
        f"What was known of troubles with delegation can't be read from {file}: {why}.",
        hint="It is begun again.",
    )
