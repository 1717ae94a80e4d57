"""Remembers the latest request of each session, so that its status line can say who served it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.usage import records
from offramp_core.usage.log_reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from offramp_core.usage.records import RequestRecord

_MOST_SESSIONS = 500
_MOST_LINES = 5000
"""Of the log, looked through once: a busy day or two."""
_QUOTA_PROBE = "kept: quota_probe"
"""Claude Code's own first request, which nobody sees."""


class LastServed:
    """The latest requests; used from the event loop only."""

    def __init__(self) -> None:
        """Know of none."""
        self._of_sessions: OrderedDict[str, RequestRecord] = OrderedDict()

    def note(self, record: RequestRecord) -> None:
        """Remember a request that has ended."""
        if record.session_id and _counts(record):
            self._of_sessions[record.session_id] = record
            self._of_sessions.move_to_end(record.session_id)
            if len(self._of_sessions) > _MOST_SESSIONS:
                self._of_sessions.popitem(last=False)

    def take_up(self, earlier: Mapping[str, RequestRecord]) -> None:
        """Take over what the log holds of sessions that nothing is known of."""
        for session, record in earlier.items():
            if len(self._of_sessions) < _MOST_SESSIONS and session not in self._of_sessions:
                self._of_sessions[session] = record
                self._of_sessions.move_to_end(session, last=False)

    def of(self, session: str | None) -> RequestRecord | None:
        """Return the session's latest request; None if none is known."""
        return None if session is None else self._of_sessions.get(session)


def from_log(folder: Path) -> dict[str, RequestRecord]:
    """Return the latest request of each session in the end of the log, latest first. Blocks.

    A log that can't be read holds none.
    """
    found: dict[str, RequestRecord] = {}
    reader = LogReader(folder)
    try:
        reader.skip_to_end()
        for number, line in enumerate(reader.consumed_lines_backwards()):
            if number >= _MOST_LINES:
                break
            try:
                record = records.decode(line)
            except records.UNREADABLE:
                continue
            if record.session_id and _counts(record):
                found.setdefault(record.session_id, record)
    except OfframpError:
        return found
    return found


def _counts(record: RequestRecord) -> bool:
    return record.model is not None and record.reason != _QUOTA_PROBE
