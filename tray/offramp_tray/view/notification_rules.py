"""Decides which notifications are due: four kinds, each once for as long as its cause lasts.

A forecast comes and goes at its limit, so what it says has to hold for a while, and is said once a
week.

Which causes there are is a pure function of the state; `Notifier` remembers what it sent.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from offramp_core.control import api
from offramp_core.quota import windows
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import delegation_text, failover_text, quota_text, trouble_text
from offramp_tray.state import tray_state
from offramp_tray.view import wording
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from offramp_core.control.api import ClientProblem, DelegationTrouble
    from offramp_tray.state.tray_state import TrayState

QUIET = timedelta(minutes=30)
"""What comes back within this time is not news."""
STEADY = timedelta(minutes=10)
"""What is said once a week has to hold for so long: two readings of a quota page."""

_WEEK = timedelta(days=7)

_GONE = Notification(
    key="daemon",
    title="Offramp's daemon does not come back",
    body="Claude Code can't work through it until it runs. Start it from the tray's menu.",
)


def due(state: TrayState) -> tuple[Notification, ...]:
    """A notification for each cause that holds in `state` and that the user wants to hear of."""
    wanted = state.settings
    found: list[Notification] = []
    if wanted.notify_daemon and state.is_missed:
        found.append(_GONE)
    if wanted.notify_delegation:
        found += _bypassed_backends(state)
    for name, error in tray_state.troubled(state):
        is_key = error.kind == api.KEY_REFUSED
        if is_key and wanted.notify_key:
            found.append(_key_refused(name))
        elif not is_key and name != ANTHROPIC and wanted.notify_delegation:
            line = wording.error_line(name, error, state)
            found.append(_stopped(name, f"{line}."))
    if wanted.notify_delegation and not tray_state.is_resting(state):
        found += [
            _stopped(name, f"{wording.no_key(name, state)}.") for name in tray_state.keyless(state)
        ]
    if wanted.notify_delegation:
        found += [_hindered(trouble, state) for trouble in tray_state.hindered(state)]
        if (problem := tray_state.client_problem(state)) is not None:
            found.append(_client_left(problem))
    if wanted.notify_quota:
        found += _quotas(state)
        found += _short_plans(state)
    return tuple(found)


class Memory(Protocol):
    """Remembers across restarts of the tray what was said."""

    def was_said(self, name: str, now: datetime) -> bool:
        """Whether it was said not long ago."""

    def was_said_in_week(self, name: str, begin: datetime) -> bool:
        """Whether it was said within the week from `begin` on."""

    def keep(self, name: str, now: datetime) -> None:
        """Remember that it was said."""


class Notifier:
    """Says what is due, once. Used under its caller's lock."""

    def __init__(self, say: Callable[[Notification], None], memory: Memory | None = None) -> None:
        """Say it by `say`.

        Without `memory` the next one says it again, and nothing is said that is said once a week.
        """
        self._say = say
        self._memory = memory
        self._lasting: dict[str, datetime] = {}
        """Since when there is a cause for each key."""
        self._ended: dict[str, datetime] = {}

    def notify_new(
        self, notifications: tuple[Notification, ...], now: datetime
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Say those of `notifications` whose cause is new; their keys, and those that are over."""
        keys = frozenset(notification.key for notification in notifications)
        over = self._lasting.keys() - keys
        new = set()
        for key in over:
            self._ended[key] = now
        for notification in notifications:
            if self._is_news(notification, now):
                self._say(notification)
                new.add(notification.key)
                if self._memory is not None and notification.lasts:
                    self._memory.keep(notification.lasts, now)
        # A clock that was put back must not delay what waits for its time.
        self._lasting = {key: min(self._lasting.get(key, now), now) for key in keys}
        return frozenset(new), frozenset(over)

    def _is_news(self, notification: Notification, now: datetime) -> bool:
        if notification.week is not None:
            return self._is_news_of_week(notification, notification.week, now)
        if notification.key in self._lasting:
            return False
        ended = self._ended.get(notification.key)
        if ended is not None:
            return now - ended > QUIET
        if self._memory is None or not notification.lasts:
            return True
        return not self._memory.was_said(notification.lasts, now)

    def _is_news_of_week(self, notification: Notification, week: datetime, now: datetime) -> bool:
        """Whether it has held for a while of that week, and was not said in it."""
        since = self._lasting.get(notification.key)
        if since is None or self._memory is None or now - max(since, week) < STEADY:
            return False
        return not self._memory.was_said_in_week(notification.lasts, week)


def _bypassed_backends(state: TrayState) -> list[Notification]:
    """One for each backend that others stand in for.

    It has the key of the one that says that delegation stopped working: both have one cause, and
    whichever comes first says it. Only its error reports what the user must fix, and that a
    few requests too many at once went elsewhere is how a small plan works.
    """
    zone = state.boundary.zone
    to_fix = {name for name, _ in tray_state.errors(state)}
    found = []
    for each in tray_state.bypassed(state):
        bypass = each.bypass
        if bypass is None or bypass.cause == api.BUSY or each.name in to_fix:
            continue
        effect = failover_text.effect_text(bypass, state.now, zone, state.routed.get(each.name, ()))
        found.append(
            Notification(
                key=f"delegation.{each.name}",
                title=failover_text.cause_text(
                    each.name, bypass, tray_state.plan_of(state, each.name), state.now
                ),
                body=" ".join(
                    filter(
                        None,
                        (
                            f"{effect[0].upper()}{effect[1:]}.",
                            failover_text.why_text(each),
                            failover_text.cure_text(each),
                        ),
                    )
                ),
            )
        )
    return found


def _hindered(trouble: DelegationTrouble, state: TrayState) -> Notification:
    cause = trouble_text.cause_text(trouble, state.now, state.boundary.zone)
    parts = (trouble.backend, trouble.model, trouble.cause, trouble.rule)
    key = f"trouble.{'.'.join(filter(None, parts))}"
    return Notification(
        key=key,
        title=trouble_text.title_text(trouble),
        body=f"{cause} {trouble_text.cure_text(trouble)}",
        lasts=f"{key} since {trouble.since.isoformat()}",
    )


def _client_left(problem: ClientProblem) -> Notification:
    why = trouble_text.client_text(problem).removeprefix(f"{trouble_text.CLIENT_LEFT}: ")
    return Notification(
        key="client",
        title=trouble_text.CLIENT_LEFT,
        body=f"{why} {trouble_text.client_cure_text(problem)}",
        lasts=f"client {problem.found}",
    )


def _quotas(state: TrayState) -> list[Notification]:
    """One for each window that is nearly spent; not for what a bypass tells of already."""
    told = {
        each.name
        for each in tray_state.bypassed(state)
        if each.bypass is not None and each.bypass.cause == api.LIMIT
    }
    return [
        Notification(
            key=f"quota.{backend}.{window.name}",
            title=f"{wording.name_of(backend)} {quota_text.window_name(window.name)} "
            f"{'used up' if windows.is_spent(window, state.now) else 'nearly used up'}",
            body=f"{wording.quota_line(backend, window, state)}.",
        )
        for backend, window in tray_state.spent_windows(state)
        if not (backend in told and windows.is_spent(window, state.now))
    ]


def _short_plans(state: TrayState) -> list[Notification]:
    """One for each plan that is likely to run out, until its week is nearly used up."""
    status = tray_state.live_status(state)
    if status is None:
        return []
    told = {
        backend
        for backend, window in tray_state.spent_windows(state)
        if window.name == windows.WEEK
    }
    resting = tray_state.is_resting(state)
    return [
        Notification(
            key=f"week.{plan.backend}",
            title=f"{wording.name_of(plan.backend)} week likely to be used up early",
            body=plan.text,
            lasts=_week_name(plan.backend, state),
            week=plan.resets - _WEEK,
        )
        for plan in status.short_plans
        if plan.backend not in told
        and plan.resets > state.now
        and (plan.backend == ANTHROPIC or not resting)
    ]


def _week_name(backend: str, state: TrayState) -> str:
    """Name the account too: each has a week of its own."""
    plan = tray_state.plan_of(state, backend)
    return f"week.{backend}.{'' if plan is None else plan.account}"


def _key_refused(backend: str) -> Notification:
    name = wording.name_of(backend)
    return Notification(
        key=f"key.{backend}",
        title=f"{name} refused the key",
        body=f"Nothing can be delegated to it: {delegation_text.key_cure(backend)}.",
    )


def _stopped(backend: str, why: str) -> Notification:
    name = wording.name_of(backend)
    return Notification(
        key=f"delegation.{backend}", title=f"Delegation to {name} stopped working", body=why
    )
