"""What `offramp install` does, in its order: looked at first, then described or done."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli.claude_code import connect, edit_plan, read_only
from offramp_cli.service import handover, service_status, tray_restart
from offramp_cli.service.steps import Step
from offramp_core import __version__
from offramp_core.claude_settings import connection
from offramp_core.claude_settings.connection import ConnectOutcome
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.config import editor, loader, shell_migration
from offramp_core.errors import OfframpError
from offramp_core.keys.key_store import KeyStore
from offramp_core.login_item import autostart, linger
from offramp_core.login_item.plan import command_line, step_line
from offramp_core.login_item.planned_files import Fate
from offramp_core.login_item.runner import SystemRunner, must
from offramp_core.services import DELEGATE
from offramp_daemon.server.listeners import PortBusyError, open_listeners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_cli.claude_code.edit_plan import ConnectionSetup
    from offramp_cli.service.handover import DaemonAnswer
    from offramp_cli.service.install_questions import InstallAnswers
    from offramp_cli.service.service_status import LoginItemContext
    from offramp_cli.service.tray_restart import TrayRestart
    from offramp_core.claude_settings.connection import SettingsEdit
    from offramp_core.control.api import Status
    from offramp_core.login_item.autostart import TrayAutostart
    from offramp_core.login_item.plan import LoginItemPlan
    from offramp_core.login_item.service import LoginItemManager, LoginItemState
    from offramp_core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """What the user's options and answers say."""

    answers: InstallAnswers
    tray: bool | None
    """None: as the user left it, and at login if that is not known."""
    is_sure: bool
    is_lingering: bool
    is_renewal: bool


def require_free_port(context: LoginItemContext, settings: Settings, state: LoginItemState) -> None:
    """Refuse to go on where somebody else has the port, or a daemon runs that is not ours to stop.

    Raises:
        PortBusyError: so it is.
    """
    hint = "End it, then run offramp install again."
    status = service_status.status_of(context.paths)
    if status is not None and status.supervisor_pid is None:
        raise PortBusyError(
            f"An Offramp runs in the foreground: pid {status.pid}, at {status.address}.", hint=hint
        )
    is_served_by_us = (
        state.is_running
        and status is not None
        and status.address == service_status.url_of(settings)
    )
    wanted = {str(address) for address in context.spec(settings).addresses}
    if is_served_by_us or (state.is_listening and wanted & set(state.listens_on)):
        return
    try:
        listeners = open_listeners(settings.host, settings.port)
    except PortBusyError as error:
        raise PortBusyError(
            error.title,
            hint=f"{hint} Or choose another port in {context.paths.config_file}: port = 3002",
        ) from error
    for listener in listeners:
        listener.close()


def has_key(context: LoginItemContext, settings: Settings) -> bool:
    """Whether a key for the delegate is known, to the daemon or only to this shell."""
    name = DELEGATE.name
    if settings.backend(name).key is not None or name in KeyStore(context.paths).entries():
        return True
    try:
        return loader.load(context.paths, context.environ).settings.backend(name).key is not None
    except loader.ConfigError:
        return False


def can_connect(context: LoginItemContext, settings: Settings) -> bool:
    """Whether Claude Code could be pointed at Offramp, and is not yet."""
    change = _plan_connect(context, settings)
    return change.outcome is ConnectOutcome.CONNECTED and read_only.can_apply(change)


