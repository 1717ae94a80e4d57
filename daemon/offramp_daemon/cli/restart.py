"""`offramp restart`: another process takes over; no stream is cut and no request waits."""

from __future__ import annotations

import click

from offramp_daemon.cli import login_item, restarting


@click.command("restart")
def command() -> None:
    """Have a new process take the daemon over.

    The old one finishes the streams that it has, however long they run. A daemon that does not
    answer is ended and started anew.
    """
    manager, _state = login_item.installed_manager("restart")
    around = login_item.look_around()
    before = restarting.look(around.paths)
    after = restarting.hand_over(manager, around.paths, around.usable_settings(), before)
    click.echo(f"Restarted: {restarting.pids(before, after)}.")
