"""Pauses and resumes delegation, and keeps the pause in a file, so that a restart ends none.

A change takes effect first, is announced then, and written down last. While two daemons serve, the
one with the control socket takes the commands and writes the file; the other one follows the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from offramp_core.control.api import Pause
from offramp_core.errors import OfframpError
from offramp_core.usage import state_events
from offramp_daemon.routing.pause import load_pause, save_pause

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from offramp_daemon.clock import Clock
    from offramp_daemon.control.announcer import Announcer
    from offramp_daemon.routing.pause import Delegation

_LONGEST_SLEEP_S = 60.0
"""While a timed pause runs: a machine that slept, or a clock that was set, is noticed by then."""

_SHORTEST_SLEEP_S = 0.01
_LONGEST_WRITE_S = 10.0

_LOG = logging.getLogger(__name__)


class PauseKeeper:
    """The one through which each pause and resume goes. Used from the event loop only."""

    def __init__(
        self,
        file: Path,
        delegation: Delegation,
        announcer: Announcer,
        *,
        clock: Clock,
        is_follower: bool,
    ) -> None:
        """Pause `delegation`, and keep in `file` whether it is paused.

        With `is_follower` another daemon may be taking the commands.
        """
        self._file = file
        self._delegation = delegation
        self._announcer = announcer
        self._clock = clock
        self.is_follower = is_follower
        """Whether another daemon may be taking the commands, so that `catch_up` is needed."""
        self._has_file = False
        self._saving = threading.Lock()
        self._has_new_end = asyncio.Event()

    def now(self) -> datetime:
        """Return this moment on the clock by which pauses end."""
        return self._clock()

    async def load(self) -> None:
        """Take over the pause that the last daemon left, before the first request."""
        try:
            pause = await asyncio.to_thread(load_pause, self._file)
        except OfframpError as error:
            self._announcer.say(str(error))
            pause = None
        self._delegation.set(pause)
        await self.settle()

    def announce_pause(self) -> None:
        """Announce the pause that holds, if one does."""
        if pause := self._delegation.pause:
            self._announcer.announce(state_events.PAUSED, until=pause.until)

    def say_pause(self) -> None:
        """Say on the console that delegation is paused, if it is."""
        if pause := self._delegation.pause:
            self._announcer.say(f"  {self._pause_text(pause)}")

    async def take_over(self) -> None:
        """Become the one that writes the pause down, beginning with what the file holds by now.

        To be called once this daemon has the control socket: until then another one may take the
        commands, and what that one wrote is newer.
        """
        self._has_file = True
        self.is_follower = False
        try:
            pause = await asyncio.to_thread(load_pause, self._file)
        except OfframpError:
            return  # said at the start
        if pause is not None and pause.until is not None and self._clock() >= pause.until:
            self._delegation.set(None)
            await self._save()
        elif pause != self._delegation.pause:
            self._delegation.set(pause)
            text = self._pause_text(pause) if pause else "Resumed: delegation is on again."
            self._announcer.say(text)
            self._has_new_end.set()
            self._announcer.wake_followers()

    def hand_over(self) -> None:
        """Follow the daemon that takes this one's place: what it writes is newer from now on."""
        self._has_file = False
        self.is_follower = True

    async def catch_up(self) -> None:
        """Take over a pause or a resume that another daemon wrote down."""
        with contextlib.suppress(OfframpError):  # what can't be read is the other one's to say
            pause = await asyncio.to_thread(load_pause, self._file)
            if self.is_follower:
                self._delegation.set(pause)

    async def watch(self) -> None:
        """End timed pauses when they are due; for as long as the daemon runs."""
        while True:
            self._has_new_end.clear()
            try:
                await self.settle()
            except Exception:  # noqa: BLE001 - requests go on, whatever it is
                _LOG.exception("The end of a pause could not be noted")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sleep_s()):
                    await self._has_new_end.wait()

    async def pause(self, until: datetime | None) -> tuple[str, ...]:
        """Pause from the next request on; return what the user should know of it."""
        await self.settle()
        before, now = self._delegation.pause, self._clock()
        if before is not None and before.until == until:
            return ("Delegation was already paused.", *await self._save())
        pause = Pause(since=before.since if before else now, until=until)
        self._delegation.set(pause)
        self.announce_pause()
        self._announcer.say(self._pause_text(pause))
        self._has_new_end.set()
        return await self._save()

    async def resume(self) -> tuple[str, ...]:
        """Have delegation go on from the next request on; return what the user should know."""
        await self.settle()
        if self._delegation.pause is None:
            return ("Delegation was not paused.", *await self._save())
        self._delegation.set(None)
        self._announcer.announce(state_events.RESUMED, why=state_events.ASKED)
        self._announcer.say("Resumed: delegation is on again.")
        self._has_new_end.set()
        return await self._save()

    async def settle(self) -> None:
        """End a pause whose time is over, whenever that was."""
        ended = self._delegation.settle()
        if ended is None or ended.until is None:
            return
        self._announcer.announce(
            state_events.RESUMED, moment=ended.until, why=state_events.TIME_OVER
        )
        self._announcer.say("The pause is over: delegation is on again.")
        await self._save()

    async def _save(self) -> tuple[str, ...]:
        """Write the pause down; return a sentence for the user if that fails."""
        if not self._has_file:
            return ()
        try:
            await asyncio.to_thread(self._save_now)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            note = (
                f"The pause could not be saved ({why}: {self._file}), so it is lost when the "
                "daemon ends."
            )
            self._announcer.say(note)
            return (note,)
        return ()

    async def written(self) -> None:
        """Wait until what is being written down is in the file; not for a disk that hangs."""
        if await asyncio.to_thread(self._saving.acquire, timeout=_LONGEST_WRITE_S):
            self._saving.release()

    def _save_now(self) -> None:
        # What holds is looked up here: of two that save at once the later writes what is newest.
        with self._saving:
            save_pause(self._file, self._delegation.pause)

    def _sleep_s(self) -> float | None:
        due = self._delegation.due
        if due is None:
            return None
        left_s = (due - self._clock()).total_seconds()
        return min(max(left_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S)

    def _pause_text(self, pause: Pause) -> str:
        if pause.until is None:
            return "Paused: everything goes to Claude until you resume."
        until = self._announcer.local_time(pause.until)
        return f"Paused until {until}: everything goes to Claude."
