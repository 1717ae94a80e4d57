"""`offramp config`: what the settings are and where each comes from. Keys are masked throughout."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from offramp_cli import own_name
from offramp_cli.demo import demo_settings
from offramp_cli.options import demo_option, is_demo
from offramp_cli.reports import log_filters
from offramp_core.config.loader import ConfigError, LoadedSettings
from offramp_core.config.schema import SHORTHANDS
from offramp_core.config.stored_keys import FROM_KEYRING
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from offramp_core.paths import Paths

_Cells = tuple[list[str], list[str], list[str]]
"""The lines of a setting's name, value and origin."""

_COLUMNS_ELSEWHERE = 80
"""The width where standard output is not a terminal; there a long origin may reach beyond it."""
_NARROWEST_VALUES = 20
_IN_KEYRING = "(offramp key show)"
"""Stands for a key that only the keyring knows, which is not asked here: it may take long."""
_FOR_CLIENT_AUTH = frozenset({"base_url", "auth", "own_thinking"})
"""The keys of a backend that apply where requests pass with the client's own credentials."""


@click.group("config")
def command() -> None:
    """Show, locate or check the settings."""


@command.command("show")
@demo_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _show(paths: Paths, as_json: bool) -> None:
    """Show every setting, its value and where it comes from.

    Keys are masked. The environment wins over .env, .env over config.toml, and that over a key
    stored by offramp key set. Unless you set the week, it is learnt from Claude's weekly
    reset. Settings without effect on a service with auth = "client", which gets requests as
    they came, are shown in the JSON only.
    """
    loaded = _with_learnt_week(log_filters.load(paths), paths)
    values = shown_values(loaded, paths)
    if is_demo(paths):
        own = demo_settings.values(paths)
        values |= own
        loaded = replace(loaded, origins={**loaded.origins, **dict.fromkeys(own, "demo")})
    if as_json:
        rows = {
            name: {"value": value, "origin": loaded.origins[name]} for name, value in values.items()
        }
        click.echo(json.dumps({"settings": rows, "notes": loaded.notes}, indent=2))
        return
    log_filters.tolerate_encoding()
    _print_table(values, loaded)
    _print_notes(loaded)


@command.command("path")
@demo_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _path(paths: Paths, as_json: bool) -> None:
    """Show where the files are, or would be.

    settings is config.toml, .env the variables beside it, and keys what offramp key set
    stored. records is the folder of the request log, and diagnostics the log of the daemon's
    own messages.
    """
    records = _records(paths)
    files = {
        "settings": paths.config_file,
        "env": paths.env_file,
        "keys": paths.keys_file,
        "records": records,
        "diagnostics": paths.diagnostics_file,
    }
    if as_json:
        click.echo(json.dumps({name: _plain(path) for name, path in files.items()}, indent=2))
        return
    for name, path in files.items():
        if path is not None:
            click.echo(f"{'.env' if name == 'env' else name:<11}  {path}")


def _records(paths: Paths) -> Path | None:
    """The folder of the request log; None, and a note, where the settings can't say which."""
    try:
        return log_filters.load(paths).settings.log_dir or paths.log_dir
    except ConfigError as error:
        click.echo(f"Note: The folder of the records is not known: {error.title}", err=True)
        return None


@command.command("check")
@demo_option
def _check(paths: Paths) -> None:
    """Check config.toml, .env, keys.json and the environment.

    Ends with 0 if all settings are valid and with 3 if one is refused.
    """
    loaded = log_filters.load(paths)
    _print_notes(loaded)
    click.echo("Settings are valid.")
    stored = (paths.keys_file,) if paths.keys_file.exists() else ()  # it is not the user's to write
    for file in (paths.config_file, paths.env_file, *stored):
        click.echo(f"{'read' if file.exists() else 'no file (optional)':<18}  {file}")


