"""Writes an invented request log with pauses, for the README's pictures: sample_log.py FOLDER."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from offramp_core import events, records
from offramp_core.events import StateEvent
from offramp_core.records import RequestRecord, format_timestamp
from offramp_core.settings import ANTHROPIC
from offramp_core.weeks import system_zone
from offramp_daemon.sample_history import history

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED = 11
_PAUSES = ((timedelta(days=16), timedelta(hours=30)), (timedelta(days=5), timedelta(hours=20)))
"""How long ago each began, and how long it lasted."""
_DENSE = timedelta(days=1)
_KEPT_OF_DENSE = 3
"""One in so many of the last day's, which the demo's history has more of than of other days."""


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    now = datetime.now(system_zone(os.environ))
    for record in _history(now):
        with (folder / f"requests-{record.ts[:7]}.jsonl").open("ab") as file:
            file.write(records.encode(record))
    lines = [events.encode(event) for event in _events(now)]
    (folder / events.FILE_NAME).write_bytes(b"".join(lines))


def _history(now: datetime) -> Iterator[RequestRecord]:
    """Weeks of work, all of it at Anthropic while delegation was paused."""
    for place, record in enumerate(history(now, _SEED)):
        moment = datetime.fromisoformat(record.ts)
        if now - moment < _DENSE and place % _KEPT_OF_DENSE:
            continue
        if any(timedelta() <= moment - (now - ago) < length for ago, length in _PAUSES):
            yield msgspec.structs.replace(record, backend=ANTHROPIC, reason="paused")
        else:
            yield record


def _events(now: datetime) -> Iterator[StateEvent]:
    for ago, length in _PAUSES:
        start = now - ago
        yield StateEvent(ts=format_timestamp(start - timedelta(days=4)), event=events.STARTED)
        yield StateEvent(ts=format_timestamp(start), event=events.PAUSED)
        yield StateEvent(ts=format_timestamp(start + length), event=events.RESUMED)


if __name__ == "__main__":
    main()
