"""What the commands that talk to the daemon share: the client, and how a pause is worded."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from offramp_cli import own_name
from offramp_cli.options import is_demo
from offramp_core.control.client import ControlClient
from offramp_core.usage.weeks import system_zone
from offramp_core.wording import delegation_text as wording
from offramp_core.wording.formatting import format_moment

if TYPE_CHECKING:
    from offramp_core.control.api import BackendStatus, CommandAnswer, Status
    from offramp_core.paths import Paths


START_DEMO = "Start it: offramp demo"


def client_for(paths: Paths) -> ControlClient:
    """The client of the daemon that has these folders."""
    if is_demo(paths):
        return ControlClient(paths.control_socket, how_to_start=START_DEMO)
    return ControlClient(paths.control_socket)


def delegation_text(status: Status, now: datetime | None = None) -> str:
    """Return whether requests are delegated, which are not, and until when not."""
    zone = system_zone(os.environ)
    return wording.delegation_text(status, now or datetime.now(UTC), zone)


def key_text(backend: BackendStatus) -> str:
    """Whether the backend's key is there, and what is known of why not."""
    return f"{backend.key} ({backend.key_note})" if backend.key_note else backend.key


def local_text(moment: datetime, now: datetime | None = None) -> str:
    """Return `moment` on the user's clocks, as it is named at `now` (the present by default)."""
    return format_moment(moment, now or datetime.now(UTC), system_zone(os.environ))


def show_notes(answer: CommandAnswer) -> None:
    """Print what the user should know besides, on standard error."""
    for note in answer.notes:
        click.echo(f"Note: {own_name.in_hints(note)}", err=True)