def _with_learnt_week(loaded: LoadedSettings, paths: Paths) -> LoadedSettings:
    """`loaded` with the week as it is known, should it be learnt, which no settings file says."""
    week = log_filters.week_of(paths, loaded)
    if not week.is_learnt:
        return loaded
    day, hour, minute = week.boundary.day, week.boundary.hour, week.boundary.minute
    return replace(
        loaded,
        settings=msgspec.structs.replace(loaded.settings, week_start_day=day, week_start_hour=hour),
        origins={
            **loaded.origins,
            "week_start_day": week.origin,
            "week_start_hour": f"{week.origin}, {hour:02}:{minute:02}" if minute else week.origin,
        },
    )


def _print_notes(loaded: LoadedSettings) -> None:
    for note in loaded.notes:
        click.echo(f"Note: {own_name.in_hints(note)}", err=True)


def shown_values(loaded: LoadedSettings, paths: Paths) -> dict[str, object]:
    """The value of each setting in `origins`, fit for JSON."""
    values = {name: _plain(_value(name, loaded, paths)) for name in loaded.origins}
    in_keyring = {name: _IN_KEYRING for name in values if loaded.origins[name] == FROM_KEYRING}
    return values | in_keyring


def _value(name: str, loaded: LoadedSettings, paths: Paths) -> object:
    settings = loaded.settings
    match SHORTHANDS.get(name, name).split("."):
        case ["backend", backend, key]:
            return getattr(settings.backend(backend), key)
        case ["keep_on_anthropic" | "tray" as table, key]:
            return getattr(getattr(settings, table), key)
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
    """A row per setting. What has no blank in it is never broken, so that it can be copied."""
    shown = {name: value for name, value in values.items() if _applies(name, loaded)}
    origins = {name: [loaded.origins[name]] for name in shown}
    name_width = max(map(len, shown))
    columns, origin_width = _COLUMNS_ELSEWHERE, len("default")
    if sys.stdout.isatty():
        origins = {name: origin.split() for name, (origin,) in origins.items()}
        origin_width = max(map(len, chain.from_iterable(origins.values())))
        columns = shutil.get_terminal_size().columns
    room = max(_NARROWEST_VALUES, columns - name_width - origin_width - 4)
    rows: list[_Cells] = [
        ([name], _lines(value, room), origins[name]) for name, value in shown.items()
    ]
    longest = max(len(line) for _, lines, _ in rows for line in lines)
    widths = (name_width, min(longest, room))
    _print_row((["setting"], ["value"], ["from"]), widths, is_bold=True)
    for row in rows:
        _print_row(row, widths, is_dim=row[2] == ["default"])


def _applies(name: str, loaded: LoadedSettings) -> bool:
    match name.split("."):
        case ["backend", backend, key] if loaded.settings.backend(backend).auth == "client":
            return key in _FOR_CLIENT_AUTH
        case _:
            return True


def _print_row(
    cells: _Cells, widths: tuple[int, int], *, is_bold: bool = False, is_dim: bool = False
) -> None:
    names, values, origins = cells
    fits = (number for number, value in enumerate(values) if len(value) <= widths[1])
    above = [""] * next(fits, len(values))  # the lines that reach into the next column
    for name, value, origin in zip_longest(names, values, [*above, *origins], fillvalue=""):
        line = f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}".rstrip()
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            line = click.style(line, bold=is_bold or None, dim=is_dim or None)
        click.echo(line)


def _lines(value: object, room: int) -> list[str]:
    """A value as text: routes one under the other, lists with commas, both folded to `room`."""
    match value:
        case None | "":
            return ["(not set)"]
        case bool():
            return [str(value).lower()]
        case list() if value and isinstance(value[0], dict):
            return [line for route in value for line in _folded(_route_text(route), room)]
        case list():
            return _folded(", ".join(map(str, value)) or "(none)", room)
        case _:
            return [str(value)]


def _folded(text: str, room: int) -> list[str]:
    return textwrap.wrap(
        text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _route_text(route: dict[str, object]) -> str:
    sent = f" as {route['send_model']}" if route["send_model"] else ""
    room = f", up to {route['context_tokens']:,} tokens" if route["context_tokens"] else ""
    return f"{route['match']} → {route['backend']}{sent}{room}"
