"""`offramp uninstall`: takes away what `install` set up, and on request all else."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli.claude_code import disconnect, edit_plan, read_only
from offramp_cli.service import install_plan, service_status, steps
from offramp_cli.service.steps import Step
from offramp_core import purge, running_tray
from offramp_core.claude_settings import connection, warnings
from offramp_core.errors import OfframpError
from offramp_core.keys.key_store import KeyStore
from offramp_core.login_item import autostart, detect, install_location
from offramp_core.login_item.plan import step_line
from offramp_core.login_item.service import NoServiceManagerError
from offramp_core.paths import HOME_VARIABLE, Paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from offramp_core.claude_settings.connection import SettingsEdit
    from offramp_core.keys.key_file import StoredKey
    from offramp_core.login_item.plan import LoginItemPlan
    from offramp_core.purge import PurgePlan
    from offramp_core.running_tray import TrayRecord

_AGAIN = "The steps above were done. Run offramp uninstall again for the others."


@click.command("uninstall")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Ask nothing.")
@click.option(
    "--purge", "is_purge", is_flag=True, help="Delete your history, settings and stored keys too."
)
def command(is_dry: bool, is_sure: bool, is_purge: bool) -> None:
    """Remove what `offramp install` and `make install` set up.

    First restores Claude Code's settings, then stops the daemon and removes the login items of
    daemon and tray, and the program if `make install` installed it. Your history and settings
    stay, unless you use --purge.
    """
    if is_purge:
        _require_no_daemon_in_a_terminal()
    work = _plan(is_purge=is_purge)
    if is_dry:
        steps.describe(work.steps())
        return
    if is_purge and not is_sure:
        _confirm(work)
    steps.apply(work.steps(), again=_AGAIN)
    _print_what_stays(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """All that there is to do."""

    setup: edit_plan.ConnectionSetup
    change: SettingsEdit | None
    """None where Claude Code's settings can't be edited; `obstacle` says why."""
    obstacle: str
    daemon: LoginItemPlan | None
    """None where there is no service manager."""
    tray: LoginItemPlan
    purged: tuple[PurgePlan, ...]
    """Empty unless the history and the settings go too."""
    programs: tuple[Path, ...]

    @property
    def paths(self) -> Paths:
        """The user's own folders."""
        return Paths.for_user(self.setup.environ)

    @property
    def doomed(self) -> list[Path]:
        """The files and folders that are purged."""
        return [path for found in self.purged for path in found.doomed]

    def steps(self) -> Iterator[Step]:
        """Yield what is done, in its order."""
        # First of all: nobody's Claude Code is to be left pointing at a closed port.
        yield Step(self._disconnect, self._describe_edit)
        yield Step.of_plan(self.tray)
        yield Step(self._end_tray, self._describe_end)
        # After the tray: systemd makes a unit from its autostart file, and drops it on a reload.
        if self.daemon is not None:
            yield Step.of_plan(self.daemon)
        if self.purged:
            yield Step(self._purge, lambda: _print_removed(self.doomed))
        yield Step(self._remove_programs, lambda: _print_removed(self.programs))

    def _describe_edit(self) -> None:
        if self.change is None:
            edit_plan.print_warnings([self.obstacle])
        else:
            install_plan.describe_edit(self.change)

    def _disconnect(self) -> None:
        setup = self.setup
        if self.change is None:
            edit_plan.print_warnings([self.obstacle])
        else:
            dropped_backup = connection.apply(self.change, setup.memory_file)
            disconnect.report(self.change, dropped_backup=dropped_backup)
        found = warnings.leftovers(setup.places, setup.environ, is_own=setup.is_own)
        edit_plan.print_warnings([*setup.trouble, *found])

    def _describe_end(self) -> None:
        tray = running_tray.find(self.paths.tray_lock_file)
        if tray is not None:
            click.echo(_ended(tray))
        _print_removed(self._tray_memory())

    def _end_tray(self) -> None:
        """End a tray that runs still: it could load nothing from a program that is gone.

        What it has told the user goes too: a later install is a new one.
        """
        file = self.paths.tray_lock_file
        tray = running_tray.find(file)
        if tray is not None and running_tray.end(file, tray):
            click.echo(_ended(tray))
        elif tray is not None:
            click.echo(
                f"Warning: The tray (pid {tray.pid}) is still running: quit it from its menu.",
                err=True,
            )
        for path in self._tray_memory():
            with contextlib.suppress(OSError):  # it is no reason to stop, and nobody misses it
                purge.delete(path)
                _print_removed((path,))

    def _tray_memory(self) -> list[Path]:
        files = (self.paths.tray_said_file, self.paths.tray_told_file)
        return [path for path in files if path.exists()]

    def _purge(self) -> None:
        store = KeyStore(self.paths)
        for backend in _stored(store):
            deleted = store.delete(backend)
            click.echo(step_line("removed", f"the stored key of {backend}"))
            if deleted.obstacle is not None:
                click.echo(f"Warning: It is still in the keyring: {deleted.obstacle}", err=True)
        for found in self.purged:
            purge.remove(found)
            _print_removed(found.doomed)
            for path in found.staying:
                click.echo(f"Note: {path} is a link. The link and its target stay.", err=True)

    def _remove_programs(self) -> None:
        for path in self.programs:
            install_location.remove(path)
            _print_removed((path,))


