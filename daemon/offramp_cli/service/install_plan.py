"""What `offramp install` does, in its order: looked at and told first, then done step by step."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli.claude_code import connect, edit_plan
from offramp_cli.service import handover, service_status
from offramp_core import __version__
from offramp_core.claude_settings import connection
from offramp_core.claude_settings.connection import Outcome
from offramp_core.claude_settings.locations import Places
from offramp_core.config import editor, loader, shell_migration
from offramp_core.keys.key_store import KeyStore
from offramp_core.login_item import autostart, linger, plan_steps
from offramp_core.login_item.planned_files import Fate
from offramp_core.login_item.runner import SystemRunner, must
from offramp_core.services import DELEGATE
from offramp_daemon.server.listeners import PortBusyError, open_listeners

if TYPE_CHECKING:
    from offramp_cli.claude_code.edit_plan import Setup
    from offramp_cli.service.handover import Seen
    from offramp_cli.service.install_questions import Answers
    from offramp_cli.service.service_status import Surroundings
    from offramp_core.claude_settings.connection import Change
    from offramp_core.control.api import Status
    from offramp_core.login_item.autostart import TrayAutostart
    from offramp_core.login_item.service import Plan, ServiceManager, State
    from offramp_core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user's options and answers say."""

    answers: Answers
    tray: bool | None
    """None: as the user left it, and at login if that is not known."""
    is_sure: bool
    is_lingering: bool
    is_renewal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that there is to do, as far as it can be known beforehand."""

    around: Surroundings
    settings: Settings
    manager: ServiceManager
    wishes: Wishes
    move: shell_migration.Plan
    daemon: Plan
    tray_item: TrayAutostart
    tray: Plan | None
    """None: it stays switched off, as the user left it."""
    connection: Change | None
    """None: Claude Code is left alone."""


def require_free_port(around: Surroundings, settings: Settings, state: State) -> None:
    """Refuse to go on where somebody else has the port, or a daemon runs that is not ours to stop.

    Raises:
        PortBusyError: so it is.
    """
    hint = "End it, then run offramp install again."
    status = service_status.status_of(around.paths)
    if status is not None and status.supervisor_pid is None:
        raise PortBusyError(
            f"An Offramp runs in the foreground: pid {status.pid}, at {status.address}.", hint=hint
        )
    is_served_by_us = (
        state.is_running
        and status is not None
        and status.address == service_status.url_of(settings)
    )
    wanted = {str(address) for address in around.setup(settings).addresses}
    if is_served_by_us or (state.is_listening and wanted & set(state.listens_on)):
        return
    try:
        listeners = open_listeners(settings.host, settings.port)
    except PortBusyError as error:
        raise PortBusyError(
            error.title,
            hint=f"{hint} Or choose another port in {around.paths.config_file}: port = 3002",
        ) from error
    for listener in listeners:
        listener.close()


def has_key(around: Surroundings, settings: Settings) -> bool:
    """Whether a key for the delegate is known, to the daemon or to this shell alone."""
    name = DELEGATE.name
    if settings.backend(name).key is not None or name in KeyStore(around.paths).entries():
        return True
    try:
        return loader.load(around.paths, around.environ).settings.backend(name).key is not None
    except loader.ConfigError:
        return False


def can_connect(around: Surroundings, settings: Settings) -> bool:
    """Whether Claude Code could be pointed at Offramp, and is not yet."""
    return _plan_connect(around, settings).outcome is Outcome.CONNECTED


def plan(around: Surroundings, manager: ServiceManager, settings: Settings, wishes: Wishes) -> Work:
    """What there is to do; nothing is changed.

    Raises:
        OfframpError: a file or the service manager can't be read.
    """
    tray_item = autostart.find(around.environ)
    return Work(
        around=around,
        settings=settings,
        manager=manager,
        wishes=wishes,
        move=shell_migration.plan_move(around.paths, around.environ),
        daemon=manager.plan_install(around.setup(settings)),
        tray_item=tray_item,
        tray=_plan_tray(tray_item, around, wishes.tray),
        connection=_wanted_connection(_plan_connect(around, settings), wishes),
    )


def describe(work: Work) -> None:
    """Print what would be done."""
    answers = work.wishes.answers
    click.echo("This would be done:")
    for sentence in work.move.sentences:
        click.echo(f"  {sentence}")
    if answers.key is not None:
        click.echo(f"  The {DELEGATE.title} key is stored.")
    if answers.week is not None:
        click.echo(_week_line(work))
    for plan_of in (work.daemon, work.tray):
        for line in plan_steps.described(plan_of) if plan_of else ():
            click.echo(line)
    if work.wishes.is_lingering:
        click.echo(plan_steps.line_of_command(linger.COMMAND))
    if work.connection is not None and work.connection.is_edit:
        click.echo(plan_steps.line("changed", str(work.connection.file)))
        click.echo(edit_plan.difference_of(work.connection), nl=False)
    if work.daemon.interrupts:
        click.echo(f"Note: {work.daemon.interrupts}", err=True)
    _tell_shell_only(work)
    click.echo("Nothing was changed.", err=True)


def carry_out(work: Work) -> None:
    """Do it all; each step is printed once it is done.

    Raises:
        OfframpError: a step failed; those before it are done.
    """
    before = handover.look(work.around.paths)
    _store_settings(work)
    service_status.carry_out(work.manager, work.daemon)
    status = _serving(work, before)
    _set_up_tray(work)
    if work.wishes.is_lingering:
        must(SystemRunner(work.around.environ), linger.COMMAND)
        click.echo(plan_steps.line_of_command(linger.COMMAND))
    click.echo(
        f"The daemon serves at {status.address} (Offramp {status.version}, pid {status.pid})."
    )
    _connect(work)
    _tell_shell_only(work)
    _tell_what_next(work, status)


def _plan_connect(around: Surroundings, settings: Settings) -> Change:
    setup = _claude_code(around, settings)
    return connection.plan_connect(
        setup.places.user, setup.memory_file, setup.url, is_own=setup.is_own
    )


def _claude_code(around: Surroundings, settings: Settings) -> Setup:
    return edit_plan.Setup(
        places=Places.for_user(around.environ, home=around.home, folder=Path.cwd()),
        settings=settings,
        memory_file=around.paths.claude_code_file,
        environ=around.environ,
    )


def _wanted_connection(change: Change, wishes: Wishes) -> Change | None:
    """The change, if it was asked for, or if it only follows a port that has moved."""
    wanted = wishes.answers.connect
    if wanted is None:
        follows = change.outcome is Outcome.CONNECTED and change.old is not None
        wanted = wishes.is_sure or follows
    return change if wanted else None


def _plan_tray(item: TrayAutostart, around: Surroundings, wanted: bool | None) -> Plan | None:
    is_off = item.choice() == "off"
    if wanted is False:
        return None if is_off else item.plan_off()
    if wanted is None and is_off:
        return None
    return item.plan_on(around.programs.command_line, around.kept)


def _store_settings(work: Work) -> None:
    answers, paths = work.wishes.answers, work.around.paths
    for sentence in (*shell_migration.apply(work.move), *work.move.remarks):
        click.echo(f"  {sentence}")
    if answers.key is not None:
        kept = KeyStore(paths).set(DELEGATE.name, answers.key)
        click.echo(plan_steps.line("stored", f"the {DELEGATE.title} key: {kept.where}"))
        if kept.obstacle is not None:
            click.echo(f"  It is in a file of yours alone: {kept.obstacle.title}", err=True)
    if answers.week is not None:
        editor.save(
            paths,
            work.around.daemon_environ,
            {"week_start_day": answers.week.day, "week_start_hour": answers.week.hour},
        )
        click.echo(_week_line(work))


def _week_line(work: Work) -> str:
    week = work.wishes.answers.week
    assert week is not None
    return plan_steps.line(
        Fate.CHANGED.value, f"{work.around.paths.config_file}: your week begins {week.in_words}"
    )


def _serving(work: Work, before: Seen) -> Status:
    """The status of the daemon once it answers, handed over to this version where that is due."""
    paths = work.around.paths
    if before is None or work.daemon.interrupts:
        old = handover.pid_of(before)
        return service_status.require_serving(
            work.manager, paths, work.settings, is_wanted=lambda status: status.pid != old
        )
    # Proxies and certificates are looked at when a process starts, and only then.
    is_to_renew = work.wishes.is_renewal or bool(work.move.variables)
    if handover.version_of(before) == __version__ and not is_to_renew:
        return service_status.require_serving(work.manager, paths, work.settings)
    status = handover.hand_over(work.manager, paths, work.settings, before)
    click.echo(
        plan_steps.line("restarted", f"Offramp {status.version}: {handover.pids(before, status)}")
    )
    return status


def _set_up_tray(work: Work) -> None:
    if work.tray is None:
        return
    for line in work.tray_item.carry_out(work.tray):
        click.echo(line)
    is_new = any(file.fate in {Fate.CREATED, Fate.CHANGED} for file in work.tray.files)
    environ = work.around.environ
    has_desktop = environ.get("XDG_CURRENT_DESKTOP") and (
        environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    )
    if is_new and has_desktop and work.wishes.tray is not False:
        command = (str(work.around.programs.command_line), "tray")
        # Its own session: the end of this terminal must not be the end of the tray.
        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - no file
            subprocess.Popen(
                command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
            )
        click.echo(plan_steps.line_of_command(command))


def _connect(work: Work) -> None:
    """Only once the daemon answers: Claude Code must never be pointed at a closed port."""
    change = work.connection
    if change is None:
        return
    setup = _claude_code(work.around, work.settings)
    if change.outcome is Outcome.FOREIGN:
        click.echo(
            f"Note: Claude Code was left alone: {change.file}, line {change.line}, sends it to "
            f"{change.old}. `offramp connect --force` replaces that, `offramp disconnect` puts it "
            "back.",
            err=True,
        )
        return
    has_backup = connection.apply(change, setup.memory_file)
    connect.report(change, setup, has_backup=has_backup)
    edit_plan.print_warnings(connect.warnings(change, setup))


def _tell_shell_only(work: Work) -> None:
    """Name the settings that this shell sets and that the daemon at login will not see."""
    try:
        here = loader.load(work.around.paths, work.around.environ)
    except loader.ConfigError as error:
        click.echo(f"Note: In this shell alone: {error.title}", err=True)
        return
    there = work.around.settings()
    for name, origin in here.origins.items():
        is_here_alone = origin.startswith("environment") and there.origins[name] != origin
        if is_here_alone and not name.endswith("key"):
            click.echo(
                f"Note: {origin.removeprefix('environment ')} is set in this shell alone, and the "
                f"daemon does not see it. To keep it, set {name} in "
                f"{work.around.paths.config_file}.",
                err=True,
            )


def _tell_what_next(work: Work, status: Status) -> None:
    if any(each.name == DELEGATE.name and each.key == "missing" for each in status.backends):
        key = f"your {DELEGATE.title} key"
        click.echo(f"Next: offramp key set, with {key}. Until then all goes to Anthropic.")
    change = _plan_connect(work.around, work.settings)
    if change.outcome is Outcome.CONNECTED:
        click.echo("Next: offramp connect, which points Claude Code here.")
    is_remote = "SSH_CONNECTION" in work.around.environ and work.manager.name == "systemd"
    if is_remote and not work.wishes.is_lingering and not linger.is_on(getpass.getuser()):
        click.echo(
            "Note: The daemon ends with your last session on this machine. If Claude Code runs on "
            "after you log out (tmux, say): offramp install --linger",
            err=True,
        )
