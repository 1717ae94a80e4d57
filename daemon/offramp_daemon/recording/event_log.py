"""Writes `events.jsonl`, whatever the disk does: the daemon's changes of state, for the charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.usage import state_events
from offramp_daemon.storage.jsonl_log import JsonlLog

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.usage.state_events import StateEvent
    from offramp_daemon.storage.background_writer import BackgroundWriter

_CAPACITY = 1000


def event_log(folder: Path, writer: BackgroundWriter) -> JsonlLog[StateEvent]:
    """Return the log of events in `folder`, which `writer` writes and makes when needed."""
    return JsonlLog(
        folder,
        writer,
        subject="Changes of state",
        name_of=lambda _: state_events.FILE_NAME,
        encode=state_events.encode,
        capacity=_CAPACITY,
    )