def _ended(tray: TrayRecord) -> str:
    return step_line("ended", f"the tray, pid {tray.pid}")


def _print_removed(paths: Iterable[Path]) -> None:
    for path in paths:
        click.echo(step_line("removed", str(path)))


def _plan(*, is_purge: bool) -> Removal:
    environ = dict(os.environ)
    setup = edit_plan.find_setup(tolerant=True)
    daemon: LoginItemPlan | None
    try:
        daemon = detect.detect(environ).plan_uninstall()
    except NoServiceManagerError:
        daemon = None
    change, obstacle = _plan_disconnect(setup)
    return Removal(
        setup=setup,
        change=change,
        obstacle=obstacle,
        daemon=daemon,
        tray=autostart.find(environ).plan_removal(),
        purged=_find_own_files(setup) if is_purge else (),
        programs=tuple(install_location.removable(environ, Path.home())),
    )


def _plan_disconnect(setup: edit_plan.ConnectionSetup) -> tuple[SettingsEdit | None, str]:
    """Plan to let Claude Code go; None and the reason where its settings can't be edited.

    That is no reason to stay; the user has to know that the address is still in them.
    """
    file = setup.places.user
    try:
        change = connection.plan_disconnect(file, setup.memory_file, is_own=setup.is_own)
        read_only.require_writable(change)
    except OfframpError as error:
        obstacle = (
            f"{error.title} Claude Code's settings were not changed: remove ANTHROPIC_BASE_URL "
            f"from {file} yourself."
        )
        return None, obstacle
    return change, ""


def _find_own_files(setup: edit_plan.ConnectionSetup) -> tuple[PurgePlan, ...]:
    is_exclusive = not setup.environ.get(HOME_VARIABLE)
    own = Paths.for_user(setup.environ)
    demo = Paths.for_user(setup.environ, is_demo=True)
    return (
        purge.find(
            own,
            log_dir=setup.settings.log_dir,
            is_exclusive=is_exclusive,
            machine=setup.settings.machine,
        ),
        purge.find(demo, log_dir=None, is_exclusive=is_exclusive),
    )


def _require_no_daemon_in_a_terminal() -> None:
    """Refuse to purge beside one: it would go on, unreachable, and write its files again.

    Raises:
        OfframpError: the user's own or the demo's runs.
    """
    for is_demo in (False, True):
        pid = service_status.pid_in_terminal(Paths.for_user(os.environ, is_demo=is_demo))
        if pid is not None:
            name = "demo" if is_demo else "daemon"
            raise OfframpError(
                f"The {name} still runs in a terminal, as process {pid}. Nothing was removed.",
                hint="Press Ctrl-C in that terminal, then run this again.",
            )


def _confirm(work: Removal) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("--purge deletes your history and asks first: add --yes to do so.")
    click.echo("--purge deletes, with your history, your settings and the stored keys:")
    for path in work.doomed:
        click.echo(f"  {path}")
    click.confirm("Delete all of this permanently", abort=True)


def _stored(store: KeyStore) -> Mapping[str, StoredKey]:
    """The stored keys; none where their file is damaged, which is to keep nothing from going."""
    try:
        return store.entries()
    except OfframpError as error:
        click.echo(
            f"Warning: {error.title} Keys in the system keyring may still be there, under the "
            "service offramp.",
            err=True,
        )
        return {}


def _print_what_stays(work: Removal) -> None:
    if not work.purged:
        paths = work.paths
        log_dir = work.setup.settings.log_dir or paths.log_dir
        demo = Paths.for_user(work.setup.environ, is_demo=True)
        of_demo = (demo.config_dir, demo.data_dir, demo.diagnostics_dir, demo.cache_dir)
        staying = [
            (name, path)
            for name, path in (
                ("history", log_dir),
                ("settings", paths.config_dir),
                ("diagnostics", paths.diagnostics_dir),
                ("cache", paths.cache_dir),
                *(("demo", path) for path in of_demo),
            )
            if path.exists()
        ]
        if staying:
            click.echo("What stays:")
        for name, path in staying:
            click.echo(f"  {name:<12}{path}")
        _print_stored_keys(paths)
        if staying:
            # A folder that other machines share is not this one's to delete.
            shared = log_dir if work.setup.settings.machine else None
            own = [shlex.quote(os.fspath(path)) for _, path in staying if path != shared]
            if own:
                click.echo(f"To delete it too: rm -r {' '.join(own)}")
    other = install_location.other_removal()
    if other is not None:
        click.echo(f"To remove the program itself, type: {other}")


def _print_stored_keys(paths: Paths) -> None:
    """Name the keys that stay, so that nobody takes them for gone."""
    for backend, entry in _stored(KeyStore(paths)).items():
        is_in_keyring = entry.place == "keyring"
        where = "the system keyring, service offramp" if is_in_keyring else str(paths.keys_file)
        click.echo(f"  {'key':<12}of {backend}, in {where}")
