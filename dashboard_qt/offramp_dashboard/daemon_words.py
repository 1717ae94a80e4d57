"""What the daemon's status says, as the window words it. Pure: no Qt, no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core import control_api, quota, quota_words
from offramp_core.units import backend_name, format_moment
from offramp_dashboard.picture import Daemon, DaemonState

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from offramp_core.control_api import BackendStatus, Status

_CAUSES = {
    control_api.KEY_REFUSED: "{name} refuses the key",
    control_api.LIMIT: "{name}'s quota is spent",
    control_api.ACCOUNT: "{name}'s plan does not serve it",
    control_api.OVERLOADED: "{name} is overloaded",
    control_api.BUSY: "{name} serves no more requests at once",
    control_api.UNREACHABLE: "{name} can't be reached",
    control_api.FAILING: "{name} fails",
}
_OTHER_CAUSE = "{name} does not serve it at present"
_MODES = {
    "auto": "Running, auto: it delegates only as far as the Claude plan needs it.",
    "never": "Running: delegation is switched off in the settings: everything goes to Anthropic.",
}


def seen(status: Status, now: datetime, zone: tzinfo) -> Daemon:
    """`status` as the toolbar says it at `now`."""
    if status.is_stopping:
        return Daemon(state=DaemonState.STOPPED, text="The daemon is stopping.")
    if status.records.last_error:
        trouble = f" Records can't be written: {status.records.last_error}"
    else:
        trouble = ""
    detour = detour_text(status, now, zone)
    if (pause := status.pause) is not None:
        text = "Paused until you resume it: everything goes to Anthropic."
        if pause.until is not None:
            until = format_moment(pause.until, now, zone)
            text = f"Paused until {until}: everything goes to Anthropic."
        return Daemon(
            state=DaemonState.PAUSED,
            text=text + trouble,
            paused_until=pause.until,
            detour=detour,
        )
    missing = [backend.name for backend in status.backends if backend.key == "missing"]
    if missing:
        return Daemon(
            state=DaemonState.NO_KEY,
            text=f"No key for {', '.join(missing)}: what is routed there goes to Anthropic. "
            f"Set it in the settings.{trouble}",
            detour=detour,
        )
    text = f"{_mode_text(status)}{trouble}"
    return Daemon(state=DaemonState.RUNNING, text=text, detour=detour)


def detour_text(status: Status, now: datetime, zone: tzinfo) -> str:
    """What goes elsewhere than it belongs, why, and until when; empty while nothing does."""
    return " ".join(
        text for backend in status.backends if (text := _detour(status, backend, now, zone))
    )


def _mode_text(status: Status) -> str:
    if status.delegation == "auto" and status.delegation_why:
        return f"Running, auto: {status.delegation_why}"
    return _MODES.get(status.delegation, "Running: delegation is on.")


def _detour(status: Status, backend: BackendStatus, now: datetime, zone: tzinfo) -> str:
    bypass = backend.bypass
    if bypass is None:
        return ""
    cause = _CAUSES.get(bypass.cause, _OTHER_CAUSE).format(name=backend_name(backend.name))
    if bypass.cause == control_api.LIMIT and (spent := _spent_windows(status, backend, now)):
        cause += f" ({spent})"
    until = ""
    if bypass.until is not None and bypass.until > now:
        until = f" until {quota_words.reset_text(bypass.until, now, zone)}"
    return f"{cause}: what belongs there goes to {backend_name(bypass.to)}{until}."


def _spent_windows(status: Status, backend: BackendStatus, now: datetime) -> str:
    plan = quota.find(status.quota, backend.name)
    windows = quota_words.important(plan.windows) if plan else ()
    names = [quota_words.window_name(one.name) for one in windows if quota.is_spent(one, now)]
    return ", ".join(names)
