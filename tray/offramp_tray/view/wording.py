"""The tray's words: short, one line each, and the same as the command line's. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import delegation_text, failover_text, quota_text, trouble_text
from offramp_core.wording.formatting import (
    backend_name,
    format_moment,
    format_percent,
    format_tokens,
)
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Presence

if TYPE_CHECKING:
    from offramp_core.control.api import BackendError, Status
    from offramp_core.quota.windows import QuotaWindow
    from offramp_core.usage.aggregation import Totals
    from offramp_tray.state.tray_state import TrayState

UNKNOWN = "\N{EN DASH}"
BETWEEN = " · "
"""Between the state and the split."""

_LONGEST_NAME = 40
_LONGEST_LINE = 120
_LONGEST_ROW = 200
"""The menu parts a row into several lines."""
_MOST_GLANCES = 6
"""Of a tooltip's lines; a plan has two windows that matter, and most users two plans."""
_MORNING_HOUR = 8
_FIRST_ERROR = 400
"""Of the HTTP statuses."""

_ERRORS = {
    api.KEY_REFUSED: ("{name} refused the key", ""),
    api.LIMIT: ("{name}'s limit is reached", "wait, or use another model"),
    api.ACCOUNT: ("{name} refused the account", "look at your plan there"),
    api.OVERLOADED: ("{name} is overloaded", "wait"),
    api.UNREACHABLE: ("{name} can't be reached", "check the network"),
    api.FAILING: ("{name} fails ({why})", "wait"),
}
_OR_PAUSE = frozenset({api.LIMIT, api.OVERLOADED, api.FAILING})
"""Where a pause helps as well: Claude takes over."""


def name_of(backend: str) -> str:
    """What people call a backend; a name from an old or foreign record is made fit to show."""
    return backend_name(backend)[:_LONGEST_NAME]


def headline(state: TrayState) -> str:
    """State and split."""
    return f"{_state_text(state)}{BETWEEN}{split(state)}"


def title(state: TrayState) -> str:
    """The split, after the state unless all is well."""
    is_well = tray_state.condition(state) is tray_state.Condition.RUNNING
    text = split(state) if is_well and state.presence is Presence.RUNNING else headline(state)
    return f"{text} · new message in the menu" if state.unseen else text


def tooltip(state: TrayState) -> str:
    """The title, what is wrong, or made up for, and how much of the plans is used."""
    is_gone = state.presence is Presence.NOT_RUNNING
    first = "Open the menu to start the daemon" if is_gone else last_error(state)
    lines = (first, *_hindrances(state), *bypass_lines(state).values())
    trouble = next(filter(None, lines), "")
    return "\n".join(filter(None, (title(state), trouble, *glances(state))))


def glances(state: TrayState) -> tuple[str, ...]:
    """A short line for each window of the plans: what is used, even pace, and the reset."""
    is_live = tray_state.live_status(state) is not None
    lines = [
        quota_text.glance_text(name, window, state.now, state.boundary.zone, is_live=is_live)
        for name in tray_state.shown_backends(state)
        if name in state.backends
        for window in tray_state.shown_windows(state, name)
    ]
    return tuple(lines[:_MOST_GLANCES])


def split(state: TrayState) -> str:
    """`Claude 32%, Z.ai 68% of tokens this week`."""
    unit = tray_state.measure(state).value
    parts = tray_state.shares(state)
    if parts is None:
        return f"{UNKNOWN} of {unit} this week"
    if not parts:
        return f"no {unit} this week"
    shown = ", ".join(f"{name_of(name)} {format_percent(part)}" for name, part in parts)
    return f"{shown} of {unit} this week"


def label(state: TrayState) -> str:
    """The text beside the icon that the settings ask for, with its unit."""
    week = tray_state.current_week(state)
    match state.settings.text:
        case "none":
            return ""
        case _ if week is None:
            return UNKNOWN
        case "share":
            parts = tray_state.shares(state)
            if not parts:
                return UNKNOWN
            delegated = sum(part for name, part in parts if name != ANTHROPIC)
            return f"{format_percent(delegated)} of {tray_state.measure(state).value}"
        case "requests":
            requests = sum(totals.requests for totals in week.by_backend.values())
            return f"{requests:,} request{'s' * (requests != 1)}"
        case "tokens":
            tokens = sum(totals.tokens for totals in week.by_backend.values())
            return f"{format_tokens(tokens)} tokens"