@dataclass(slots=True, kw_only=True)
class Installation:
    """All that there is to do, as far as it can be known beforehand, and what was seen since."""

    context: LoginItemContext
    settings: Settings
    manager: LoginItemManager
    options: InstallOptions
    move: shell_migration.MigrationPlan
    daemon: LoginItemPlan
    tray: LoginItemPlan | None
    """None: it stays switched off, as the user left it."""
    old_tray: TrayRestart | None
    """None: none runs, or it is of this version and stays."""
    connection: SettingsEdit | None
    """None: Claude Code is left alone."""
    before: DaemonAnswer = None
    """The daemon as it was when the first step began."""
    status: Status | None = None
    """The daemon's status once it serves as it should."""

    def steps(self) -> Iterator[Step]:
        """Yield what is done, in its order."""
        yield Step(self._store_settings, self._describe_settings)
        yield Step.of_plan(self.daemon)
        yield Step(self._wait_until_serving)
        if self.tray is not None:
            yield Step.of_plan(self.tray)
            yield Step(self._start_tray)
        if self.old_tray is not None:
            yield Step(self.old_tray.restart, self.old_tray.describe)
        if self.options.is_lingering:
            yield Step(self._linger, lambda: click.echo(command_line(linger.COMMAND)))
        yield Step(self._print_address)
        # Only once the daemon answers: Claude Code must never be pointed at a closed port.
        yield Step(self._connect, self._describe_connection)
        yield Step(self._print_notes, self._describe_notes)
        yield Step(self._print_next_steps)

    def _describe_settings(self) -> None:
        for sentence in self.move.sentences:
            click.echo(f"  {sentence}")
        if self.options.answers.key is not None:
            click.echo(f"  The {DELEGATE.title} key is stored.")
        self._print_week()

    def _store_settings(self) -> None:
        answers, paths = self.options.answers, self.context.paths
        self.before = handover.ask(paths)
        for sentence in (*shell_migration.apply(self.move), *self.move.remarks):
            click.echo(f"  {sentence}")
        if answers.key is not None:
            stored = KeyStore(paths).set(DELEGATE.name, answers.key)
            click.echo(step_line("stored", f"the {DELEGATE.title} key: {stored.where}"))
            if stored.obstacle is not None:
                click.echo(
                    f"  It is in a file that only you can read: {stored.obstacle.title}", err=True
                )
        if answers.week is not None:
            week = {"week_start_day": answers.week.day, "week_start_hour": answers.week.hour}
            editor.save(paths, self.context.daemon_environ, week)
        self._print_week()

    def _print_week(self) -> None:
        if week := self.options.answers.week:
            file = self.context.paths.config_file
            click.echo(step_line(Fate.CHANGED.value, f"{file}: your week begins {week.in_words}"))

    def _wait_until_serving(self) -> None:
        """Wait until the daemon answers, handed over to this version where that is due."""
        paths, before = self.context.paths, self.before
        # Proxies and certificates are looked at when a process starts, and only then.
        is_to_renew = self.options.is_renewal or bool(self.move.variables) or self.daemon.hands_over
        is_silent = before is None and not self.daemon.hands_over
        if is_silent or self.daemon.interrupts:
            old = handover.pid_of(before)
            self.status = service_status.require_serving(
                self.manager, paths, self.settings, is_wanted=lambda status: status.pid != old
            )
        elif before is not None and handover.version_of(before) == __version__ and not is_to_renew:
            self.status = service_status.require_serving(self.manager, paths, self.settings)
        else:
            program = str(self.context.programs.daemon) if self.daemon.hands_over else ""
            status = handover.hand_over(self.manager, paths, self.settings, before, program=program)
            pids = handover.pids(before, status)
            click.echo(step_line("restarted", f"Offramp {status.version}: {pids}"))
            self.status = status

    def _start_tray(self) -> None:
        """Start the tray where its login item is new and there is a desktop."""
        files = self.tray.files if self.tray else ()
        # A changed one is no reason by itself: the user may have quit the tray.
        fates = {Fate.CREATED, Fate.CHANGED} if self.options.tray else {Fate.CREATED}
        is_new = any(file.fate in fates for file in files)
        environ = self.context.environ
        has_desktop = environ.get("XDG_CURRENT_DESKTOP") and (
            environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
        )
        if is_new and has_desktop and self.options.tray is not False:
            command = (str(self.context.programs.command_line), "tray")
            # Its own session: the end of this terminal must not be the end of the tray.
            with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - no file
                subprocess.Popen(
                    command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
                )
            click.echo(command_line(command))

    def _linger(self) -> None:
        must(SystemRunner(self.context.environ), linger.COMMAND)
        click.echo(command_line(linger.COMMAND))

    def _print_address(self) -> None:
        if status := self.status:
            click.echo(
                f"The daemon serves at {status.address} (Offramp {status.version}, "
                f"pid {status.pid})."
            )

    def _describe_connection(self) -> None:
        if self.connection is None:
            return
        if read_only.can_apply(self.connection):
            describe_edit(self.connection)
        else:
            self._print_other_way(self.connection)

    def _connect(self) -> None:
        change = self.connection
        if change is None:
            return
        if change.outcome is ConnectOutcome.FOREIGN:
            click.echo(
                f"Note: Claude Code was not connected: {change.file}, line {change.line}, sends "
                f"it to {change.old}. `offramp connect --force` replaces that, and `offramp "
                "disconnect` restores it.",
                err=True,
            )
            return
        if not read_only.can_apply(change):
            self._print_other_way(change)
            return
        setup = _claude_code(self.context, self.settings)
        has_backup = connection.apply(change, setup.memory_file)
        connect.report(change, setup, has_backup=has_backup)
        edit_plan.print_warnings(connect.edit_warnings(change, setup))

    def _print_other_way(self, change: SettingsEdit) -> None:
        """Say what leads Claude Code here where its settings are read-only, or what can."""
        try:
            read_only.report(change, _claude_code(self.context, self.settings), is_json=False)
        except OfframpError as error:
            click.echo(f"Note: {error}", err=True)

    def _describe_notes(self) -> None:
        if self.daemon.interrupts:
            click.echo(f"Note: {self.daemon.interrupts}", err=True)
        self._print_notes()

    def _print_notes(self) -> None:
        if self.daemon.limits:
            click.echo(f"Note: {self.daemon.limits}", err=True)
        self._print_shell_only()

    def _print_shell_only(self) -> None:
        """Name the settings that this shell sets and that the daemon at login will not see."""
        file = self.context.paths.config_file
        try:
            here = loader.load(self.context.paths, self.context.environ)
        except loader.ConfigError as error:
            click.echo(f"Note: In this shell only: {error.title}", err=True)
            return
        there = self.context.settings()
        for name, origin in here.origins.items():
            is_here_only = origin.startswith("environment") and there.origins[name] != origin
            if is_here_only and not name.endswith("key"):
                click.echo(
                    f"Note: {origin.removeprefix('environment ')} is set in this shell only, and "
                    f"the daemon does not see it. To keep it, set {name} in {file}.",
                    err=True,
                )

    def _print_next_steps(self) -> None:
        backends = self.status.backends if self.status else ()
        if any(backend.name == DELEGATE.name and backend.key == "missing" for backend in backends):
            click.echo(
                f"Next: offramp key set, with your {DELEGATE.title} key. Until then everything "
                "goes to Claude."
            )
        if can_connect(self.context, self.settings):
            click.echo("Next: offramp connect, which points Claude Code here.")
        is_remote = "SSH_CONNECTION" in self.context.environ and self.manager.name == "systemd"
        if is_remote and not self.options.is_lingering and not linger.is_on(getpass.getuser()):
            click.echo(
                "Note: The daemon ends with your last session on this machine. If Claude Code "
                "keeps working after you log out (in tmux, for example): offramp install --linger",
                err=True,
            )


