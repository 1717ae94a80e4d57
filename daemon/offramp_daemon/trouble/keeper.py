"""Carries what the watch knows over a restart, and announces troubles that begin and end.

A file that can't be read costs only what was in it. Nothing here holds up a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from offramp_core import __version__
from offramp_core.errors import OfframpError
from offramp_daemon.storage.background_writer import WriteQueue
from offramp_daemon.trouble import state_file
from offramp_daemon.trouble.settings_mark import marks_of
from offramp_daemon.trouble.state_file import StateWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offramp_core.settings import Settings
    from offramp_daemon.storage.background_writer import BackgroundWriter
    from offramp_daemon.trouble.runs import Run
    from offramp_daemon.trouble.state_file import StoredTroubles
    from offramp_daemon.trouble.watch import DelegationWatch, WatchState

SAVE_EVERY_S: Final = 5.0
"""A crash may cost what was counted in so many seconds."""

_LOG = logging.getLogger(__name__)


class TroubleKeeper:
    """The one through which a watch is loaded and saved. Used from the event loop only."""

    def __init__(
        self,
        file: Path,
        watch: DelegationWatch,
        writer: BackgroundWriter,
        *,
        settings: Callable[[], Settings],
        say: Callable[[str], None],
        version: str = __version__,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Keep `watch` in `file`, which `writer`, not started yet, writes.

        `settings` gives those in force: what came about under others is over. `say` shows what the
        user should know.
        """
        self.watch = watch
        self._file = file
        self._settings = settings
        self._say = say
        self._version = version
        self._disk = StateWriter(file, version)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen: Settings | None = None
        self._is_failing = False
        self._queue: WriteQueue[WatchState] = WriteQueue(
            self._save, writer, nap_s=save_every_s, is_latest_only=True
        )
        watch.on_state = self._put

    async def start(self) -> None:
        """Take up what the last daemon knew."""
        self._loop = asyncio.get_running_loop()
        try:
            found = await asyncio.to_thread(state_file.load, self._file)
        except OfframpError as error:
            self._say(str(error))
            return
        # What another version was refused, this one may do right.
        runs = found.runs if found.version == self._version else ()
        settings = self._settings()
        self.watch.adopt((run for run in runs if _is_of(run, settings)), found.counts)
        self.settle()
        if found.runs and found.version != self._version:
            self._put()

    def settle(self) -> None:
        """End what came about under settings that have changed, and what is old."""
        before, settings = self._seen, self._settings()
        self._seen = settings
        changed = _changed_keys(before, settings)
        self.watch.settle(lambda run: run.backend not in changed and _is_of(run, settings))

    def _put(self) -> None:
        self._queue.put(self.watch.state())

    def _save(self, batch: list[WatchState]) -> list[WatchState]:
        """Write the newest of `batch` down; on the writer's thread."""
        state = batch[-1]
        try:
            found = self._disk.save(state)
        except OSError as error:
            if not self._is_failing:
                _LOG.warning(
                    "The troubles can't be saved now; saving is tried again",
                    extra={"file": str(self._file), "error": error.strerror or str(error)},
                )
            self._is_failing = True
            return [state]
        self._is_failing = False
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._adopt, found, state)
        return []

    def _adopt(self, found: StoredTroubles, state: WatchState) -> None:
        """Take over what another daemon has written meanwhile."""
        runs = found.runs if found.version == self._version else ()
        settings = self._settings()
        self.watch.adopt((run for run in runs if _is_of(run, settings)), found.counts, state)


def _is_of(run: Run, settings: Settings) -> bool:
    """Whether `run` came about under these settings."""
    return run.mark in marks_of(settings, run.backend)


def _changed_keys(before: Settings | None, after: Settings) -> frozenset[str]:
    """The backends whose key is another one now: marks say nothing of keys.

    One that the keyring gives, or gives no more, is none.
    """
    if before is None or before is after:
        return frozenset()
    keys = {backend.name: backend.key for backend in before.backends}
    return frozenset(
        backend.name
        for backend in after.backends
        if backend.key is not None and keys.get(backend.name) not in (None, backend.key)
    )