def backend_line(name: str, totals: Totals | None) -> str:
    """One backend's week; None while it is unknown."""
    if totals is None:
        return f"{name_of(name)}: {UNKNOWN} requests, {UNKNOWN} tokens"
    noun = "request" if totals.requests == 1 else "requests"
    return f"{name_of(name)}: {totals.requests:,} {noun}, {format_tokens(totals.tokens)} tokens"


def quota_line(backend: str, window: QuotaWindow, state: TrayState) -> str:
    """One window of a plan, in everybody's words."""
    is_live = tray_state.live_status(state) is not None
    return quota_text.window_text(
        backend,
        window,
        state.now,
        state.boundary.zone,
        expected=tray_state.expected(state, backend, window) if is_live else None,
        is_live=is_live,
    )


def delegation_why(state: TrayState) -> str:
    """Why the latest conversation went where it went; nothing where no autopilot decides."""
    status = tray_state.live_status(state)
    if status is None or status.delegation != delegation_text.AUTO or tray_state.is_paused(state):
        return ""
    return _one_line(status.delegation_why or "")


def bypass_lines(state: TrayState) -> dict[str, str]:
    """For each backend that others stand in for: why, what goes elsewhere, and until when."""
    return {
        each.name: _one_line(
            failover_text.bypass_text(
                each,
                tray_state.plan_of(state, each.name),
                state.now,
                state.boundary.zone,
                state.routed.get(each.name, ()),
            )
        )
        for each in tray_state.bypassed(state)
    }


def bypass_reasons(state: TrayState) -> dict[str, str]:
    """What each bypassed backend answered, where that says more than the bypass."""
    return {
        each.name: _one_line(failover_text.why_text(each).removesuffix("."))
        for each in tray_state.bypassed(state)
    }


def bypass_cures(state: TrayState) -> dict[str, str]:
    """What to do about each bypass, unless the backend's error has a row that says it."""
    explained = {name for name, _ in tray_state.errors(state)}
    return {
        each.name: _one_line(failover_text.cure_text(each).removesuffix("."))
        for each in tray_state.bypassed(state)
        if each.name not in explained
    }


def trouble_lines(state: TrayState) -> tuple[tuple[str, str], ...]:
    """For each cause that keeps requests from being delegated: what it is, and what to do."""
    return tuple(
        (
            _row(trouble_text.cause_text(trouble, state.now, state.boundary.zone)),
            _row(trouble_text.cure_text(trouble)),
        )
        for trouble in tray_state.hindered(state)
    )


def client_lines(state: TrayState) -> tuple[str, str]:
    """That Claude Code has left Offramp, and what to do; empty while it has not."""
    problem = tray_state.client_problem(state)
    if problem is None:
        return "", ""
    return trouble_text.CLIENT_LEFT, _row(trouble_text.client_cure_text(problem))


def fallback_lines(state: TrayState) -> tuple[str, ...]:
    """For each model whose name its backend does not know, what is sent in its place."""
    status = tray_state.live_status(state)
    found = () if status is None or tray_state.is_resting(state) else status.fallbacks
    zone = state.boundary.zone
    return tuple(_row(trouble_text.fallback_text(each, state.now, zone)) for each in found)


def waiting_lines(state: TrayState) -> dict[str, str]:
    """For each backend, how many requests wait for their turn; empty while none does."""
    status = tray_state.live_status(state)
    backends = () if status is None else status.backends
    return {each.name: failover_text.waiting_text(each) for each in backends}


def last_error(state: TrayState) -> str:
    """The most important of the problems, in one line with its cure; nothing if all is well."""
    return next(iter(problems(state)), "")


