"""Writes the request log: one line a record, in its month's file, whatever the disk does.

It never holds up the proxy: records wait in a bounded queue, and what had to be dropped is counted
and said. What a line holds is `records`' business; how a queue is drained `background_writer`'s.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from offramp_core.usage import records
from offramp_daemon.storage.background_writer import BackgroundWriter
from offramp_daemon.storage.locked_file import open_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from offramp_core.usage.records import RequestRecord

_PAGE_BYTES = 4096
_ROOM_BYTES = 512
"""More than a usual line needs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderState:
    """How the log is doing: numbers of records, since the daemon's start."""

    written: int
    waiting: int
    lost: int
    last_error: str | None
    """Why records cannot be written at present; None while they can."""


@dataclass(slots=True, kw_only=True)
class _Outage:
    """A time during which records could not be written."""

    began_s: float
    lost_before: int
    is_loss_said: bool = False


class Recorder:
    """The request log's only writer in this process; any number of processes may share a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        capacity: int = 100_000,
        first_retry_s: float = 1.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Record into `folder` (made when needed), keeping at most `capacity` records in memory.

        `on_change` is called when records were written or could not be, from the thread that does.
        """
        self._folder = folder
        self._on_change = on_change
        self._written = 0
        self._unfit = 0
        self._lost_said = 0
        self._last_error: str | None = None
        self._outage: _Outage | None = None
        self._queue: BackgroundWriter[RequestRecord] = BackgroundWriter(
            self._write, name="offramp-recorder", capacity=capacity, first_retry_s=first_retry_s
        )

    def start(self) -> None:
        """Start the thread that writes."""
        self._queue.start()

    def record(self, record: RequestRecord) -> None:
        """Have `record` written; from the event loop, never blocks, never raises."""
        self._queue.put(record)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits and stop; what cannot be written within `timeout_s` is lost, and said.

        Blocks for that long at most: call it when nothing is left to be served.
        """
        before = self.state.lost
        self._queue.close(timeout_s)
        state = self.state
        if state.lost > before:
            _log.warning(
                "Request records were lost: the daemon ended before they could be written",
                extra={
                    "folder": str(self._folder),
                    "lost": state.lost - before,
                    "error": state.last_error or "out of time",
                },
            )

    @property
    def state(self) -> RecorderState:
        """The figures of this moment; from any thread."""
        return RecorderState(
            written=self._written,
            waiting=self._queue.waiting,
            lost=self._queue.lost + self._unfit,
            last_error=self._last_error,
        )

    def _write(self, batch: list[RequestRecord]) -> list[RequestRecord]:
        """Write `batch`; the records that have to wait, in their order."""
        fit = [(record, line) for record in batch if (line := self._encode(record))]
        lines_of: dict[str, list[bytes]] = {}
        for record, line in fit:
            lines_of.setdefault(records.file_name(record.ts), []).append(line)
        failed: set[str] = set()
        failure: OSError | None = None
        for name, lines in lines_of.items():
            try:
                self._append(self._folder / name, lines)
            except OSError as error:
                failed.add(name)
                failure = error
            else:
                self._written += len(lines)
        if fit:
            self._report(failure)
            self._on_change()
        return [record for record, _ in fit if records.file_name(record.ts) in failed]

    def _append(self, path: Path, lines: Sequence[bytes]) -> None:
        with open_locked(path) as file:
            file.append(_lay_out(lines, file.end_bytes))

    def _encode(self, record: RequestRecord) -> bytes | None:
        """The record's line; None for one that cannot have any, which is counted as lost."""
        try:
            return _encode(record)
        except (TypeError, ValueError) as error:
            self._unfit += 1
            _log.error(
                "A request record cannot be encoded and is lost",
                extra={"error": type(error).__name__, "lost": 1},
            )
            return None

    def _report(self, failure: OSError | None) -> None:
        """Say on the log when an outage begins, when it costs records, and when it is over."""
        lost = self._queue.lost
        if failure is None:
            if self._outage is not None:
                self._say_over(self._outage, lost)
            elif lost > self._lost_said:
                self._say("Request records were lost: a write took too long")
            self._outage = self._last_error = None
            self._lost_said = lost
            return
        self._last_error = f"{failure.strerror or failure} ({failure.filename or self._folder})"
        if self._outage is None:
            self._outage = _Outage(began_s=time.monotonic(), lost_before=self._lost_said)
            self._say("Request records cannot be written; they wait in memory")
        elif not self._outage.is_loss_said and lost > self._outage.lost_before:
            self._outage.is_loss_said = True
            self._say("Request records are being lost: too many wait to be written")

    def _say(self, message: str) -> None:
        state = self.state
        _log.warning(
            message,
            extra={
                "folder": str(self._folder),
                "waiting": state.waiting,
                "lost": state.lost,
                "error": state.last_error,
            },
        )

    def _say_over(self, outage: _Outage, lost: int) -> None:
        _log.warning(
            "Request records are written again",
            extra={
                "folder": str(self._folder),
                "lost": lost - outage.lost_before,
                "outage_s": round(time.monotonic() - outage.began_s),
            },
        )


def _encode(record: RequestRecord) -> bytes:
    try:
        return records.encode(record)
    except UnicodeEncodeError:
        # A client may name its model with half a surrogate pair; the record is due all the same.
        return records.encode(
            msgspec.structs.replace(
                record,
                **{
                    name: value.encode(errors="replace").decode()
                    for name, value in msgspec.structs.asdict(record).items()
                    if isinstance(value, str)
                },
            )
        )


def _lay_out(lines: Sequence[bytes], offset_bytes: int) -> bytes:
    """`lines` as they go to the file at `offset_bytes`, none of them across a page border.

    The kernel copies a write page by page and looks for a SIGKILL in between, so one that comes in
    time tears the line that lies across the border. A line that leaves too little room for another
    one on its page is therefore filled up with blanks, which JSON allows before the line's end.
    """
    pieces: list[bytes] = []
    for line in lines:
        offset_bytes += len(line)
        room = -offset_bytes % _PAGE_BYTES
        if 0 < room < _ROOM_BYTES:
            line = line[:-1] + b" " * room + b"\n"  # noqa: PLW2901 - the line, filled up
            offset_bytes += room
        pieces.append(line)
    return b"".join(pieces)
