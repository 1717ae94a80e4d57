"""What the tray knows at one moment, and what that amounts to: plain data and pure functions.

`daemon_watcher`, `week_totals` and `actions` make new states; `view` shows them. What is not
known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.quota import windows
from offramp_core.services import SERVICES
from offramp_core.settings import ANTHROPIC, TraySettings
from offramp_core.usage.aggregation import Totals
from offramp_core.wording import quota_text, trouble_text
from offramp_core.wording.formatting import share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.control.api import (
        BackendError,
        BackendStatus,
        ClientProblem,
        DelegationTrouble,
        Status,
    )
    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_core.usage.weeks import Span, WeekBoundary

Clock = Callable[[], datetime]
"""Tells the time, aware."""

NEVER = "never"
AUTO = "auto"
"""Of `Status.delegation`, what is to be told."""

_LASTING = frozenset({api.KEY_REFUSED, api.LIMIT, api.ACCOUNT, api.UNREACHABLE})
"""Errors that the next request meets too; others are trouble only once they repeat."""
_REPEATED = 3
_FOR_THE_USER = frozenset({api.KEY_REFUSED, api.ACCOUNT})
"""Errors that the user must fix, though another backend steps in meanwhile."""

NOTHING = Totals()
"""What a backend has that got no request."""


class Presence(Enum):
    """Whether the daemon is there."""

    UNKNOWN = "unknown"
    """It was not asked yet."""
    RUNNING = "running"
    NOT_RUNNING = "not running"
    UNREACHABLE = "unreachable"
    """It is there, but can't be asked, or not be understood."""


class Condition(Enum):
    """What the icon's middle says; of several the first that holds."""

    NOT_RUNNING = "daemon not running"
    TROUBLE = "trouble with a backend"
    PAUSED = "paused"
    NO_KEY = "no key"
    QUOTA = "quota nearly spent"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekTotals:
    """The running week by backend, from the log."""

    span: Span
    by_backend: Mapping[str | None, Totals]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrayState:
    """Everything at one moment."""

    now: datetime
    boundary: WeekBoundary
    settings: TraySettings = field(default_factory=TraySettings)
    settings_problem: str = ""
    """Why the settings file's content is not in force."""
    backends: tuple[str, ...] = tuple(service.name for service in SERVICES)
    """Those of the settings, in their order."""
    routed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the settings send to each backend, in the words of their routes."""
    address: str = ""
    """What Claude Code is to be given as its base URL."""
    has_client_token: bool = False
    """Whether the daemon asks Claude Code for a token, too."""
    presence: Presence = Presence.UNKNOWN
    problem: str = ""
    """Why the daemon can't be asked, though it is there."""
    is_missed: bool = False
    """The daemon ended without being told to, and has not come back for long."""
    status: Status | None = None
    """The last that the daemon told; of the past once it is not there."""
    week: WeekTotals | None = None
    """The last that could be read; show `current_week`."""
    week_problem: str = ""
    pending: frozenset[str] = field(default_factory=frozenset)
    """The keys of rows whose action is under way."""
    refusal: str = ""
    """Why the last action was not done."""
    refusal_cure: str = ""
    notes: str = ""
    """What there is to say about the last action, though it was done."""
    unseen: frozenset[str] = field(default_factory=frozenset)
    """The keys of notifications whose cause lasts, and since which the menu was not opened."""
    is_copied: bool = False
    """The Claude Code line is on the clipboard, by the last action."""
    is_login_item: bool | None = None
    """Whether the tray starts at login; None where that can't be told or set."""
    has_charts: bool = True
    """Whether the charts' libraries are there."""


def live_status(state: TrayState) -> Status | None:
    """The daemon's status, while it holds."""
    return state.status if state.presence is Presence.RUNNING else None


def current_week(state: TrayState) -> WeekTotals | None:
    """The totals, if they are of the week that runs now by the settings of now."""
    week = state.week
    if week is None or week.span != state.boundary.week_of(state.now):
        return None
    return week


def shown_backends(state: TrayState) -> tuple[str, ...]:
    """Every backend that has a row: delegates first, Claude, then those only in old records."""
    names = [name for name in state.backends if name != ANTHROPIC]
    names.append(ANTHROPIC)
    week = current_week(state)
    if week is not None:
        old = {name for name in week.by_backend if name is not None}
        names += sorted(old.difference(names))
    return tuple(names)


def counts(state: TrayState) -> dict[str, int] | None:
    """Each shown backend's part of the week, by what the settings count; None while unknown."""
    week = current_week(state)
    if week is None:
        return None
    totals = week.by_backend
    by_tokens = state.settings.count == "tokens"
    return {
        name: (totals[name].tokens if by_tokens else totals[name].requests) if name in totals else 0
        for name in shown_backends(state)
    }