def problems(state: TrayState) -> tuple[str, ...]:
    """What is wrong, each in one line with its cure, the most important first."""
    if state.presence is Presence.NOT_RUNNING:
        start = "Start the daemon below."
        # One that this tray has never seen need not have ended: it may never have been started.
        return (start if state.status is None else f"{start} The log folder shows why it ended.",)
    if state.presence is Presence.UNREACHABLE:
        return (_one_line(state.problem),)
    lines = [error_line(name, error, state) for name, error in tray_state.errors(state)]
    lines += [no_key(name, state) for name in tray_state.keyless(state)]
    status = tray_state.live_status(state)
    if not lines and status is not None and status.records.last_error is not None:
        return (_one_line(f"Records can't be written: {status.records.last_error}"),)
    other = _one_line(state.week_problem or state.settings_problem)
    return tuple(lines) or ((other,) if other else ())


def is_key_problem(place: int, state: TrayState) -> bool:
    """Whether that one of the problems is a key, which the settings can set."""
    if tray_state.live_status(state) is None:
        return False
    errors = tray_state.errors(state)
    if place < len(errors):
        return errors[place][1].kind == api.KEY_REFUSED
    return place < len(errors) + len(tray_state.keyless(state))


def error_line(backend: str, error: BackendError, state: TrayState) -> str:
    """A backend's error: what, when, how often, and what to do."""
    what, cure = _ERRORS.get(error.kind, ("{name}: {why}", "see offramp logs"))
    text = what.format(name=name_of(backend), why=_reason(error))
    when = moment(error.at, state)
    if error.count > 1:
        when += f", {error.count} in a row"
    if error.kind == api.KEY_REFUSED:
        cure = delegation_text.key_cure(backend)
    if error.kind in _OR_PAUSE and backend != ANTHROPIC:
        cure = "wait, or pause delegation"
    return _one_line(f"{text} ({when}): {cure}")


def no_key(backend: str, state: TrayState) -> str:
    """That a backend's key is missing, and what to do, or what is known of why."""
    status = tray_state.live_status(state)
    notes = [each.key_note for each in status.backends if each.name == backend] if status else []
    cure = (notes and notes[0]) or delegation_text.key_cure(backend)
    return _one_line(f"No key for {name_of(backend)}: {cure}")


def delegation(status: Status, state: TrayState) -> str:
    """Whether requests are delegated, in everybody's words."""
    return delegation_text.delegation_text(status, state.now, state.boundary.zone)


def moment(instant: datetime, state: TrayState) -> str:
    """`instant` on the user's clocks."""
    return format_moment(instant, state.now, state.boundary.zone)


def tomorrow(state: TrayState) -> datetime:
    """When tomorrow's work begins: 08:00 by the clock."""
    local = state.now.astimezone(state.boundary.zone)
    morning = local.replace(hour=_MORNING_HOUR, minute=0, second=0, microsecond=0, fold=0)
    return (morning + timedelta(days=1)).astimezone(state.now.tzinfo)


def _state_text(state: TrayState) -> str:
    match state.presence:
        case Presence.UNKNOWN:
            return "Looking for the daemon"
        case Presence.NOT_RUNNING:
            return "Daemon not running"
        case Presence.UNREACHABLE:
            return "Daemon can't be asked"
        case Presence.RUNNING:
            return f"Delegation {delegation(state.status, state)}" if state.status else "Running"


def _reason(error: BackendError) -> str:
    """The status says most, but not where an answer had begun well and then broke off."""
    if error.http_status and error.http_status >= _FIRST_ERROR:
        return f"HTTP {error.http_status}"
    return error.why.rstrip(".")


def _hindrances(state: TrayState) -> tuple[str, ...]:
    return (*(_one_line(cause) for cause, _ in trouble_lines(state)), client_lines(state)[0])


def _row(sentence: str) -> str:
    """A sentence as a row of the menu, which has no full stop."""
    return _one_line(sentence.removesuffix("."), _LONGEST_ROW)


def _one_line(text: str, longest: int = _LONGEST_LINE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
