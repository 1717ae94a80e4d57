"""Writes the request log: one line a record, in its month's file, whatever the disk does.

It never holds up the proxy, nor is it held up by the other files: its thread is its own. What a
line holds is `records`' business; what happens while the disk is full `jsonl_log`'s.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from offramp_core import private_files
from offramp_core.usage import records
from offramp_daemon.storage.background_writer import BackgroundWriter
from offramp_daemon.storage.jsonl_log import JsonlLog, JsonlState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from offramp_core.usage.records import RequestRecord

_LOOK_EVERY_S = 2.0
_PAGE_BYTES = 4096
_ROOM_BYTES = 512
"""More than a usual line needs."""


class Recorder:
    """The request log's only writer in this process; any number of processes may share a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        machine: str = "",
        capacity: int = 100_000,
        first_retry_s: float = 1.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Record into the files of `machine` in `folder`, which is made when needed.

        At most `capacity` records are kept in memory.
        `on_change` is called when records were written or could not be, from the thread that does.
        """
        self._writer = BackgroundWriter("offramp-recorder")
        self._log: JsonlLog[RequestRecord] = JsonlLog(
            folder,
            self._writer,
            subject="Request records",
            name_of=lambda record: records.file_name(record.ts, machine),
            encode=_encode,
            capacity=capacity,
            first_retry_s=first_retry_s,
            lay_out=lay_out,
            on_change=on_change,
        )
        self.record: Callable[[RequestRecord], None] = self._log.append
        """Has a record written; from the event loop, never blocks, never raises."""

    def start(self) -> None:
        """Start the thread that writes."""
        self._writer.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits and stop; what cannot be written within `timeout_s` is lost, and said.

        Blocks for that long at most: call it when nothing is left to be served.
        """
        self._writer.close(timeout_s)

    async def watch(self, say: Callable[[str], None]) -> None:
        """Say when records can't be written, once an outage, and when they can again."""
        trouble: str | None = None
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            state = self.state
            if state.last_error == trouble:
                continue
            trouble = state.last_error
            if trouble is None:
                say(f"Records are written again; {state.lost} were lost.")
            else:
                say(f"Records can't be written and wait in memory: {trouble}")

    @property
    def state(self) -> JsonlState:
        """The figures of this moment; from any thread."""
        return self._log.state


def folder_problem(folder: Path) -> str | None:
    """Return why records can't be written into `folder`; None if they can. Blocks."""
    try:
        private_files.make_folder(folder)
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.W_OK | os.X_OK) else "no permission to write"


def _encode(record: RequestRecord) -> bytes:
    try:
        return records.encode(record)
    except UnicodeEncodeError:
        # A client may name its model with half a surrogate pair; the record is still due.
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


def lay_out(lines: Sequence[bytes], offset_bytes: int) -> bytes:
    """Return `lines` as they go to the file at `offset_bytes`, none of them across a page border.

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
