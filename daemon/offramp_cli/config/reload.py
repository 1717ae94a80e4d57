"""`offramp reload`: the running daemon reads its settings now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from offramp_cli import exit_codes
from offramp_cli.daemon_client import client_for
from offramp_cli.options import demo_option

if TYPE_CHECKING:
    from offramp_core.control.api import ReloadAnswer
    from offramp_core.paths import Paths


@click.command("reload")
@demo_option
def command(paths: Paths) -> None:
    """Make the running daemon read its settings and stored keys now.

    It checks its files every two seconds anyway; this shows the result at once. Proxy and
    certificate variables in .env need a restart. Ends with 3 if the settings are refused; the
    old ones then stay in force.
    """
    answer = client_for(paths).reload()
    if answer.problem is not None:
        click.echo("offramp: The new settings were rejected; the old ones stay in force.", err=True)
        click.echo(f"  {answer.problem}", err=True)
        sys.exit(exit_codes.SETTINGS_REFUSED)
    for line in lines(answer):
        click.echo(line)


def lines(answer: ReloadAnswer) -> list[str]:
    """Say what changed, where the settings were taken."""
    said = []
    if answer.changed:
        said.append(f"Settings taken: {', '.join(answer.changed)}.")
    if answer.after_restart:
        said.append(f"Waiting for a restart: {', '.join(answer.after_restart)}.")
    return said or ["Settings read again: nothing changed."]
