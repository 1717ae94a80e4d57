"""`offramp start`: has the login item listen and run."""

from __future__ import annotations

import click

from offramp_cli.service import service_status, steps


@click.command("start")
def command() -> None:
    """Start the daemon that `offramp install` set up, and wait until it answers."""
    manager, _state = service_status.installed_manager("start")
    context = service_status.find_context()
    settings = context.usable_settings()
    plan = manager.plan_start()
    steps.apply_plan(plan)
    status = service_status.require_serving(manager, context.paths, settings)
    already = "" if plan.is_change else " already"
    click.echo(f"The daemon serves{already} at {status.address} (pid {status.pid}).")
