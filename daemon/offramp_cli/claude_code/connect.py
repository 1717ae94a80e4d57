"""`offramp connect`: points Claude Code at Offramp, in Claude Code's own settings."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli import exit_codes, own_name
from offramp_cli.claude_code import edit_plan, read_only
from offramp_core.claude_settings import (
    connection,
    model_names,
    scopes,
    status_line,
    warnings,
)
from offramp_core.claude_settings.connection import ConnectOutcome, SettingsEdit
from offramp_core.claude_settings.custom_headers import HEADERS, TOKEN_HEADER
from offramp_core.claude_settings.editing import BASE_URL
from offramp_core.control import health_check
from offramp_core.errors import OfframpError
from offramp_core.login_item import executables

if TYPE_CHECKING:
    from offramp_cli.claude_code.edit_plan import ConnectionSetup

_UNANSWERED = {
    "none": "Nothing answers at {url} yet. Claude Code can't work until the daemon runs.",
    "other": "Something answers at {url}, but it is not Offramp, or it refuses this request.",
}
_CURES = {
    "none": "Start the daemon: offramp start, or offramp serve",
    "other": "To see which: offramp doctor",
}


@click.command("connect")
@click.option(
    "--force",
    is_flag=True,
    help="Replace an address that is not Offramp's (disconnect restores it), and connect even if "
    "no daemon answers.",
)
@click.option(
    "--statusline",
    "has_status_line",
    is_flag=True,
    help="Show who served you in Claude Code's status line too, if it has none.",
)
@edit_plan.output_options
@click.pass_context
def command(
    context: click.Context, force: bool, has_status_line: bool, is_dry: bool, is_json: bool
) -> None:
    """Point Claude Code at Offramp.

    Sets ANTHROPIC_BASE_URL in the env block of Claude Code's settings.json (in
    $CLAUDE_CONFIG_DIR, or else ~/.claude) and changes nothing else in it. A backup stays
    beside the file until `offramp disconnect`. If client_token is set, a line for it goes into
    ANTHROPIC_CUSTOM_HEADERS, and from then on only you can read the file.
    """
    setup = edit_plan.find_setup()
    file = setup.places.user
    status_command = _status_command(setup) if has_status_line else None
    change = connection.plan_connect(
        file,
        setup.memory_file,
        setup.url,
        is_own=setup.is_own,
        force=force,
        token=setup.settings.client_token,
        status_command=status_command,
    )
    is_foreign = change.outcome is ConnectOutcome.FOREIGN
    if is_foreign and not is_json:
        raise _foreign_value(change)
    if not read_only.can_apply(change):
        read_only.report(change, setup, is_json=is_json)
        return
    if not (is_dry or force or is_foreign):
        change = _if_answered(change, setup, is_json=is_json)
    is_refused = change.outcome in {ConnectOutcome.FOREIGN, ConnectOutcome.UNANSWERED}
    has_backup = False
    if not is_dry and not is_refused:
        has_backup = connection.apply(change, setup.memory_file)
    found = edit_warnings(change, setup)
    if status_command is not None:
        found += _status_warnings(change, setup, status_command)
    if is_json:
        edit_plan.print_json(change, setup, found, is_dry=is_dry, has_backup=has_backup)
        context.exit(exit_codes.FAILURE if is_refused else 0)
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


def _if_answered(change: SettingsEdit, setup: ConnectionSetup, *, is_json: bool) -> SettingsEdit:
    """Return `change` if Offramp answers at the new address, or the user wants it anyway.

    Raises:
        OfframpError: nobody answers, and there is no terminal to ask at.
        click.Abort: the user does not want it.
    """
    if change.old == change.new:
        return change
    answer = _who_answers(setup)
    if answer == "offramp":
        return change
    said = _UNANSWERED[answer].format(url=setup.url)
    if is_json:
        return dataclasses.replace(
            change,
            outcome=ConnectOutcome.UNANSWERED,
            after=change.before,
            new=change.old,
            connection=change.recalled,
        )
    if not sys.stdin.isatty():
        raise OfframpError(
            said, hint=f"{_CURES[answer]}\n  Nothing was changed. --force connects anyway."
        )
    click.echo(own_name.in_hints(f"{said}\n  {_CURES[answer]}"), err=True)
    click.confirm("Connect Claude Code anyway", abort=True, err=True)
    return change


def _who_answers(setup: ConnectionSetup) -> health_check.Answer:
    """Who answers at the address, as far as Claude Code is concerned: it has the token, if any."""
    has_token = setup.settings.client_token is not None
    return health_check.who_answers(setup.url, has_token=has_token)


def _status_command(setup: ConnectionSetup) -> str:
    program = executables.find(setup.environ, Path.home()).command_line
    return status_line.command_for(program, setup.environ)


def _status_warnings(change: SettingsEdit, setup: ConnectionSetup, command: str) -> list[str]:
    """List what keeps the status line from being shown."""
    text = (change.after or b"").decode()
    found = list(status_line.warnings(setup.places, text))
    if status_line.is_set(text) and not status_line.runs(text, command):
        found.append(
            f"{change.file} sets another {status_line.KEY}, which stays. To show Offramp's line "
            "too, have your own command run offramp statusline, with the same standard input."
        )
    return found


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
    if change.shows_status:
        click.echo("  Its status line shows who served you.")
    if change.old not in {None, change.new}:
        click.echo(f"  It was {change.old} before.")
    if change.previous is not None:
        words = f"  offramp disconnect will restore {change.previous}."
        click.echo(own_name.in_hints(words))
    if has_backup:
        click.echo(f"  Backup of the file: {change.backup}")
    if change.old != change.new or change.sends_token or change.drops_token:
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
        found.append(f"{_UNANSWERED[answer].format(url=setup.url)} {_CURES[answer]}")
    return found
