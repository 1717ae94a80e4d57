"""Writes `events.jsonl`, whatever the disk does: the daemon's changes of state, for the charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core import log_names
from offramp_core.usage import state_events
from offramp_daemon.storage.jsonl_log import JsonlLog

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.usage.state_events import StateEvent
    from offramp_daemon.storage.background_writer import BackgroundWriter

_CAPACITY = 1000


def event_log(folder: Path, writer: BackgroundWriter, *, machine: str = "") -> JsonlLog[StateEvent]:
    """Return the log of `machine`'s events in `folder`; `writer` makes both when needed."""
    name = log_names.file_name(log_names.EVENTS, machine=machine)
    return JsonlLog(
        folder,
        writer,
        subject="Changes of state",
        name_of=lambda _: name,
        encode=state_events.encode,
        capacity=_CAPACITY,
    )
