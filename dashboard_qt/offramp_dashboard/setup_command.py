"""`offramp setup`: opens the set-up window."""

from __future__ import annotations

import os

import click

from offramp_core.errors import OfframpError
from offramp_core.paths import Paths
from offramp_dashboard.command import import_app, require_display

_IN_A_TERMINAL = "To set up Offramp in a terminal: offramp install"


@click.command("setup")
def command() -> None:
    """Set Offramp up in a window: key, models, start at login, Claude Code, and a test.

    In a terminal, `offramp install` asks the same.
    """
    require_display("There is no display for the set-up window.", _IN_A_TERMINAL)
    try:
        app = import_app()
    except OfframpError as error:
        raise OfframpError(error.title, hint=f"{error.hint} {_IN_A_TERMINAL}") from error
    if not app.open_setup(Paths.for_user(os.environ), os.environ):
        click.echo("The set-up window was already open; it is now in front.")
