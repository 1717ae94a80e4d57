"""Appends lines to JSONL files, whatever the disk does: an item, a line.

Items that can't be written wait in memory; what had to be dropped is counted, and said on the log.
What a line holds, and which file it belongs to, is its owner's business.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from offramp_daemon.storage.background_writer import BackgroundWriter, WriteQueue
from offramp_daemon.storage.locked_file import open_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlState:
    """How a log is doing: numbers of items, since the daemon's start."""

    written: int
    waiting: int
    lost: int
    last_error: str | None
    """Why items cannot be written at present; None while they can."""


@dataclass(slots=True, kw_only=True)
class _Outage:
    """A time during which items could not be written."""

    began_s: float
    lost_before: int
    is_loss_said: bool = False


def lay_end_to_end(lines: Sequence[bytes], _offset_bytes: int) -> bytes:
    """Return `lines` as they go to a file whose writer nobody kills in the middle."""
    return b"".join(lines)


class JsonlLog(Generic[T]):
    """Its files' only writer in this process; any number of processes may share a folder."""

    def __init__(
        self,
        folder: Path,
        writer: BackgroundWriter,
        *,
        subject: str,
        name_of: Callable[[T], str],
        encode: Callable[[T], bytes],
        capacity: int,
        first_retry_s: float = 1.0,
        lay_out: Callable[[Sequence[bytes], int], bytes] = lay_end_to_end,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Write into `folder` (made when needed), keeping at most `capacity` items in memory.

        `subject` is what the log calls the items, in the plural. `name_of` gives the name of the
        item's file, and `lay_out` joins lines to be written at an offset. `on_change` is called
        when items were written or could not be, from the writer's thread.
        """
        self._folder = folder
        self._subject = subject
        self._name_of = name_of
        self._encode = encode
        self._lay_out = lay_out
        self._on_change = on_change
        self._written = 0
        self._unfit = 0
        self._lost_said = 0
        self._last_error: str | None = None
        self._outage: _Outage | None = None
        self._queue: WriteQueue[T] = WriteQueue(
            self._write,
            writer,
            capacity=capacity,
            first_retry_s=first_retry_s,
            on_abandoned=self._say_abandoned,
        )
        self.append: Callable[[T], None] = self._queue.put
        """Has an item written; from any thread, never blocks, never raises."""

    @property
    def state(self) -> JsonlState:
        """The figures of this moment; from any thread."""
        return JsonlState(
            written=self._written,
            waiting=self._queue.waiting,
            lost=self._queue.lost + self._unfit,
            last_error=self._last_error,
        )

    def _write(self, batch: list[T]) -> list[T]:
        """Write `batch`; return the items that have to wait, in their order."""
        fit = [(item, line) for item in batch if (line := self._encoded(item))]
        lines_of: dict[str, list[bytes]] = {}
        for item, line in fit:
            lines_of.setdefault(self._name_of(item), []).append(line)
        failed: set[str] = set()
        failure: OSError | None = None
        for name, lines in lines_of.items():
            try:
                with open_locked(self._folder / name) as file:
                    file.append(self._lay_out(lines, file.end_bytes))
            except OSError as error:
                failed.add(name)
                failure = error
            else:
                self._written += len(lines)
        if fit:
            self._report(failure)
            self._on_change()
        return [item for item, _ in fit if self._name_of(item) in failed] if failed else []

    def _encoded(self, item: T) -> bytes | None:
        """Return the item's line; None for one that cannot have any, which is counted as lost."""
        try:
            return self._encode(item)
        except (TypeError, ValueError) as error:
            self._unfit += 1
            _log.error(
                "%s: one cannot be encoded and is lost",
                self._subject,
                extra={"error": type(error).__name__, "lost": 1},
            )
            return None

    def _report(self, failure: OSError | None) -> None:
        """Say on the log when an outage begins, when it costs items, and when it is over."""
        lost = self._queue.lost
        if failure is None:
            if self._outage is not None:
                self._say_over(self._outage, lost)
            elif lost > self._lost_said:
                self._say("%s were lost: a write took too long")
            self._outage = self._last_error = None
            self._lost_said = lost
            return
        self._last_error = f"{failure.strerror or failure} ({failure.filename or self._folder})"
        if self._outage is None:
            self._outage = _Outage(began_s=time.monotonic(), lost_before=self._lost_said)
            self._say("%s cannot be written; they wait in memory")
        elif not self._outage.is_loss_said and lost > self._outage.lost_before:
            self._outage.is_loss_said = True
            self._say("%s are being lost: too many wait to be written")

    def _say(self, message: str) -> None:
        state = self.state
        _log.warning(
            message,
            self._subject,
            extra={
                "folder": str(self._folder),
                "waiting": state.waiting,
                "lost": state.lost,
                "error": state.last_error,
            },
        )

    def _say_over(self, outage: _Outage, lost: int) -> None:
        _log.warning(
            "%s are written again",
            self._subject,
            extra={
                "folder": str(self._folder),
                "lost": lost - outage.lost_before,
                "outage_s": round(time.monotonic() - outage.began_s),
            },
        )

    def _say_abandoned(self, lost: int) -> None:
        _log.warning(
            "%s were lost: the daemon ended before they could be written",
            self._subject,
            extra={
                "folder": str(self._folder),
                "lost": lost,
                "error": self._last_error or "out of time",
            },
        )
