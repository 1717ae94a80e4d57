"""`offramp uninstall`: takes away what `install` set up, and on request all else."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli.claude_code import disconnect, edit_plan
from offramp_cli.service import service_status
from offramp_core import purge
from offramp_core.claude_settings import connection, warnings
from offramp_core.errors import OfframpError
from offramp_core.keys.key_store import KeyStore
from offramp_core.login_item import autostart, detect, install_location, plan_steps
from offramp_core.login_item.service import NoServiceManagerError
from offramp_core.paths import HOME_VARIABLE, Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.claude_settings.connection import SettingsEdit
    from offramp_core.keys.key_file import StoredKey
    from offramp_core.login_item.autostart import TrayAutostart
    from offramp_core.login_item.service import Plan, ServiceManager
    from offramp_core.purge import Found

_AGAIN = "What is listed above was done. Run offramp uninstall again for the rest."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """All that there is to do."""

    setup: edit_plan.ConnectionSetup
    change: SettingsEdit
    manager: ServiceManager | None
    daemon: Plan | None
    tray_item: TrayAutostart
    tray: Plan
    purged: tuple[Found, ...]
    """Empty unless the history and the settings go too."""
    programs: tuple[Path, ...]


@click.command("uninstall")
@click.option("--dry-run", "is_dry", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Ask nothing.")
@click.option(
    "--purge", "is_purge", is_flag=True, help="Delete your history, settings and stored keys too."
)
def command(is_dry: bool, is_sure: bool, is_purge: bool) -> None:
    """Take away what `offramp install` and `make install` set up.

    Lets Claude Code go first, then stops the daemon and removes its login items, the tray's, and
    the program if `make install` put it there. Your history and settings stay unless --purge.
    """
    work = _plan(is_purge=is_purge)
    if is_dry:
        _describe(work)
        return
    if is_purge and not is_sure:
        _confirm(work)
    try:
        _carry_out(work)
    except OfframpError as error:
        error.hint = f"{error.hint}\n  {_AGAIN}".strip()
        raise
    _tell_what_stays(work)


def _plan(*, is_purge: bool) -> _Work:
    environ, home = dict(os.environ), Path.home()
    setup = edit_plan.find_setup(tolerant=True)
    manager: ServiceManager | None
    try:
        manager = detect.detect(environ)
    except NoServiceManagerError:
        manager = None
    tray_item = autostart.find(environ)
    return _Work(
        setup=setup,
        change=connection.plan_disconnect(
            setup.places.user, setup.memory_file, is_own=setup.is_own
        ),
        manager=manager,
        daemon=manager.plan_uninstall() if manager else None,
        tray_item=tray_item,
        tray=tray_item.plan_removal(),
        purged=_find_own_files(setup) if is_purge else (),
        programs=tuple(install_location.removable(environ, home)),
    )


def _find_own_files(setup: edit_plan.ConnectionSetup) -> tuple[Found, ...]:
    is_exclusive = not setup.environ.get(HOME_VARIABLE)
    own = Paths.for_user(setup.environ)
    demo = Paths.for_user(setup.environ, is_demo=True)
    return (
        purge.find(own, log_dir=setup.settings.log_dir, is_exclusive=is_exclusive),
        purge.find(demo, log_dir=None, is_exclusive=is_exclusive),
    )


def _describe(work: _Work) -> None:
    click.echo("This would be done:")
    if work.change.is_edit:
        click.echo(plan_steps.line("changed", str(work.change.file)))
        click.echo(edit_plan.difference_of(work.change), nl=False)
    for plan in (work.daemon, work.tray):
        for line in plan_steps.described(plan) if plan else ():
            click.echo(line)
    for path in (*_doomed(work), *work.programs):
        click.echo(plan_steps.line("removed", str(path)))
    click.echo("Nothing was changed.", err=True)


def _doomed(work: _Work) -> list[Path]:
    return [path for found in work.purged for path in found.doomed]


def _confirm(work: _Work) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("--purge deletes your history and asks first: add --yes to do so.")
    click.echo("--purge deletes, with your history, your settings and the stored keys:")
    for path in _doomed(work):
        click.echo(f"  {path}")
    click.confirm("Delete all that for good", abort=True)


def _carry_out(work: _Work) -> None:
    _disconnect(work)
    if work.manager is not None and work.daemon is not None:
        service_status.carry_out(work.manager, work.daemon)
    for line in work.tray_item.carry_out(work.tray):
        click.echo(line)
    if work.purged:
        _purge(work)
    for path in work.programs:
        install_location.remove(path)
        click.echo(plan_steps.line("removed", str(path)))


def _disconnect(work: _Work) -> None:
    """First of all: nobody's Claude Code is to be left pointing at a closed port."""
    dropped_backup = connection.apply(work.change, work.setup.memory_file)
    disconnect.report(work.change, dropped_backup=dropped_backup)
    found = warnings.leftovers(work.setup.places, work.setup.environ, is_own=work.setup.is_own)
    edit_plan.print_warnings([*work.setup.trouble, *found])


def _purge(work: _Work) -> None:
    store = KeyStore(Paths.for_user(work.setup.environ))
    for backend in _stored(store):
        deleted = store.delete(backend)
        click.echo(plan_steps.line("removed", f"the stored key of {backend}"))
        if deleted.obstacle is not None:
            click.echo(f"Warning: It is still in the keyring: {deleted.obstacle}", err=True)
    for found in work.purged:
        purge.remove(found)
        for path in found.doomed:
            click.echo(plan_steps.line("removed", str(path)))
        for path in found.staying:
            click.echo(f"Note: {path} is a link; it and what it leads to stay.", err=True)


def _stored(store: KeyStore) -> Mapping[str, StoredKey]:
    """The stored keys; none where their file is damaged, which is to keep nothing from going."""
    try:
        return store.entries()
    except OfframpError as error:
        click.echo(
            f"Warning: {error.title} Keys that the system keyring holds may still be there, under "
            "the service offramp.",
            err=True,
        )
        return {}


def _tell_what_stays(work: _Work) -> None:
    if not work.purged:
        paths = Paths.for_user(work.setup.environ)
        log_dir = work.setup.settings.log_dir or paths.log_dir
        kept = [
            (name, path)
            for name, path in (
                ("history", log_dir),
                ("settings", paths.config_dir),
                ("diagnostics", paths.diagnostics_dir),
                ("cache", paths.cache_dir),
            )
            if path.exists()
        ]
        if kept:
            click.echo("What stays:")
        for name, path in kept:
            click.echo(f"  {name:<12}{path}")
        _tell_of_keys(paths)
        if kept:
            folders = " ".join(shlex.quote(os.fspath(path)) for _, path in kept)
            click.echo(f"To delete that too: rm -r {folders}")
    if any(file.is_change for file in work.tray.files) and sys.platform == "linux":
        click.echo("A tray icon that is there stays until you quit it from its menu.")
    other = install_location.other_removal()
    if other is not None:
        click.echo(f"The program itself stays until you type: {other}")


def _tell_of_keys(paths: Paths) -> None:
    """Name the keys that stay, so that nobody takes them for gone."""
    for backend, entry in _stored(KeyStore(paths)).items():
        is_in_keyring = entry.place == "keyring"
        where = "the system keyring, service offramp" if is_in_keyring else str(paths.keys_file)
        click.echo(f"  {'key':<12}of {backend}, in {where}")
