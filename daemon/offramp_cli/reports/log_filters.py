"""What `stats` and `logs` share: where the request log is, their filters, names fit to print."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from offramp_cli.demo.command import PORT as DEMO_PORT
from offramp_core.config import loader
from offramp_core.paths import Paths
from offramp_core.quota import week_start
from offramp_core.usage.log_reader import log_files
from offramp_core.usage.weeks import system_zone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.quota.week_start import OwnWeek
    from offramp_core.settings import Settings

F = TypeVar("F", bound="Callable[..., Any]")


def load_settings(paths: Paths) -> Settings:
    """The settings that go with `paths`, the user's or the demo's.

    Raises:
        ConfigError: a value can't be used, or a file can't be read.
    """
    return load(paths).settings


def load(paths: Paths) -> LoadedSettings:
    """The settings that go with `paths`, and where each comes from.

    Raises:
        ConfigError: a value can't be used, or a file can't be read.
    """
    return loader.load(paths, os.environ, is_demo=_is_demo(paths))


def week_of(paths: Paths, loaded: LoadedSettings) -> OwnWeek:
    """When the user's week begins, on the clocks of the user's zone."""
    zone = system_zone(os.environ)
    return week_start.find(loaded.settings, loaded.origins, paths.quota_file, zone)


def log_folder(paths: Paths, settings: Settings) -> Path:
    """The folder that holds the request log."""
    return settings.log_dir or paths.log_dir


def filter_options(function: F) -> F:
    """Add `--backend` and `--model`; the command receives the tuples `backends` and `models`."""
    add_backend = click.option(
        "--backend",
        "backends",
        multiple=True,
        metavar="TEXT",
        help="Only backends whose name contains TEXT, case ignored; may be given several times.",
    )
    add_model = click.option(
        "--model",
        "models",
        multiple=True,
        metavar="TEXT",
        help="Only models whose name contains TEXT, case ignored; may be given several times.",
    )
    return add_backend(add_model(function))


def tolerate_encoding() -> None:
    """Let standard output replace what its encoding can't hold, rather than fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def is_empty(folder: Path) -> bool:
    """Whether there is no log in `folder`, or nothing in it.

    Raises:
        OfframpError: the folder is there but can't be listed.
    """
    return not any(_size(path) for path in log_files(folder))


def explain_empty(paths: Paths, settings: Settings) -> None:
    """Print that there is nothing yet, and what to do about it."""
    click.echo(f"No requests recorded yet in {log_folder(paths, settings)}.")
    if _is_demo(paths):
        click.echo(f"Run `offramp demo` (port {DEMO_PORT}).")
        return
    click.echo("Run `offramp serve` and point Claude Code at it:")
    click.echo(f"  export ANTHROPIC_BASE_URL=http://localhost:{settings.port}")
    click.echo("or try `offramp demo`, which needs no key.")


def mention_skipped(count: int) -> None:
    """Say on standard error how many lines could not be read, if any."""
    if count:
        lines = "1 line" if count == 1 else f"{count} lines"
        click.echo(f"offramp: skipped {lines} of the log: torn, or no request record.", err=True)


def _is_demo(paths: Paths) -> bool:
    return paths == Paths.for_user(os.environ, is_demo=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
