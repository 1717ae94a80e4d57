"""Keeps which names of models backends do not know, so that a restart does not ask again.

A file of another version counts for nothing: its service facts may be others. What can't be read
or written costs a refused request at most, so it is only noted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from offramp_core import __version__, atomic_file
from offramp_daemon.routing.model_fallbacks import Stored, StoredFallback
from offramp_daemon.storage.background_writer import WriteQueue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offramp_daemon.storage.background_writer import BackgroundWriter

_MOST_BYTES = 256 * 1024
_LOG = logging.getLogger(__name__)


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    fallbacks: tuple[StoredFallback, ...] = ()


class FallbackFile:
    """The file, written by the thread of `writer`, which is not started yet."""

    def __init__(self, file: Path, writer: BackgroundWriter, on_change: Callable[[], None]) -> None:
        """Keep them in `file`, and call `on_change` where there is something new to keep."""
        self._file = file
        self._on_change = on_change
        self._queue: WriteQueue[Stored] = WriteQueue(self._write, writer, is_latest_only=True)

    def put(self, stored: Stored) -> None:
        """Have all of them written; never blocks."""
        self._queue.put(stored)
        self._on_change()

    def load(self) -> Stored:
        """What a daemon of this version has kept; nothing if it can't be read. Blocks."""
        try:
            data = atomic_file.load(self._file, _MOST_BYTES)
            found = None if data is None else msgspec.json.decode(data, type=_Content)
        except (OSError, ValueError, RecursionError) as error:
            _LOG.warning("The fallback models could not be read", extra={"error": str(error)})
            return ()
        return found.fallbacks if found is not None and found.version == __version__ else ()

    def _write(self, batch: list[Stored]) -> list[Stored]:
        content = _Content(version=__version__, fallbacks=batch[-1])
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_file.replace(self._file, msgspec.json.encode(content) + b"\n")
        except OSError as error:
            _LOG.warning("The fallback models could not be saved", extra={"error": str(error)})
        return []