def shares(state: TrayState) -> tuple[tuple[str, float], ...] | None:
    """Each backend that has a part of the week, with its share; None while unknown."""
    found = counts(state)
    if found is None:
        return None
    whole = sum(found.values())
    return tuple((name, share(count, whole)) for name, count in found.items() if count)


def is_stale(state: TrayState) -> bool:
    """Whether the numbers may be behind what really was."""
    if state.week_problem or state.presence is Presence.UNREACHABLE:
        return True
    status = live_status(state)
    return status is not None and status.records.last_error is not None


def keyless(state: TrayState) -> tuple[str, ...]:
    """The backends without the key that they need; not those whose key is about to come.

    None where the settings delegate nothing: nobody misses a key then.
    """
    status = live_status(state)
    if status is None or status.delegation == NEVER:
        return ()
    return tuple(
        backend.name
        for backend in status.backends
        if backend.key == "missing" and backend.key_note != api.KEY_AWAITED
    )


def is_paused(state: TrayState) -> bool:
    """Whether delegation is paused, as far as is known."""
    status = live_status(state)
    return status is not None and status.pause is not None


def is_resting(state: TrayState) -> bool:
    """Whether nothing is delegated, by a pause or by the settings, as far as is known."""
    status = live_status(state)
    return is_paused(state) or (status is not None and status.delegation == NEVER)


def bypassed(state: TrayState) -> tuple[BackendStatus, ...]:
    """The backends whose requests others serve for now; those that rest have none."""
    status = live_status(state)
    if status is None:
        return ()
    return tuple(
        backend
        for backend in status.backends
        if backend.bypass is not None and (backend.name == ANTHROPIC or not is_resting(state))
    )


def errors(state: TrayState) -> tuple[tuple[str, BackendError], ...]:
    """Each failing backend with its error, the latest first.

    Not what another backend makes up for, unless the user has to fix it.
    """
    status = live_status(state)
    if status is None:
        return ()
    found = [
        (each.name, each.last_error)
        for each in status.backends
        if each.last_error and (each.bypass is None or each.last_error.kind in _FOR_THE_USER)
    ]
    return tuple(sorted(found, key=lambda item: item[1].at, reverse=True))


def is_trouble(error: BackendError) -> bool:
    """Whether an error is more than one request's bad luck."""
    return error.kind in _LASTING or error.count >= _REPEATED


def troubled(state: TrayState) -> tuple[tuple[str, BackendError], ...]:
    """The backends in trouble that are in use: a pause rests all but Claude."""
    return tuple(
        (name, error)
        for name, error in errors(state)
        if is_trouble(error) and (name == ANTHROPIC or not is_resting(state))
    )


def hindered(state: TrayState) -> tuple[DelegationTrouble, ...]:
    """Why Claude serves what belongs at a delegate, where no bypass and no error says it already.

    None while nothing is to be delegated.
    """
    status = live_status(state)
    if status is None or is_resting(state):
        return ()
    return trouble_text.unexplained(status)


def client_problem(state: TrayState) -> ClientProblem | None:
    """That Claude Code has left Offramp, though it was connected."""
    status = live_status(state)
    return None if status is None else status.client_problem


def plan_of(state: TrayState, backend: str) -> PlanQuota | None:
    """The limits of the account in use there; of the past, with their age, without a daemon."""
    return None if state.status is None else windows.find(state.status.quota, backend)


def spent_windows(state: TrayState) -> tuple[tuple[str, QuotaWindow], ...]:
    """The windows that are nearly spent, or quite, each with its backend."""
    limit = state.settings.quota_percent / 100
    return tuple(
        (plan.backend, window)
        for plan in (state.status.quota if state.status else ())
        for window in quota_text.important(plan.windows)
        if windows.is_spent(window, state.now)
        or (windows.used_at(window, state.now) or 0.0) >= limit
    )


def condition(state: TrayState) -> Condition:
    """What matters most now."""
    if state.presence is Presence.NOT_RUNNING:
        return Condition.NOT_RUNNING
    if state.presence is Presence.UNREACHABLE or troubled(state):
        return Condition.TROUBLE
    if hindered(state) or client_problem(state) is not None:
        return Condition.TROUBLE
    if is_paused(state):
        return Condition.PAUSED
    if keyless(state):
        return Condition.NO_KEY
    return Condition.QUOTA if spent_windows(state) else Condition.RUNNING
