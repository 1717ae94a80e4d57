"""`offramp status`: whether the daemon runs, how it is doing, and what keeps it from delegating."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from offramp_cli import exit_codes, own_name
from offramp_cli.daemon_client import (
    START_DEMO,
    client_for,
    delegation_text,
    key_text,
    local_text,
)
from offramp_cli.options import demo_option, is_demo
from offramp_cli.reports import log_filters
from offramp_cli.service import service_status
from offramp_core.config.loader import ConfigError
from offramp_core.control.client import NotRunningError
from offramp_core.errors import OfframpError
from offramp_core.quota import forecast, history_log, state_file
from offramp_core.quota import windows as quota
from offramp_core.services import SERVICES, service_of
from offramp_core.settings import ANTHROPIC, Settings
from offramp_core.usage.weeks import system_zone
from offramp_core.wording import failover_text, quota_text, stand_in_text, trouble_text
from offramp_core.wording.formatting import backend_name, format_duration, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from offramp_core.control.api import PlanOutlook, Status
    from offramp_core.login_item.service import LoginItemState
    from offramp_core.paths import Paths
    from offramp_core.quota.forecast import PastUse
    from offramp_core.quota.windows import PlanQuota


_RESTART = "offramp restart"
_RESTART_DEMO = "end the demo, then start it again"


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times are UTC.")
@demo_option
def command(paths: Paths, as_json: bool) -> None:
    """Show whether the daemon runs, its address, delegation, keys, quota and records.

    Ends with 0 if the daemon runs and with 1 if it does not run or does not answer.
    """
    log_filters.mention_zone()
    try:
        status = client_for(paths).status()
    except NotRunningError as error:
        _print_not_running(error, paths, as_json=as_json)
        sys.exit(exit_codes.FAILURE)
    if as_json:
        click.echo(json.dumps({"running": True, **msgspec.to_builtins(status), **_item_json()}))
        return
    now = datetime.now(UTC)
    past = _past_uses(paths, now)
    found = rows(status, now, past, how_to_restart=_RESTART_DEMO if is_demo(paths) else _RESTART)
    if not is_demo(paths):  # the login item is not the demo's
        found.append(("login item", service_status.state_here()[1]))
    click.echo(own_name.in_hints(screen(found)))


def _past_uses(paths: Paths, now: datetime) -> dict[tuple[str, str], PastUse]:
    """How the plans' windows filled before; nothing where that can't be read."""
    try:
        settings = log_filters.load_settings(paths)
    except ConfigError:
        settings = Settings()  # as in the window
    try:
        folder = log_filters.log_folder(paths, settings)
        return forecast.past_uses(history_log.read(folder, now - forecast.KEPT))
    except OfframpError:
        return {}  # a forecast is worth no failure: then it is a straight line


def _print_not_running(error: OfframpError, paths: Paths, *, as_json: bool) -> None:
    """Say it, and what was known of the plans' limits when a daemon last ran."""
    known = state_file.read(paths.quota_file)
    found = [quota.find(known, service.name) for service in SERVICES]
    plans = [plan for plan in found if plan is not None]
    if as_json:
        answer = {"running": False, "problem": error.title, "quota": msgspec.to_builtins(plans)}
        click.echo(json.dumps({**answer, **_item_json()}))
        return
    click.echo(error.title)
    if is_demo(paths):
        click.echo(f"  {own_name.in_hints(START_DEMO)}")
    else:
        state, text = service_status.state_here()
        click.echo(f"  {own_name.in_hints(_how_to_start(state))}")
        click.echo(f"  Login item: {text}")
    for plan in plans:
        for line in _plan_lines(plan.backend, plan, datetime.now(UTC), is_live=False):
            click.echo(f"  Quota: {line}")


def _how_to_start(state: LoginItemState | None) -> str:
    if state is None:  # without a service manager there is no login item either
        return "Start it: offramp serve"
    if state.is_installed:
        return "Start it: offramp start"
    return "Start it: offramp serve. To start it at login: offramp install"


def _item_json() -> dict[str, object]:
    """The login item for a script; null where no service manager says."""
    state, text = service_status.state_here()
    if state is None:
        return {"login_item": None}
    return {
        "login_item": {
            "manager": state.manager,
            "installed": state.is_installed,
            "enabled": state.is_enabled,
            "listening": state.is_listening,
            "running": state.is_running,
            "pid": state.pid,
            "text": text,
        }
    }


def screen(named: Iterable[tuple[str, str]]) -> str:
    """Return names and texts in two columns."""
    lines = tuple(named)
    width = max(12, *(len(name) + 2 for name, _ in lines)) if lines else 0
    return "\n".join(f"{name:<{width}}{text}" for name, text in lines)


def rows(
    status: Status,
    now: datetime,
    past: Mapping[tuple[str, str], PastUse] | None = None,
    *,
    how_to_restart: str = _RESTART,
) -> list[tuple[str, str]]:
    """Return what there is to say at `now`, as name and text.

    `past` is how the plans' windows filled before, which forecasts are made from.
    """
    state = "stopping" if status.is_stopping else "running"
    records = status.records
    found = [
        (
            "daemon",
            f"{state}, Offramp {status.version}, pid {status.pid}, "
            f"since {local_text(status.started, now)} ({format_duration(status.uptime_s)})",
        ),
        *_supervisor_rows(status),
        ("address", status.address),
        ("delegation", delegation_text(status, now)),
        *_autopilot_rows(status),
        *_key_rows(status),
        *_quota_rows(status, now, past),
        *_backend_rows(status, now),
        *_trouble_rows(status, now),
        ("in flight", "1 request" if status.in_flight == 1 else f"{status.in_flight} requests"),
        (
            "records",
            f"{records.written} written, {records.waiting} waiting, {records.lost} lost",
        ),
        ("settings", status.settings_file),
        *_waiting_rows(status, how_to_restart),
    ]
    if status.settings_problem:
        found.append(("trouble", f"The settings can't be used: {status.settings_problem}"))
    if records.last_error:
        found.append(("trouble", f"Records can't be written: {records.last_error}"))
    found += [("warning", printable(text)) for text in status.warnings]
    return found


