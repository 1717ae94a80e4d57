"""`offramp stop`: ends the daemon and closes its port, until it is started or the next login."""

from __future__ import annotations

import click

from offramp_cli.claude_code import edit_plan
from offramp_cli.service import service_status, steps
from offramp_core.claude_settings import connection, warnings
from offramp_core.claude_settings.connection import ConnectOutcome
from offramp_core.errors import OfframpError


@click.command("stop")
def command() -> None:
    """Stop the daemon and close its port, until `offramp start` or your next login.

    Meanwhile Claude Code can't work if it is pointed at Offramp. To send everything to Claude
    for a while, use `offramp pause` instead.
    """
    manager, _state = service_status.installed_manager("stop")
    plan = manager.plan_stop()
    if not plan.is_change:
        click.echo("The daemon is already stopped.")
        edit_plan.print_warnings(_connection_warnings())
        return
    click.echo("Waiting for running answers to end; that can take a while.", err=True)
    steps.apply_plan(plan)
    click.echo("The daemon is stopped and its port is closed. offramp start opens it again.")
    edit_plan.print_warnings([*_connection_warnings(), edit_plan.RUNNING_SESSIONS])


def _connection_warnings() -> list[str]:
    """That Claude Code is still pointed here, by whichever settings or variable do so."""
    setup = edit_plan.find_setup(tolerant=True)
    beside = warnings.leftovers(setup.places, setup.environ, is_own=setup.is_own)
    try:
        change = connection.plan_disconnect(
            setup.places.user, setup.memory_file, is_own=setup.is_own
        )
    except OfframpError as error:
        return [f"{error.title} It is not known whether Claude Code is pointed here.", *beside]
    if change.outcome not in {ConnectOutcome.DISCONNECTED, ConnectOutcome.RESTORED}:
        return beside
    return [
        f"Claude Code is pointed at {change.old} and can't work until offramp start. To restore "
        "its settings: offramp disconnect. To send everything to Claude for a while, start the "
        "daemon and run offramp pause.",
        *beside,
    ]
