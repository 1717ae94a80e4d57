"""`offramp connect`: points Claude Code at Offramp, in Claude Code's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from offramp_cli import exit_codes
from offramp_cli.claude_code import edit_plan, read_only
from offramp_core.claude_settings import connection, model_names, scopes, warnings
from offramp_core.claude_settings.connection import ConnectOutcome, SettingsEdit
from offramp_core.claude_settings.custom_headers import HEADERS, TOKEN_HEADER
from offramp_core.claude_settings.editing import BASE_URL
from offramp_core.control import health_check
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from offramp_cli.claude_code.edit_plan import ConnectionSetup

_UNANSWERED = {
    "none": "Nothing answers at {url} yet, and until it does Claude Code can't work. Start the "
    "daemon: offramp start, or offramp serve",
    "other": "Something answers at {url}, but it is not Offramp, or it refuses this request. "
    "To see which: offramp doctor",
}


@click.command("connect")
@click.option(
    "--force",
    is_flag=True,
    help="Replace an address that is not Offramp's; disconnect restores it.",
)
@edit_plan.output_options
@click.pass_context
def command(context: click.Context, force: bool, is_dry: bool, is_json: bool) -> None:
    """Point Claude Code at Offramp.

    Sets ANTHROPIC_BASE_URL in the env block of Claude Code's settings.json (in
    $CLAUDE_CONFIG_DIR, or else ~/.claude) and changes nothing else in it. A backup stays
    beside the file until `offramp disconnect`. If client_token is set, a line for it goes into
    ANTHROPIC_CUSTOM_HEADERS, and from then on only you can read the file.
    """
    setup = edit_plan.find_setup()
    file = setup.places.user
    change = connection.plan_connect(
        file,
        setup.memory_file,
        setup.url,
        is_own=setup.is_own,
        force=force,
        token=setup.settings.client_token,
    )
    is_foreign = change.outcome is ConnectOutcome.FOREIGN
    if is_foreign and not is_json:
        raise _foreign_value(change)
    if not read_only.can_apply(change):
        read_only.report(change, setup, is_json=is_json)
        return
    has_backup = False
    if not is_dry and not is_foreign:
        has_backup = connection.apply(change, setup.memory_file)
    found = edit_warnings(change, setup)
    if is_json:
        edit_plan.print_json(change, setup, found, is_dry=is_dry, has_backup=has_backup)
        context.exit(exit_codes.FAILURE if is_foreign else 0)
    if is_dry:
        click.echo(edit_plan.difference_of(change), nl=False)
    if is_dry and change.is_edit:
        click.echo("Nothing was written.", err=True)
    else:
        report(change, setup, has_backup=has_backup)
    edit_plan.print_warnings(found)


def _foreign_value(change: SettingsEdit) -> OfframpError:
    return OfframpError(
        f"{change.file}, line {change.line}: {BASE_URL} is {change.old}, which is not Offramp's "
        "address.",
        hint="Nothing was changed. --force replaces it, and offramp disconnect restores it.",
    )


def report(change: SettingsEdit, setup: ConnectionSetup, *, has_backup: bool) -> None:
    """Say what connecting did."""
    place = f"  {change.file}, line {change.line}: {BASE_URL} in env"
    if change.outcome is ConnectOutcome.ALREADY_CONNECTED:
        click.echo(f"{read_only.ALREADY}\n{place}, {change.old}")
        return
    click.echo(f"Claude Code now uses {setup.url}.\n{place}")
    if change.sends_token:
        click.echo(f"  It sends your client_token, as {TOKEN_HEADER} in {HEADERS}.")
    elif change.drops_token:
        click.echo(
            f"  It no longer sends a client_token: {TOKEN_HEADER} was removed from {HEADERS}."
        )
    if change.old not in {None, change.new}:
        click.echo(f"  It was {change.old} before.")
    if change.previous is not None:
        click.echo(f"  offramp disconnect will restore {change.previous}.")
    if has_backup:
        click.echo(f"  Backup of the file: {change.backup}")
    click.echo(edit_plan.OLD_SESSIONS)


def edit_warnings(change: SettingsEdit, setup: ConnectionSetup) -> list[str]:
    """List what stands between Claude Code and Offramp once `change` is applied."""
    found = warnings.warnings(
        setup.places,
        (change.after or b"").decode(),
        setup.environ,
        url=setup.url,
        is_own=setup.is_own,
    )
    found += model_names.warnings(scopes.read(setup.places, setup.environ), setup.settings)
    if (token := setup.settings.client_token) is not None:
        # Without the token nobody can say who answers, and it is not sent to whoever that may be.
        return [*found, *warnings.of_token(setup.places, setup.environ, token)]
    answer = health_check.who_answers(setup.url)
    if answer != "offramp":
        found.append(_UNANSWERED[answer].format(url=setup.url))
    return found