def _waiting_rows(status: Status, how_to_restart: str) -> list[tuple[str, str]]:
    """What the settings say and the daemon can't take before its next start."""
    if not status.after_restart:
        return []
    names = ", ".join(map(printable, status.after_restart))
    return [("", f"waiting for a restart: {names} ({how_to_restart})")]


def _key_rows(status: Status) -> list[tuple[str, str]]:
    """Which keys are there, and how to store one that is missing and not about to come."""
    found: list[tuple[str, str]] = []
    for backend in status.backends:
        if backend.key == "not needed":
            continue
        unused = "" if backend.is_used else ", not used"
        found.append((f"key {backend.name}", f"{key_text(backend)}{unused}"))
        if backend.key == "missing" and backend.is_used and backend.key_note is None:
            found.append(("", f"Store one: offramp key set {backend.name}"))
    return found


def _backend_rows(status: Status, now: datetime) -> list[tuple[str, str]]:
    """Which backends are in trouble, what goes elsewhere for that, and what waits."""
    found: list[tuple[str, str]] = []
    for backend in status.backends:
        plan = quota.find(status.quota, backend.name)
        bypass = failover_text.bypass_text(backend, plan, now, system_zone(os.environ))
        error, waiting = backend.last_error, failover_text.waiting_text(backend)
        if bypass:
            found.append(("trouble", bypass))
            more = (failover_text.why_text(backend), failover_text.cure_text(backend))
            found += [("", text) for text in more if text]
        elif error is not None:
            at = local_text(error.at, now)
            found.append(("trouble", f"{backend_name(backend.name)} failed at {at}: {error.why}"))
            if backend.name != ANTHROPIC:
                found.append(("", trouble_text.cure_of(error.kind, backend.name)))
        if waiting:
            found.append(("waiting", waiting))
    return found


def _trouble_rows(status: Status, now: datetime) -> list[tuple[str, str]]:
    """Why requests are not delegated, what to do about it, and how many Claude has served."""
    zone = system_zone(os.environ)
    found: list[tuple[str, str]] = []
    for trouble in trouble_text.unexplained(status):
        next_try = trouble_text.next_try_text(trouble, now, zone)
        found.append(("trouble", trouble_text.cause_text(trouble, now, zone)))
        found.append(("", f"{trouble_text.cure_text(trouble)} {next_try}".rstrip()))
    if (problem := status.client_problem) is not None:
        found.append(("trouble", trouble_text.client_text(problem)))
        found.append(("", trouble_text.client_cure_text(problem)))
    for fallback in status.fallbacks:
        found.append(("model", trouble_text.fallback_text(fallback, now, zone)))
        found.append(("", trouble_text.fallback_cure_text(fallback)))
    stood_in = stand_in_text.stand_in_lines(status.stand_ins, now, zone)
    found += [("" if number else "on Claude", line) for number, line in enumerate(stood_in)]
    return found


def _autopilot_rows(status: Status) -> list[tuple[str, str]]:
    """Why the latest conversation went where it went, while the autopilot decides."""
    if status.delegation != "auto" or status.pause is not None or not status.delegation_why:
        return []
    return [("autopilot", printable(status.delegation_why))]


def _quota_rows(
    status: Status, now: datetime, past: Mapping[tuple[str, str], PastUse] | None
) -> list[tuple[str, str]]:
    """What is used of each plan that is in use, a window a line."""
    lines: list[str] = []
    for backend in status.backends:
        plan = quota.find(status.quota, backend.name)
        if plan is not None or (service_of(backend.name).tells_quota and backend.key != "missing"):
            lines += _plan_lines(backend.name, plan, now, past, status.outlooks)
    return [("" if number else "quota", line) for number, line in enumerate(lines)]


def _plan_lines(
    backend: str,
    plan: PlanQuota | None,
    now: datetime,
    past: Mapping[tuple[str, str], PastUse] | None = None,
    outlooks: Sequence[PlanOutlook] = (),
    *,
    is_live: bool = True,
) -> list[str]:
    if plan is None:
        return [quota_text.unknown_text(backend)]
    windows = tuple(window for window in plan.windows if not quota_text.is_refilled(window, now))
    if plan.windows and not windows:
        return [quota_text.refilled_text(backend)]
    current = msgspec.structs.replace(plan, windows=windows)
    zone = system_zone(os.environ)
    lines = [*quota_text.plan_texts(current, now, zone, past, outlooks, is_live=is_live)]
    if plan.windows and plan.problem:
        lines.append(f"no newer reading from {backend_name(backend)}: {plan.problem}")
    return lines


def _supervisor_rows(status: Status) -> list[tuple[str, str]]:
    if status.supervisor_pid is None:
        return []
    return [("supervisor", f"pid {status.supervisor_pid}, keeps the daemon running")]
