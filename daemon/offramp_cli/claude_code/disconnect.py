"""`offramp disconnect`: takes Offramp's address out of Claude Code's settings again."""

from __future__ import annotations

from typing import assert_never

import click

from offramp_cli.claude_code import edit_plan, read_only
from offramp_core.claude_settings import connection, status_line, warnings
from offramp_core.claude_settings.connection import ConnectOutcome, SettingsEdit
from offramp_core.claude_settings.custom_headers import HEADERS, TOKEN_HEADER
from offramp_core.claude_settings.editing import BASE_URL


@click.command("disconnect")
@edit_plan.output_options
def command(is_dry: bool, is_json: bool) -> None:
    """Stop sending Claude Code through Offramp, and restore its settings.

    Only Offramp's own address is removed from Claude Code's settings.json, or what connect had
    replaced is restored. An address that somebody else wrote there since then stays.
    """
    setup = edit_plan.find_setup(tolerant=True)
    change = connection.plan_disconnect(setup.places.user, setup.memory_file, is_own=setup.is_own)
    dropped_backup = False
    read_only.require_writable(change)
    if not is_dry:
        dropped_backup = connection.apply(change, setup.memory_file)
    found = [
        *setup.trouble,
        *warnings.leftovers(setup.places, setup.environ, is_own=setup.is_own),
    ]
    if change.outcome is ConnectOutcome.DISCONNECTED:
        text = (change.after or b"").decode()
        found += warnings.of_leftover_token(setup.places, text, setup.environ)
    if is_json:
        has_backup = change.backup in change.standing_backups
        edit_plan.print_json(change, setup, found, is_dry=is_dry, has_backup=has_backup)
        return
    if is_dry:
        click.echo(edit_plan.difference_of(change), nl=False)
    if is_dry and change.is_edit:
        click.echo("Nothing was written.", err=True)
    else:
        report(change, dropped_backup=dropped_backup)
    edit_plan.print_warnings(found)


def report(change: SettingsEdit, *, dropped_backup: bool) -> None:
    """Say what disconnecting did."""
    click.echo("\n".join(_sentences(change)))
    if change.drops_token and change.after is not None:
        click.echo(f"  {change.file}: {TOKEN_HEADER} was removed from {HEADERS}.")
    if change.drops_status:
        click.echo(f"  {change.file}: {status_line.KEY} was removed.")
    if dropped_backup:
        click.echo("  The file is as it was before connect; its backup was removed.")
    for path in change.standing_backups:
        click.echo(f"  The backup that connect made of the file stays: {path}")
    if change.old != change.new or change.drops_token:
        click.echo(edit_plan.OLD_SESSIONS)


def _sentences(change: SettingsEdit) -> list[str]:
    file, place = change.file, f"{change.file}, line {change.line}"
    left = "only what else connect wrote was removed" if change.is_edit else "nothing was changed"
    match change.outcome:
        case ConnectOutcome.DISCONNECTED if change.after is None:
            return [
                f"Claude Code no longer uses {change.old}.",
                f"  {file}: removed, because Offramp had created it.",
            ]
        case ConnectOutcome.DISCONNECTED:
            return [
                f"Claude Code no longer uses {change.old}.",
                f"  {place}: {BASE_URL} was removed.",
            ]
        case ConnectOutcome.RESTORED:
            return [
                f"Claude Code no longer uses {change.old}.",
                f"  {place}: {BASE_URL} is {change.new} again.",
            ]
        case ConnectOutcome.CHANGED_MEANWHILE:
            since = f"  {place}: {BASE_URL} is {change.old}; it was changed after connect."
            return [f"That address is not Offramp's: {left}.", since, *_before(change)]
        case ConnectOutcome.NOT_CONNECTED if change.old is not None:
            return [
                f"Claude Code does not use Offramp: {left}.",
                f"  {place}: {BASE_URL} is {change.old}.",
            ]
        case ConnectOutcome.NOT_CONNECTED:
            gone = "; it was removed after connect" if change.recalled else ""
            return [
                f"Claude Code does not use Offramp: {left}.",
                f"  {file} does not set {BASE_URL}{gone}.",
                *_before(change),
            ]
        case (
            ConnectOutcome.CONNECTED
            | ConnectOutcome.ALREADY_CONNECTED
            | ConnectOutcome.FOREIGN
            | ConnectOutcome.UNANSWERED
        ):
            raise AssertionError(change.outcome)
        case _:
            assert_never(change.outcome)


def _before(change: SettingsEdit) -> list[str]:
    return [f"  Before connect it was {change.previous}."] if change.previous else []
