"""What `connect` can say where Claude Code's settings can't be changed, as on NixOS."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from offramp_cli.claude_code import edit_plan
from offramp_core import atomic_file
from offramp_core.claude_settings import custom_headers, scopes, status_line
from offramp_core.claude_settings.connection import ConnectOutcome
from offramp_core.claude_settings.custom_headers import HEADERS, SHOWN_LINE
from offramp_core.claude_settings.editing import BASE_URL, ENV
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from offramp_cli.claude_code.edit_plan import ConnectionSetup
    from offramp_core.claude_settings.connection import SettingsEdit

ALREADY = "Claude Code uses Offramp already: nothing was changed."


def can_apply(change: SettingsEdit) -> bool:
    """Whether the file may be changed as planned; true where nothing is to be changed."""
    return not change.is_edit or atomic_file.can_write(change.file)


def report(change: SettingsEdit, setup: ConnectionSetup, *, is_json: bool) -> None:
    """Say that Claude Code uses Offramp already, if something else leads it here.

    Raises:
        OfframpError: nothing does; it names what can.
    """
    found = scopes.read(setup.places, setup.environ)
    setting = scopes.in_force(found, BASE_URL)
    token = setup.settings.client_token
    headers = scopes.in_force(found, HEADERS)
    is_sent = token is None or (headers is not None and custom_headers.sends(headers.value, token))
    if setting is None or not setup.is_own(setting.value) or not is_sent:
        raise _refusal(change, setup)
    unchanged = dataclasses.replace(
        change, outcome=ConnectOutcome.ALREADY_CONNECTED, after=change.before, new=change.old
    )
    missing = [] if unchanged.shows_status == change.shows_status else [_no_status_line(change)]
    if is_json:
        edit_plan.print_json(unchanged, setup, missing, is_dry=False, has_backup=False)
        return
    click.echo(f"{ALREADY}\n  {setting.scope.shown} sets {BASE_URL}.")
    edit_plan.print_warnings(missing)


def require_writable(change: SettingsEdit) -> None:
    """Let only what can be taken out of the file go on to be.

    Raises:
        OfframpError: the file is read-only.
    """
    if not can_apply(change):
        raise OfframpError(
            f"{change.file} is read-only{_link(change)}.",
            hint=f"Remove {BASE_URL} where that file is generated (by home-manager, for example).",
        )


def _refusal(change: SettingsEdit, setup: ConnectionSetup) -> OfframpError:
    """Say that the file can't be changed, and what leads Claude Code here instead."""
    variables = {BASE_URL: setup.url}
    also = ""
    if setup.settings.client_token is not None:
        variables[HEADERS] = SHOWN_LINE
        also = f' And set {HEADERS} to "{SHOWN_LINE}", with your client_token for TOKEN.'
    managed = json.dumps({ENV: variables})
    cures = [
        "If another program generates that file (home-manager, for example), set "
        f"env.ANTHROPIC_BASE_URL to {setup.url} there.",
        f"Or put {managed} into Claude Code's managed settings, {setup.places.managed}, which win "
        "over it.",
    ]
    if change.old is None:  # what the file sets would win
        cures.append(f"Or, in your shell's start-up file: export {BASE_URL}={setup.url}")
    return OfframpError(
        f"{change.file} is read-only{_link(change)}, so Offramp can't add its address.",
        hint=" ".join(cures) + also,
    )


def _no_status_line(change: SettingsEdit) -> str:
    """Say that the status line is not set, and what sets it."""
    command = change.connection.status_line if change.connection else None
    wanted = json.dumps({status_line.KEY: {"type": "command", "command": command}})
    return (
        f"{change.file} is read-only, so the status line was not set. Where that file is made, "
        f"add {wanted}."
    )


def _link(change: SettingsEdit) -> str:
    target = change.file.resolve()
    return "" if target == change.file.absolute() else f" (a link to {target})"
