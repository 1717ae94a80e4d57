"""Makes a change of the daemon's state known: in `events.jsonl`, on the console, to followers.

Whoever changes something does that first, and announces it then.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from offramp_core.usage import state_events
from offramp_core.usage.records import format_timestamp
from offramp_core.usage.state_events import StateEvent
from offramp_core.wording import trouble_text
from offramp_core.wording.formatting import format_moment
from offramp_daemon.resilience import backend_health

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from offramp_core.control.api import ClientProblem
    from offramp_daemon.clock import Clock
    from offramp_daemon.control.change_signal import ChangeSignal
    from offramp_daemon.recording.console import Console
    from offramp_daemon.resilience.breaker_state import StandingChange
    from offramp_daemon.storage.jsonl_log import JsonlLog
    from offramp_daemon.trouble.watch import TroubleChange


class Announcer:
    """One daemon's announcements. Used from the event loop only, but for `say`."""

    def __init__(
        self,
        events: JsonlLog[StateEvent],
        console: Console,
        changes: ChangeSignal,
        *,
        clock: Clock,
    ) -> None:
        """Announce to these three."""
        self._events = events
        self._console = console
        self._changes = changes
        self._clock = clock
        self.zone: tzinfo = UTC
        """The zone of the times that people read."""

    def say(self, text: str) -> None:
        """Show `text` on the console; from any thread."""
        self._console.say(text)

    def wake_followers(self) -> None:
        """Have whoever follows look at the state again."""
        self._changes.notify()

    def announce(
        self,
        event: str,
        *,
        moment: datetime | None = None,
        pid: int | None = None,
        version: str | None = None,
        until: datetime | None = None,
        why: str | None = None,
        backend: str | None = None,
        model: str | None = None,
        machine_id: str | None = None,
    ) -> None:
        """Write `event` down, which happened at `moment` or now, and wake followers."""
        self._events.append(
            StateEvent(
                ts=format_timestamp(moment or self._clock()),
                event=event,
                pid=pid,
                version=version,
                until=format_timestamp(until) if until else None,
                why=why,
                backend=backend,
                model=model,
                machine_id=machine_id,
            )
        )
        self._changes.notify()

    def announce_failover(self, change: StandingChange, to: str) -> None:
        """Say everywhere that `to` serves in a backend's stead, or that it is asked again."""
        now = self._clock()
        self._events.append(backend_health.change_event(change, now))
        self._console.say(backend_health.change_text(change, now, self.zone, to))
        self._changes.notify()

    def announce_trouble(self, change: TroubleChange) -> None:
        """Say everywhere that delegation does not work for a model, or is tried again."""
        trouble = change.trouble
        event = state_events.TROUBLE_OVER if change.is_over else state_events.TROUBLE
        self.announce(event, backend=trouble.backend, model=trouble.model, why=trouble.cause)
        if change.is_over:
            self.say(trouble_text.over_text(trouble))
        else:
            self.say(f"{trouble_text.cause_text(trouble)} {trouble_text.cure_text(trouble)}")

    def announce_client(self, problem: ClientProblem | None) -> None:
        """Say everywhere that Claude Code does not use Offramp any more, or does so again."""
        if problem is None:
            self.announce(state_events.CLIENT_FOUND)
            self.say("Claude Code's settings are as they should be again.")
            return
        self.announce(state_events.CLIENT_LOST)
        self.say(f"{trouble_text.client_text(problem)} {trouble_text.client_cure_text(problem)}")

    def local_time(self, moment: datetime) -> str:
        """Return `moment` as people read it now."""
        return format_moment(moment, self._clock(), self.zone)
