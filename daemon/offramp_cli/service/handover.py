"""How a running daemon is replaced: by a hand-over where it answers, else by its manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from offramp_cli.daemon_client import client_for
from offramp_cli.service import service_status, steps
from offramp_core import __version__
from offramp_core.control.api import Status
from offramp_core.control.client import ControlError, NotRunningError, OtherVersionError

if TYPE_CHECKING:
    from offramp_core.login_item.service import LoginItemManager
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings

    DaemonAnswer = Status | OtherVersionError | None


def ask(paths: Paths) -> DaemonAnswer:
    """The daemon's status; the error if it is one that speaks otherwise; None if it is silent."""
    try:
        return client_for(paths).status()
    except OtherVersionError as error:
        return error
    except ControlError:
        return None


def version_of(seen: Status | OtherVersionError) -> str:
    """Which version runs."""
    return seen.version if isinstance(seen, Status) else seen.daemon.version


def hand_over(
    manager: LoginItemManager,
    paths: Paths,
    settings: Settings,
    before: DaemonAnswer,
    *,
    program: str = "",
) -> Status:
    """Have the daemon, as it was seen, replaced by a new process; wait until that serves.

    `program` is the `offramp-daemon` to go on as, if it is another than the running one. Where the
    daemon does not take the command, its manager ends it and starts another.

    Raises:
        OfframpError: the successor does not come up; the old one then goes on where it can.
    """
    if isinstance(before, Status):
        try:
            client_for(paths).restart(program)
        except NotRunningError:
            before = None
    if isinstance(before, OtherVersionError) and not program:
        # A signal is understood whatever the version.
        steps.apply_plan(manager.plan_hand_over())
    elif not isinstance(before, Status):
        why = "does not answer" if before is None else "speaks another protocol"
        click.echo(f"The daemon {why}: {manager.name} ends it and starts a new one.", err=True)
        steps.apply_plan(manager.plan_restart())
    after = _successor(manager, paths, settings, pid_of(before))
    if program and isinstance(before, Status) and after.version != __version__:
        # A daemon of before 0.2 goes on as itself, whatever program is named.
        click.echo(
            f"The daemon went on as Offramp {after.version}: {manager.name} ends it and starts "
            f"{__version__}.",
            err=True,
        )
        steps.apply_plan(manager.plan_restart())
        after = _successor(manager, paths, settings, after.pid)
    return after


def _successor(
    manager: LoginItemManager, paths: Paths, settings: Settings, old: int | None
) -> Status:
    return service_status.require_serving(
        manager, paths, settings, is_wanted=lambda status: status.pid != old
    )


def pid_of(seen: DaemonAnswer) -> int | None:
    """The process that served, where that is known."""
    return seen.pid if isinstance(seen, Status) else None


def pids(before: DaemonAnswer, after: Status) -> str:
    """Which process serves now, and which did."""
    old = pid_of(before)
    if old is None:
        return f"pid {after.pid} serves now"
    return f"pid {after.pid} serves now, {old} finishes its streams and ends"
