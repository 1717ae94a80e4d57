"""What the tray knows at one moment, and what that amounts to: plain data and pure functions.

`daemon_watcher`, `week_totals` and `actions` make new states; `view` shows them. What is not
known is None, never 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from offramp_core import services
from offramp_core.control import api
from offramp_core.quota import forecast, windows
from offramp_core.services import SERVICES
from offramp_core.settings import ANTHROPIC, TraySettings
from offramp_core.usage.aggregation import Totals
from offramp_core.usage.measure import Measure
from offramp_core.wording import delegation_text, quota_text, trouble_text
from offramp_core.wording.formatting import share

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from offramp_core.backend import Route
    from offramp_core.control.api import (
        BackendError,
        BackendStatus,
        ClientProblem,
        DelegationTrouble,
        PlanOutlook,
        Status,
    )
    from offramp_core.quota.forecast import Forecast, PastUse
    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_core.settings import DelegationMode
    from offramp_core.usage.week_log import WeekTotals
    from offramp_core.usage.weeks import WeekBoundary

Clock = Callable[[], datetime]
"""Tells the time, aware."""

_SAID_FOR = timedelta(minutes=5)
"""How long what there was to say about an action stays in the menu once it was seen there."""

_LASTING = frozenset({api.KEY_REFUSED, api.LIMIT, api.ACCOUNT, api.UNREACHABLE})
"""Errors that the next request meets too; others are trouble only once they repeat."""
_REPEATED = 3
_FOR_THE_USER = frozenset({api.KEY_REFUSED, api.ACCOUNT})
"""Errors that the user must fix, though another backend steps in meanwhile."""

MESSAGES = frozenset({"refusal", "note", "line"})
"""The keys of the notifications that say what came of an action."""

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
    QUOTA = "quota nearly used up"
    RUNNING = "running"


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
    routes: tuple[Route, ...] = ()
    mode: DelegationMode = "always"
    """Whether routes delegate, by the settings."""
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
    past: Mapping[tuple[str, str], PastUse] = field(default_factory=dict)
    """How each backend's windows filled before, which forecasts are made from."""
    kept_plans: tuple[PlanQuota, ...] = ()
    """What the last daemon left of the plans' limits; counts while none has told anything."""
    pending: frozenset[str] = field(default_factory=frozenset)
    """The keys of rows whose action is under way."""
    refusal: str = ""
    """Why the last action was not done."""
    refusal_cure: str = ""
    is_start_refused: bool = False
    """The last action was to start the daemon, and was not done."""
    notes: str = ""
    """What there is to say about the last action, though it was done."""
    said_at: datetime | None = None
    """When the last action came to its refusal or its notes; show them by `is_said`."""
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
    """Every backend that has a row, in everybody's order; also those only in old records."""
    week = current_week(state)
    names = {*state.backends, ANTHROPIC, *(week.by_backend if week is not None else ())}
    return tuple(name for name in services.in_order(names) if name is not None)


def measure(state: TrayState) -> Measure:
    """What shares count."""
    return Measure(state.settings.count)


def shares(state: TrayState) -> tuple[tuple[str, float], ...] | None:
    """Each backend that has a part of the week, with its share; None while unknown.

    What reached no backend counts too, as in the window, so that the shares may leave a rest.
    """
    week = current_week(state)
    if week is None:
        return None
    by_tokens = measure(state) is Measure.TOKENS
    found = {
        name: totals.tokens if by_tokens else totals.requests
        for name, totals in week.by_backend.items()
    }
    whole = sum(found.values())
    return tuple(
        (name, share(found[name], whole)) for name in shown_backends(state) if found.get(name)
    )


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
    return () if status is None else delegation_text.keyless(status)


def mode(state: TrayState) -> str:
    """Whether routes delegate: by the daemon, which may have a setting of its own, if it runs."""
    status = live_status(state)
    return state.mode if status is None else status.delegation


def is_paused(state: TrayState) -> bool:
    """Whether delegation is paused, as far as is known."""
    status = live_status(state)
    return status is not None and status.pause is not None


def is_resting(state: TrayState) -> bool:
    """Whether nothing is delegated, by a pause or by the settings, as far as is known."""
    status = live_status(state)
    return is_paused(state) or (status is not None and status.delegation == delegation_text.NEVER)


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


def with_daemon(state: TrayState, status: Status) -> TrayState:
    """The state once the daemon has answered; why it could not be started is of no more use."""
    found = replace(
        state,
        presence=Presence.RUNNING,
        status=status,
        problem="",
        is_missed=False,
        address=status.address,
    )
    if state.presence is Presence.RUNNING or not state.is_start_refused:
        return found
    return replace(
        found,
        refusal="",
        refusal_cure="",
        is_start_refused=False,
        said_at=None,
        unseen=state.unseen - {"refusal"},
    )


def plans(state: TrayState) -> tuple[PlanQuota, ...]:
    """What is known of the plans' limits; of the past, with its age, without a daemon."""
    return state.kept_plans if state.status is None else state.status.quota


def plan_of(state: TrayState, backend: str) -> PlanQuota | None:
    """The limits of the account in use there."""
    return windows.find(plans(state), backend)


def shown_windows(state: TrayState, backend: str) -> tuple[QuotaWindow, ...]:
    """The windows of that plan that there is something to say of, in everybody's order."""
    plan = plan_of(state, backend)
    found = () if plan is None else quota_text.important(plan.windows)
    return tuple(window for window in found if not quota_text.is_refilled(window, state.now))


def expected(state: TrayState, backend: str, window: QuotaWindow) -> Forecast | None:
    """How that window is expected to go on, as of the last whole minute."""
    minute = forecast.whole_minute(state.now)
    past = state.past.get((backend, window.name))
    outlooks = () if state.status is None else state.status.outlooks
    found = forecast.daemons_outlook(outlooks, backend, window, minute)
    return _expected(window, minute, past, state.boundary.zone, found)


@functools.lru_cache(maxsize=16)
def _expected(
    window: QuotaWindow,
    now: datetime,
    past: PastUse | None,
    zone: tzinfo,
    plan_outlook: PlanOutlook | None,
) -> Forecast | None:
    """Ask once a minute for each window: it takes milliseconds, and the state changes often."""
    return forecast.expect(window, now, past, zone, plan_outlook)


def left(state: TrayState, backend: str) -> float | None:
    """What is left of that plan, as a fraction of the window that has least; None if unknown."""
    used = [
        1.0 if windows.is_spent(window, state.now) else windows.used_at(window, state.now)
        for window in shown_windows(state, backend)
    ]
    known = [part for part in used if part is not None]
    return max(0.0, 1 - max(known)) if known else None


def is_said(state: TrayState) -> bool:
    """Whether there is something to say of the last action: until seen, and for minutes more."""
    if state.said_at is None:
        return False
    return bool(state.unseen & MESSAGES) or state.now - state.said_at < _SAID_FOR


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
