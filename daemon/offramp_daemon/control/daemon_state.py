"""Reports the daemon's own state; it changes nothing."""

from __future__ import annotations

import os
import time
from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING

from offramp_core.control.api import RecordsStatus, ShortPlan, Status
from offramp_core.quota import windows
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import quota_text
from offramp_daemon.control.key_watch import key_of
from offramp_daemon.routing.model_fallbacks import ModelFallbacks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo
    from pathlib import Path

    from offramp_daemon.autopilot.pilot import Pilot
    from offramp_daemon.clock import Clock
    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.quota.tracker import QuotaTracker
    from offramp_daemon.resilience.backend_health import BackendHealth
    from offramp_daemon.routing.pause import Delegation
    from offramp_daemon.storage.jsonl_log import JsonlState
    from offramp_daemon.trouble.client_watch import ClientWatch
    from offramp_daemon.trouble.watch import DelegationWatch


class DaemonState:
    """What `offramp status` shows of a daemon that clients reach at `address`."""

    def __init__(
        self,
        live: LiveSettings,
        delegation: Delegation,
        health: BackendHealth,
        quota: QuotaTracker,
        pilot: Pilot,
        watch: DelegationWatch,
        client: ClientWatch,
        *,
        address: str,
        settings_file: Path,
        supervisor_pid: int | None,
        clock: Clock,
        fallbacks: ModelFallbacks | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Report on these; the daemon starts now, with these `variables` for connections out."""
        self._live = live
        self._delegation = delegation
        self._health = health
        self._watch = watch
        self._client = client
        self._fallbacks = fallbacks or ModelFallbacks()
        self._quota = quota
        self._pilot = pilot
        self._address = address
        self._settings_file = settings_file
        self._supervisor_pid = supervisor_pid
        self._variables = dict(variables)
        self._started = clock()
        self._started_s = time.monotonic()
        self._clock = clock
        self.zone: Callable[[], tzinfo] = lambda: UTC
        """The zone of the times that people read."""
        self.is_stopping = False
        """Whether the daemon was asked to stop."""
        self.warnings: Callable[[], tuple[str, ...]] = tuple
        """Says what works but is not as it was set; the ways out, once there are any."""

    @property
    def uptime_s(self) -> int:
        """Seconds since the start."""
        return round(time.monotonic() - self._started_s)

    def status(self, *, in_flight: int, records: JsonlState) -> Status:
        """Return all of it, at this moment."""
        awaited, settings = self._live.awaited_keys, self._live.current
        chain = self._health.stand_ins(settings)
        in_use = settings.delegates_in_use
        short_plans = self._short_plans()
        return Status(
            pid=os.getpid(),
            started=self._started,
            uptime_s=self.uptime_s,
            address=self._address,
            pause=self._delegation.pause,
            backends=tuple(
                self._health.status(
                    backend,
                    key=key_of(backend),
                    is_used=backend.name in in_use or backend.auth == "client",
                    key_note=self._live.keyring.note if backend.name in awaited else None,
                    chain=chain,
                )
                for backend in settings.backends
            ),
            delegation=settings.delegation,
            delegation_why=self._pilot.why if settings.delegation == "auto" else None,
            troubles=self._watch.troubles(),
            stand_ins=self._watch.stand_ins(),
            client_problem=self._client.problem,
            in_flight=in_flight,
            records=RecordsStatus(
                written=records.written,
                waiting=records.waiting,
                lost=records.lost,
                last_error=records.last_error,
            ),
            settings_file=str(self._settings_file),
            is_stopping=self.is_stopping,
            supervisor_pid=self._supervisor_pid,
            settings_problem=self._live.problem,
            after_restart=self._live.after_restart,
            quota=self._quota.plans(),
            outlooks=self._pilot.outlooks,
            warnings=(*self.warnings(), *(plan.text for plan in short_plans)),
            short_plans=short_plans,
            variables=self._variables,
            fallbacks=self._fallbacks.current(settings.backends),
        )

    def _short_plans(self) -> tuple[ShortPlan, ...]:
        """Return the plans that will not last their week: by a forecast, else by their own pace."""
        settings, now, zone = self._live.current, self._clock(), self.zone()
        used = {ANTHROPIC}
        if settings.delegation != "never":
            used |= settings.delegates_in_use
        outlooks = [each for each in self._pilot.outlooks if each.backend in used]
        is_claude_short = any(each.backend == ANTHROPIC and each.runs_out for each in outlooks)
        # Where Claude's week does not last either, `auto` is no advice.
        advised = "" if is_claude_short else settings.delegation
        found = [
            ShortPlan(
                backend=each.backend,
                resets=each.resets,
                text=quota_text.run_out_text(each, advised, now, zone),
            )
            for each in outlooks
        ]
        unforeseen = used - {each.backend for each in outlooks}
        for plan in self._quota.plans():
            week = windows.window_of(plan, windows.WEEK)
            if plan.backend in unforeseen and week is not None and week.resets is not None:
                text = quota_text.pace_warning_text(plan, now, zone)
                found.append(ShortPlan(backend=plan.backend, resets=week.resets, text=text))
        return tuple(plan for plan in found if plan.text)
