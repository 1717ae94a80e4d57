"""`offramp config`: what the settings are and where each comes from. Keys are masked throughout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from offramp_core.config import LoadedSettings, load
from offramp_core.config_schema import SHORTHANDS
from offramp_core.paths import Paths
from offramp_core.settings import Secret
from offramp_daemon.cli.common import demo_option

if TYPE_CHECKING:
    from rich.console import Console

_MIN_PIPE_WIDTH = 400
"""Columns where there is no terminal: no line of a file or pipe is folded."""


@click.group("config")
def command() -> None:
    """Show, locate or check the settings."""


@command.command("show")
@demo_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _show(paths: Paths, as_json: bool) -> None:
    """Show every setting, its value and where it comes from.

    Keys are masked. The environment wins over .env, and .env over config.toml.
    """
    loaded = _load(paths)
    values = _values(loaded, paths)
    if as_json:
        rows = {
            name: {"value": value, "origin": loaded.origins[name]} for name, value in values.items()
        }
        click.echo(json.dumps({"settings": rows, "notes": loaded.notes}, indent=2))
        return
    _print_table(values, loaded)
    _print_notes(loaded)


@command.command("path")
@demo_option
def _path(paths: Paths) -> None:
    """Print where config.toml is, or would be."""
    click.echo(os.fspath(paths.config_file))


@command.command("check")
@demo_option
def _check(paths: Paths) -> None:
    """Check config.toml, .env and the environment.

    Ends with 0 if all is well and with 3 if a setting is refused.
    """
    loaded = _load(paths)
    _print_notes(loaded)
    found = "" if paths.config_file.exists() else " (not there: defaults)"
    click.echo(f"The settings are good: {paths.config_file}{found}")


def _load(paths: Paths) -> LoadedSettings:
    is_demo = paths == Paths.for_user(os.environ, is_demo=True)
    return load(paths, os.environ, is_demo=is_demo)


def _print_notes(loaded: LoadedSettings) -> None:
    for note in loaded.notes:
        click.echo(f"Note: {note}", err=True)


def _values(loaded: LoadedSettings, paths: Paths) -> dict[str, object]:
    """The value of each setting in `origins`, fit for JSON."""
    return {name: _plain(_value(name, loaded, paths)) for name in loaded.origins}


def _value(name: str, loaded: LoadedSettings, paths: Paths) -> object:
    settings = loaded.settings
    match SHORTHANDS.get(name, name).split("."):
        case ["backend", backend, key]:
            return getattr(settings.backend(backend), key)
        case ["keep_on_anthropic", key]:
            return getattr(settings.keep_on_anthropic, key)
        case ["route"]:
            return settings.routes
        case ["log_dir"]:
            return settings.log_dir or paths.log_dir
        case _:
            return getattr(settings, name)


def _plain(value: object) -> object:
    match value:
        case Secret():
            return value.masked()
        case Path():
            return os.fspath(value)
        case tuple():
            return [_plain(item) for item in value]
        case msgspec.Struct():
            return msgspec.structs.asdict(value)
        case _:
            return value


def _print_table(values: dict[str, object], loaded: LoadedSettings) -> None:
    # Here and not above: rich takes longer to import than the rest together.
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", box=None, pad_edge=False, header_style="bold")
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, value in values.items():
        origin = loaded.origins[name]
        style = "dim" if origin == "default" else ""
        # Text, because values may hold the brackets of rich's markup.
        table.add_row(*(Text(cell, style) for cell in (name, _as_text(value), origin)))
    _console().print(table)


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(width=_MIN_PIPE_WIDTH, highlight=False)


def _as_text(value: object) -> str:
    """A value as one line: routes one under the other, lists with commas."""
    match value:
        case None:
            return "(not set)"
        case bool():
            return str(value).lower()
        case list() if value and isinstance(value[0], dict):
            return "\n".join(_route_text(route) for route in value)
        case list():
            return ", ".join(str(item) for item in value) or "(none)"
        case _:
            return str(value)


def _route_text(route: dict[str, object]) -> str:
    sent = f" as {route['send_model']}" if route["send_model"] else ""
    room = f", up to {route['context_tokens']:,} tokens" if route["context_tokens"] else ""
    return f"{route['match']} → {route['backend']}{sent}{room}"
