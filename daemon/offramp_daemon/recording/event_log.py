"""Writes `events.jsonl`, whatever the disk does: the daemon's changes of state, for the charts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from offramp_core.usage import state_events
from offramp_daemon.storage.background_writer import BackgroundWriter
from offramp_daemon.storage.locked_file import open_locked

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.usage.state_events import StateEvent

_CAPACITY = 1000
_CLOSE_TIMEOUT_S = 2.0

_log = logging.getLogger(__name__)


class EventLog:
    """The file's only writer in this process; any number of processes may share it."""

    def __init__(self, folder: Path, *, first_retry_s: float = 1.0) -> None:
        """Write into `folder`, which is made when needed."""
        self._file = folder / state_events.FILE_NAME
        self._is_failing = False
        self._queue: BackgroundWriter[StateEvent] = BackgroundWriter(
            self._write, name="offramp-events", capacity=_CAPACITY, first_retry_s=first_retry_s
        )

    def start(self) -> None:
        """Start the thread that writes."""
        self._queue.start()

    def append(self, event: StateEvent) -> None:
        """Have `event` written; from any thread, never blocks, never raises."""
        self._queue.put(event)

    def close(self) -> None:
        """Write what waits and stop. Blocks, for seconds at most."""
        self._queue.close(_CLOSE_TIMEOUT_S)

    def _write(self, batch: list[StateEvent]) -> list[StateEvent]:
        lines = b"".join(state_events.encode(event) for event in batch)
        try:
            with open_locked(self._file) as file:
                file.append(lines)
        except OSError as error:
            if not self._is_failing:
                _log.warning(
                    "Changes of state cannot be written; they wait in memory",
                    extra={"file": str(self._file), "error": error.strerror or str(error)},
                )
            self._is_failing = True
            return batch
        self._is_failing = False
        return []
