"""What the daemon's status says, as the window words it. Pure: no Qt, no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_core.wording import failover_text, trouble_text
from offramp_core.wording.formatting import backend_name, format_moment
from offramp_dashboard.data.snapshot import Alert, DaemonCondition, DaemonSummary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import ClientProblem, Status

_MODES = {
    "auto": "Running, auto: it delegates only as much as the Claude plan needs.",
    "never": "Running: delegation is switched off in the settings, so everything goes to Claude.",
}


def seen(
    status: Status, now: datetime, zone: tzinfo, routed: Mapping[str, Sequence[str]] | None = None
) -> DaemonSummary:
    """`status` as the toolbar says it at `now`.

    `routed` are the models' names that the settings send to each backend.
    """
    if status.is_stopping:
        return DaemonSummary(state=DaemonCondition.STOPPED, text="The daemon is stopping.")
    alerts = alerts_of(status, now, zone)
    state, text = _state_text(status, now, zone, has_alerts=bool(alerts))
    if status.records.last_error:
        text += f" Records can't be written: {status.records.last_error}"
    return DaemonSummary(
        state=state,
        text=text,
        paused_until=status.pause.until if status.pause else None,
        detour=detour_text(status, now, zone, routed or {}),
        alerts=alerts,
    )


def alerts_of(status: Status, now: datetime, zone: tzinfo) -> tuple[Alert, ...]:
    """What keeps requests from being delegated, against the user's will, the worst first."""
    is_resting = status.pause is not None or status.delegation == "never"
    troubles = () if is_resting else trouble_text.unexplained(status)
    return (
        *_client_alerts(status.client_problem),
        *(
            Alert(
                key=f"{each.backend} {each.model} {each.cause} {each.rule} since {each.since}",
                cause=trouble_text.cause_text(each, now, zone),
                cure=trouble_text.cure_text(each),
                since=each.since.astimezone(zone),
                reason=trouble_text.reason_text(each),
            )
            for each in troubles
        ),
    )


def detour_text(
    status: Status, now: datetime, zone: tzinfo, routed: Mapping[str, Sequence[str]]
) -> str:
    """What goes elsewhere or by another name, why, until when, and the cure; empty for nothing."""
    sentences: list[str] = []
    for backend in status.backends:
        plan = windows.find(status.quota, backend.name)
        models = routed.get(backend.name, ())
        if text := failover_text.bypass_text(backend, plan, now, zone, models):
            more = (failover_text.why_text(backend), failover_text.cure_text(backend))
            sentences += [f"{text}.", *filter(None, more)]
    for fallback in status.fallbacks:
        sentences.append(trouble_text.fallback_text(fallback, now, zone))
        sentences.append(trouble_text.fallback_cure_text(fallback))
    return " ".join(sentences)


def _state_text(
    status: Status, now: datetime, zone: tzinfo, *, has_alerts: bool
) -> tuple[DaemonCondition, str]:
    """What the daemon does, and the sentence for it."""
    if (pause := status.pause) is not None:
        until = "you resume it" if pause.until is None else format_moment(pause.until, now, zone)
        return DaemonCondition.PAUSED, f"Paused until {until}: everything goes to Claude."
    missing = [each.name for each in status.backends if each.key == "missing" and each.is_used]
    if missing:
        names = ", ".join(map(backend_name, missing))
        # What to do is on the button beside it.
        return DaemonCondition.NO_KEY, f"No key for {names}: its requests go to Claude."
    is_bad = has_alerts or failover_text.must_be_fixed(status)
    return DaemonCondition.TROUBLE if is_bad else DaemonCondition.RUNNING, _mode_text(status)


def _client_alerts(problem: ClientProblem | None) -> tuple[Alert, ...]:
    if problem is None:
        return ()
    return (
        Alert(
            key=f"client {problem.found}",
            cause=trouble_text.client_text(problem),
            cure=trouble_text.client_cure_text(problem),
            is_of_client=True,
        ),
    )


def _mode_text(status: Status) -> str:
    unreached = failover_text.unreached(status)
    if unreached and status.delegation != "never":
        return f"Running, but nothing reaches {unreached}."
    stopped = trouble_text.stopped_models(trouble_text.unexplained(status))
    if stopped and status.delegation != "never":
        return f"Running, but delegation does not work for {stopped}."
    if status.delegation == "auto" and status.delegation_why:
        return f"Running, auto: {status.delegation_why}"
    return _MODES.get(status.delegation, "Running: delegation is on.")
