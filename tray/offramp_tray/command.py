"""`offramp tray`: the icon in the panel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from offramp_core.login_item.autostart import TraySwitch


@click.command("tray")
@click.option("--demo", "is_demo", is_flag=True, help="Follow the demo instead of your daemon.")
@click.option(
    "--icon-sheet",
    "sheet",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the icon in every state and size into FILE (PNG), and exit.",
)
def command(is_demo: bool, sheet: Path | None) -> None:
    """Show the icon in the panel, with a menu to pause delegation.

    It shows the daemon's state, and does not start a daemon. Only one icon runs at a time; a
    second start ends at once.
    """
    if sheet is not None:
        _draw_sheet(sheet)
        return
    _leave_out_openssl()
    from offramp_core.paths import Paths
    from offramp_tray import app
    from offramp_tray.host import open_host
    from offramp_tray.single_instance import AlreadyRunningError

    try:
        app.run(
            Paths.for_user(os.environ, is_demo=is_demo),
            os.environ,
            open_host,
            is_demo=is_demo,
            login_item=None if is_demo else _login_item(),
            tell=_tell,
        )
    except AlreadyRunningError as error:
        click.echo(error.title)
        sys.exit(0)


def _tell(text: str) -> None:
    """Say it to whoever started the tray in a terminal; the log has it in any case."""
    if sys.stderr.isatty():
        click.echo(f"offramp: {text}", err=True)


def _login_item() -> TraySwitch | None:
    """Whether the tray starts at login; None where only the source is run."""
    from offramp_core.login_item import autostart

    try:
        return autostart.switch_for(os.environ)
    except OfframpError:
        return None


def _leave_out_openssl() -> None:
    """Have the imports of OpenSSL fail, which asyncio and hashlib take well.

    It would be an eighth of this process's memory, and the tray speaks only over Unix sockets.
    """
    for name in ("ssl", "_hashlib"):
        if name not in sys.modules:
            sys.modules[name] = None  # type: ignore[assignment]  # as Python documents it


def _draw_sheet(file: Path) -> None:
    from offramp_tray.view import icon_sheet

    try:
        icon_sheet.save(file)
    except OSError as error:
        raise OfframpError(
            f"{file} can't be written: {error.strerror or error}.", hint="Choose another file."
        ) from error
    click.echo(f"Drawn: {file}")
