"""Writes an invented request log with pauses, for the README's pictures: sample_log.py FOLDER."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from offramp_cli.demo.sample_history import history
from offramp_core.settings import ANTHROPIC
from offramp_core.usage import records, state_events
from offramp_core.usage.records import RequestRecord, format_timestamp
from offramp_core.usage.state_events import StateEvent
from offramp_core.usage.weeks import system_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED = 11
_PAUSES = ((timedelta(days=16), timedelta(hours=30)), (timedelta(days=5), timedelta(hours=20)))
"""How long ago each began, and how long it lasted."""


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    now = datetime.now(system_zone(os.environ))
    for record in _history(now):
        with (folder / f"requests-{record.ts[:7]}.jsonl").open("ab") as file:
            file.write(records.encode(record))
    lines = [state_events.encode(event) for event in _events(now)]
    (folder / state_events.FILE_NAME).write_bytes(b"".join(lines))


def _history(now: datetime) -> Iterator[RequestRecord]:
    """Weeks of work, all of it at Anthropic while delegation was paused."""
    for record in history(now, _SEED):
        moment = datetime.fromisoformat(record.ts)
        if any(timedelta() <= moment - (now - ago) < length for ago, length in _PAUSES):
            yield msgspec.structs.replace(record, backend=ANTHROPIC, reason="paused")
        else:
            yield record


def _events(now: datetime) -> Iterator[StateEvent]:
    for ago, length in _PAUSES:
        start = now - ago
        yield StateEvent(ts=format_timestamp(start - timedelta(days=4)), event=state_events.STARTED)
        yield StateEvent(ts=format_timestamp(start), event=state_events.PAUSED)
        yield StateEvent(ts=format_timestamp(start + length), event=state_events.RESUMED)


if __name__ == "__main__":
    main()
