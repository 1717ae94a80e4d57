"""`offramp resume`: delegation goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from offramp_daemon.cli.common import demo_option
from offramp_daemon.cli.daemon import client_for, delegation_text, show_notes

if TYPE_CHECKING:
    from offramp_core.paths import Paths


@click.command("resume")
@demo_option
def command(paths: Paths) -> None:
    """Let delegation go on, from the next request on."""
    answer = client_for(paths).resume()
    click.echo(f"Delegation: {delegation_text(answer.status)}.")
    show_notes(answer)
