"""`offramp start`: has the login item listen and run."""

from __future__ import annotations

import click

from offramp_daemon.cli import login_item


@click.command("start")
def command() -> None:
    """Start the daemon that `offramp install` set up, and wait until it answers."""
    manager, _state = login_item.installed_manager("start")
    around = login_item.look_around()
    settings = around.usable_settings()
    plan = manager.plan_start()
    login_item.carry_out(manager, plan)
    status = login_item.require_serving(manager, around.paths, settings)
    already = "" if plan.is_change else " already"
    click.echo(f"The daemon serves{already} at {status.address} (pid {status.pid}).")
