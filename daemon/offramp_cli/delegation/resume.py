"""`offramp resume`: delegation goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from offramp_cli.daemon_client import client_for, delegation_text, show_notes
from offramp_cli.options import demo_option

if TYPE_CHECKING:
    from offramp_core.paths import Paths


@click.command("resume")
@demo_option
def command(paths: Paths) -> None:
    """Delegate again, from the next request on."""
    answer = client_for(paths).resume()
    click.echo(f"Delegation: {delegation_text(answer.status)}.")
    show_notes(answer)
