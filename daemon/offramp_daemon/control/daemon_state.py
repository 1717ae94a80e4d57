"""The daemon's own state, and the one place through which each change of it goes.

A change takes effect first. Then it is told: to the console, to `events.jsonl`, to whoever
follows, and, for a pause, to the file by which it outlives the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from datetime import UTC
from typing import TYPE_CHECKING

from offramp_core import __version__
from offramp_core.control.api import Key, Pause, RecordsStatus, ReloadAnswer, Status
from offramp_core.errors import OfframpError
from offramp_core.usage import state_events
from offramp_core.usage.log_reader import LogReader
from offramp_core.usage.records import format_timestamp
from offramp_core.usage.state_events import StateEvent
from offramp_core.usage.weeks import system_zone
from offramp_core.wording.formatting import format_moment
from offramp_daemon.autopilot.pilot import Pilot
from offramp_daemon.clock import Clock, utc_now
from offramp_daemon.config.keyring_keys import WAITING
from offramp_daemon.control.change_signal import Changes
from offramp_daemon.quota.tracker import QuotaKeeper
from offramp_daemon.recording.event_log import EventLog
from offramp_daemon.resilience import backend_health
from offramp_daemon.resilience.backend_health import BackendHealth
from offramp_daemon.routing import pause as delegation
from offramp_daemon.routing.pause import Delegation

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from offramp_core.paths import Paths
    from offramp_core.quota.windows import PlanQuota
    from offramp_core.settings import Backend, Settings
    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.recording.console import Console
    from offramp_daemon.recording.request_log import RecorderState
    from offramp_daemon.resilience.breaker_state import StandingChange

_LONGEST_SLEEP_S = 60.0
"""While a timed pause runs: a machine that slept, or a clock that was set, is noticed by then."""

_SHORTEST_SLEEP_S = 0.01

_LOG = logging.getLogger(__name__)


class DaemonState:
    """Paused or not, which keys are there, and who is told. Changed from the event loop alone."""

    def __init__(
        self,
        live: LiveSettings,
        paths: Paths,
        console: Console,
        *,
        address: str,
        supervisor_pid: int | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Hold the state of a daemon that clients reach at `address`.

        One with a supervisor may serve beside another daemon for a while, which takes the commands.
        """
        self.delegation = Delegation(clock=clock)
        self.is_follower = supervisor_pid is not None
        """Whether another daemon may be taking the commands, so that `catch_up` is needed."""
        self._supervisor_pid = supervisor_pid
        self.changes = Changes()
        folder = live.current.log_dir or paths.log_dir
        self.pilot = Pilot(
            paths.autopilot_file,
            lambda since: LogReader(folder, since=since).read_usage(),
            clock=clock,
        )
        self.quota = QuotaKeeper(
            paths, folder, clock=clock, on_change=self.changes.notify, say=console.say
        )
        self.quota.follow(self.pilot.observe)
        self.health = BackendHealth(clock, self.quota)
        self.health.breaker.follow(self._tell_of_bypass)
        self.quota.follow(self._note_plan)
        self.is_stopping = False
        self._live = live
        self._paths = paths
        self._console = console
        self._address = address
        self._clock = clock
        self._zone: tzinfo = UTC
        self._started = clock()
        self._started_s = time.monotonic()
        self._events = EventLog(folder)
        self._keyless: frozenset[str] = frozenset()
        self._is_due_new = asyncio.Event()
        self._saving = threading.Lock()
        self._holds_file = False

    async def start(self) -> None:
        """Take up the pause that the last daemon left, before the first request."""
        self._events.start()
        await self.quota.start()
        await self.pilot.start(self.quota.plans())
        self._zone = await asyncio.to_thread(system_zone, os.environ)
        try:
            pause = await asyncio.to_thread(delegation.load, self._paths.delegation_file)
        except OfframpError as error:
            self._console.say(str(error))
            pause = None
        self.delegation.set(pause)
        await self._settle()
        self._tell(state_events.STARTED, pid=os.getpid(), version=__version__)
        if pause := self.delegation.pause:
            # Alone, the line before this one would say that delegation goes on.
            self._tell_of_pause(pause)
        self._note_keys(self._live.current)

    async def take_up(self) -> None:
        """Become the one that writes the pause down, beginning with what the file holds by now.

        To be called once this daemon has the control socket: until then another one may take the
        commands, and its word is the newer.
        """
        self._holds_file = True
        self.is_follower = False
        try:
            pause = await asyncio.to_thread(delegation.load, self._paths.delegation_file)
        except OfframpError:
            return  # said at the start
        if pause is not None and pause.until is not None and self._clock() >= pause.until:
            self.delegation.set(None)
            await self._save()
        elif pause != self.delegation.pause:
            self.delegation.set(pause)
            text = self._pause_text(pause) if pause else "Resumed: delegation goes on."
            self._console.say(text)
            self._is_due_new.set()
            self.changes.notify()

    def hand_over(self) -> None:
        """Follow the daemon that takes this one's place: its word is the newer from now on."""
        self._holds_file = False
        self.is_follower = True

    async def catch_up(self) -> None:
        """Take over what another daemon was told since: a pause, a resume, other settings."""
        with contextlib.suppress(OfframpError):  # what can't be read is the other one's to say
            pause = await asyncio.to_thread(delegation.load, self._paths.delegation_file)
            if self.is_follower:
                self.delegation.set(pause)
        await self.refresh()

    def say_pause(self) -> None:
        """Say on the console that delegation is paused, if it is."""
        if pause := self.delegation.pause:
            self._console.say(f"  {self._pause_text(pause)}")

    async def watch(self) -> None:
        """End timed pauses when they are due; for as long as the daemon runs."""
        while True:
            self._is_due_new.clear()
            try:
                await self._settle()
            except Exception:  # noqa: BLE001 - requests go on, whatever it is
                _LOG.exception("The end of a pause could not be noted")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sleep_s()):
                    await self._is_due_new.wait()

    async def pause(self, until: datetime | None) -> tuple[str, ...]:
        """Pause from the next request on; what the user should know of it."""
        await self._settle()
        before, now = self.delegation.pause, self._clock()
        if before is not None and before.until == until:
            return ("It was paused already.", *await self._save())
        pause = Pause(since=before.since if before else now, until=until)
        self.delegation.set(pause)
        self._tell_of_pause(pause)
        self._console.say(self._pause_text(pause))
        self._is_due_new.set()
        return await self._save()

    async def resume(self) -> tuple[str, ...]:
        """Have delegation go on from the next request on; what the user should know of it."""
        await self._settle()
        if self.delegation.pause is None:
            return ("It was not paused.", *await self._save())
        self.delegation.set(None)
        self._tell(state_events.RESUMED, why=state_events.ASKED)
        self._console.say("Resumed: delegation goes on.")
        self._is_due_new.set()
        return await self._save()

    async def refresh(self) -> None:
        """Take the settings' files into account if they changed."""
        before = self._live.current
        await asyncio.to_thread(self._live.refresh)
        if self._live.current is not before:
            self._note_keys(self._live.current)
            self._live.keyring.look_again()

    async def reload(self) -> ReloadAnswer:
        """Read the settings now, and ask the keyring anew for what it holds."""
        answer = await self._read_again()
        self._live.keyring.look_again(for_all=True)
        return answer

    async def watch_keyring(self) -> None:
        """Get the keys that the keyring holds, and take each; for as long as the daemon runs."""
        await self._live.keyring.watch(
            lambda: self._live.keyring_marks, on_news=self._take_keys, say=self._console.say
        )

    async def until_keys(self, limit_s: float) -> None:
        """Wait until the keyring has given its keys or failed to, for `limit_s` at most."""
        live = self._live
        with self.changes.follow() as changed, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while live.awaited_keys and live.keyring.note == WAITING:
                    changed.clear()
                    await changed.wait()

    async def _take_keys(self, *, is_new: bool) -> None:
        """Settings are read anew for keys that are new; else there is a change to tell of."""
        if is_new:
            await self._read_again()
        else:
            self._note_keys(self._live.current)

    async def _read_again(self) -> ReloadAnswer:
        answer = await asyncio.to_thread(self._live.reload)
        self._note_keys(self._live.current)
        return answer

    def status(self, *, in_flight: int, records: RecorderState) -> Status:
        """All of it, at this moment."""
        awaited, settings = self._live.awaited_keys, self._live.current
        return Status(
            pid=os.getpid(),
            started=self._started,
            uptime_s=round(time.monotonic() - self._started_s),
            address=self._address,
            pause=self.delegation.pause,
            backends=tuple(
                self.health.status(
                    backend,
                    key=_key(backend),
                    key_note=self._live.keyring.note if backend.name in awaited else None,
                    may_step=settings.failover,
                )
                for backend in settings.backends
            ),
            delegation=settings.delegation,
            delegation_why=self.pilot.why if settings.delegation == "auto" else None,
            in_flight=in_flight,
            records=RecordsStatus(
                written=records.written,
                waiting=records.waiting,
                lost=records.lost,
                last_error=records.last_error,
            ),
            settings_file=str(self._paths.config_file),
            is_stopping=self.is_stopping,
            supervisor_pid=self._supervisor_pid,
            settings_problem=self._live.problem,
            quota=self.quota.plans(),
        )

    def _note_plan(self, plan: PlanQuota) -> None:
        """Have a delegate whose plan is spent stepped around before it refuses."""
        for backend in self._live.current.backends:
            if backend.name == plan.backend and backend.auth != "client":
                self.health.note_quota(backend, plan, self._clock())

    def _tell_of_bypass(self, change: StandingChange) -> None:
        """Say that a backend is stepped around from now on, or is asked again."""
        if self._live.current.failover and change.backend.auth != "client":
            now = self._clock()
            self._events.append(backend_health.change_event(change, now))
            self._console.say(backend_health.change_text(change, now, self._zone))
            self.changes.notify()

    def close(self) -> None:
        """Write down that the daemon ends. Blocks, for seconds at most."""
        self._tell(state_events.STOPPED, pid=os.getpid())
        self._events.close()
        self.quota.close()
        self.pilot.close()

    async def _settle(self) -> None:
        """Take note of a pause whose time is over, whenever that was."""
        ended = self.delegation.settle()
        if ended is None or ended.until is None:
            return
        self._tell(state_events.RESUMED, moment=ended.until, why=state_events.TIME_OVER)
        self._console.say("The pause's time is over: delegation goes on.")
        await self._save()

    async def _save(self) -> tuple[str, ...]:
        """Write the pause down; a sentence for the user if that fails."""
        if not self._holds_file:
            return ()
        try:
            await asyncio.to_thread(self._save_now)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            note = (
                f"It could not be saved ({why}: "
                f"{self._paths.delegation_file}), so it is forgotten when the daemon ends."
            )
            self._console.say(note)
            return (note,)
        return ()

    def _save_now(self) -> None:
        # What holds is looked up here: of two that save at once the later writes what is newest.
        with self._saving:
            delegation.save(self._paths.delegation_file, self.delegation.pause)

    def _note_keys(self, settings: Settings) -> None:
        """Tell of keys that went missing or came, of those backends that a route leads to.

        A key that the keyring is still being asked for for the first time is no news yet.
        """
        keyless = _keyless(settings)
        if self._live.keyring.is_first_try:
            keyless -= set(self._live.awaited_keys) - self._keyless
        for name in sorted(keyless - self._keyless):
            self._tell(state_events.KEY_MISSING, backend=name)
        for name in sorted(self._keyless - keyless):
            self._tell(state_events.KEY_FOUND, backend=name)
        self._keyless = keyless
        self.changes.notify()

    def _tell_of_pause(self, pause: Pause) -> None:
        self._tell(
            state_events.PAUSED, until=format_timestamp(pause.until) if pause.until else None
        )

    def _tell(
        self,
        event: str,
        *,
        moment: datetime | None = None,
        pid: int | None = None,
        version: str | None = None,
        until: str | None = None,
        why: str | None = None,
        backend: str | None = None,
    ) -> None:
        self._events.append(
            StateEvent(
                ts=format_timestamp(moment or self._clock()),
                event=event,
                pid=pid,
                version=version,
                until=until,
                why=why,
                backend=backend,
            )
        )
        self.changes.notify()

    def _sleep_s(self) -> float | None:
        due = self.delegation.due
        if due is None:
            return None
        left_s = (due - self._clock()).total_seconds()
        return min(max(left_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S)

    def _pause_text(self, pause: Pause) -> str:
        if pause.until is None:
            return "Paused: everything goes to Anthropic until you resume."
        until = format_moment(pause.until, self._clock(), self._zone)
        return f"Paused until {until}: everything goes to Anthropic."


def _key(backend: Backend) -> Key:
    if backend.auth == "client":
        return "not needed"
    return "missing" if backend.key is None else "present"


def _keyless(settings: Settings) -> frozenset[str]:
    routed = {route.backend for route in settings.routes}
    return frozenset(
        backend.name
        for backend in settings.backends
        if backend.name in routed and _key(backend) == "missing"
    )