def plan(
    context: LoginItemContext,
    manager: LoginItemManager,
    settings: Settings,
    options: InstallOptions,
) -> Installation:
    """Return what there is to do; nothing is changed.

    Raises:
        OfframpError: a file or the service manager can't be read.
    """
    item = autostart.find(context.environ, home=context.home)
    tray = _plan_tray(item, context, options.tray)
    return Installation(
        context=context,
        settings=settings,
        manager=manager,
        options=options,
        move=shell_migration.plan_move(context.paths, context.environ),
        daemon=manager.plan_install(context.spec(settings)),
        tray=tray,
        old_tray=tray_restart.plan(item, tray, context.paths, is_renewal=options.is_renewal),
        connection=_wanted_connection(_plan_connect(context, settings), options),
    )


def describe_edit(change: SettingsEdit) -> None:
    """Print what would become of Claude Code's settings, if anything."""
    if change.is_edit:
        click.echo(step_line("changed", str(change.file)))
        click.echo(edit_plan.difference_of(change), nl=False)


def _plan_connect(context: LoginItemContext, settings: Settings) -> SettingsEdit:
    setup = _claude_code(context, settings)
    return connection.plan_connect(
        setup.places.user,
        setup.memory_file,
        setup.url,
        is_own=setup.is_own,
        token=settings.client_token,
    )


def _claude_code(context: LoginItemContext, settings: Settings) -> ConnectionSetup:
    return edit_plan.ConnectionSetup(
        places=SettingsLocations.for_user(context.environ, home=context.home, folder=Path.cwd()),
        settings=settings,
        memory_file=context.paths.claude_code_file,
        environ=context.environ,
    )


def _wanted_connection(change: SettingsEdit, options: InstallOptions) -> SettingsEdit | None:
    """The change, if it was asked for, or if it only follows a port that has moved."""
    wanted = options.answers.connect
    if wanted is None:
        follows = change.outcome is ConnectOutcome.CONNECTED and change.old is not None
        wanted = options.is_sure or follows
    return change if wanted else None


def _plan_tray(
    item: TrayAutostart, context: LoginItemContext, wanted: bool | None
) -> LoginItemPlan | None:
    is_off = item.choice() == "off"
    if wanted is False:
        return None if is_off else item.plan_off()
    if wanted is None and is_off:
        return None
    return item.plan_on(context.programs.command_line, context.variables)
