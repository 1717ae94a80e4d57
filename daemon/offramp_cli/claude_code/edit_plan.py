"""What `connect` and `disconnect` share: which files, which address, and how it is shown."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from offramp_cli import own_name
from offramp_core.addresses import client_base_url, leads_here
from offramp_core.claude_settings import masked_diff
from offramp_core.claude_settings.custom_headers import HEADERS, TOKEN_HEADER
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.config import loader
from offramp_core.paths import Paths
from offramp_core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from offramp_core.claude_settings.connection import SettingsEdit

F = TypeVar("F", bound="Callable[..., Any]")

OLD_SESSIONS = "Claude Code sessions that are already open keep the old address: start them again."
RUNNING_SESSIONS = (
    "Claude Code sessions that are already open keep this address, and fail until the daemon is "
    "back."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSetup:
    """Claude Code's files on one side, Offramp's address and memory on the other."""

    places: SettingsLocations
    settings: Settings
    memory_file: Path
    environ: Mapping[str, str]
    trouble: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address that Claude Code is given."""
        return client_base_url(host=self.settings.host, port=self.settings.port)

    def is_own(self, url: str) -> bool:
        """Whether `url` leads to this Offramp."""
        return leads_here(url, host=self.settings.host, port=self.settings.port)


def find_setup(*, tolerant: bool = False) -> ConnectionSetup:
    """Look around in this process's environment.

    Raises:
        ConfigError: the settings are refused; where `tolerant`, the defaults count instead.
    """
    environ = dict(os.environ)
    paths = Paths.for_user(environ)
    trouble: tuple[str, ...] = ()
    try:
        settings = loader.load(paths, environ).settings
    except loader.ConfigError as error:
        if not tolerant:
            raise
        settings = Settings()
        trouble = (f"{error} Using the default address.",)
    return ConnectionSetup(
        places=SettingsLocations.for_user(environ, home=Path.home(), folder=Path.cwd()),
        settings=settings,
        memory_file=paths.claude_code_file,
        environ=environ,
        trouble=trouble,
    )


def output_options(function: F) -> F:
    """Add `--dry-run` and `--json`; the command receives `is_dry` and `is_json`."""
    add_dry_run = click.option(
        "--dry-run", "is_dry", is_flag=True, help="Show what would change, and change nothing."
    )
    add_json = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
    return add_dry_run(add_json(function))


def print_json(
    change: SettingsEdit,
    setup: ConnectionSetup,
    warnings: Sequence[str],
    *,
    is_dry: bool,
    has_backup: bool,
) -> None:
    """Print the whole result as one JSON object; no secret is in it."""
    document = {
        "outcome": change.outcome.value,
        "changed": change.is_edit and not is_dry,
        "dry_run": is_dry,
        "file": os.fspath(change.file),
        "line": change.line,
        "address": setup.url,
        "old": change.old_address,
        "new": change.new_address,
        "status_line": change.shows_status,
        "backup": os.fspath(change.backup) if has_backup else None,
        "diff": difference_of(change) if is_dry else None,
        "warnings": list(warnings),
    }
    click.echo(json.dumps(document, indent=2))


def print_warnings(warnings: Sequence[str]) -> None:
    """Print them on standard error."""
    for warning in warnings:
        click.echo(f"Warning: {own_name.in_hints(warning)}", err=True)


def difference_of(change: SettingsEdit) -> str:
    """Show the change as a unified diff; empty where there is none."""
    if not change.is_edit:
        return ""
    difference = masked_diff.unified(change.file, change.before, change.after)
    return difference or f"{change.file}: {TOKEN_HEADER} in {HEADERS} gets another value.\n"
