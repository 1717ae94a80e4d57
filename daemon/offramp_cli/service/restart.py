"""`offramp restart`: another process takes over; no stream is cut and no request waits."""

from __future__ import annotations

import click

from offramp_cli.service import handover, service_status


@click.command("restart")
def command() -> None:
    """Start a new daemon process in place of the old one.

    The old one finishes its streams, however long they run. A daemon that does not answer is
    ended and started again.
    """
    manager, _state = service_status.installed_manager("restart")
    context = service_status.find_context()
    before = handover.ask(context.paths)
    after = handover.hand_over(manager, context.paths, context.usable_settings(), before)
    click.echo(f"Restarted: {handover.pids(before, after)}.")
