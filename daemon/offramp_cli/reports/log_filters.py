"""What the reports share: where the request log is, their filters, and sessions' projects."""

from __future__ import annotations

import io
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from offramp_cli import own_name
from offramp_cli.demo.command import PORT as DEMO_PORT
from offramp_cli.options import is_demo
from offramp_core.addresses import claude_code_line, client_base_url
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.config import loader
from offramp_core.quota import week_start
from offramp_core.usage.log_reader import log_files
from offramp_core.usage.projects import ProjectFinder
from offramp_core.usage.weeks import system_zone, zone_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths
    from offramp_core.quota.week_start import OwnWeek
    from offramp_core.settings import Settings

F = TypeVar("F", bound="Callable[..., Any]")

_AGO = re.compile(r"(\d{1,5})\s*([hdw])", re.IGNORECASE)
_AGO_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


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
    return loader.load(paths, os.environ, is_demo=is_demo(paths))


def week_of(paths: Paths, loaded: LoadedSettings) -> OwnWeek:
    """When the user's week begins, on the clocks of the user's zone."""
    zone = system_zone(os.environ)
    return week_start.find(loaded.settings, loaded.origins, paths.quota_file, zone)


def log_folder(paths: Paths, settings: Settings) -> Path:
    """The folder that holds the request log."""
    return settings.log_dir or paths.log_dir


def projects(settings: Settings) -> Mapping[str, str]:
    """Find the project of every session, if the settings allow it."""
    if not settings.show_projects:
        return {}
    home = Path.home()
    files = SettingsLocations.for_user(os.environ, home=home, folder=Path.cwd())
    return ProjectFinder(files.user.parent, home).find()


def refuse_both(*options: tuple[str, object]) -> None:
    """Refuse more than one of these options (name, value) that can't be combined.

    Raises:
        click.UsageError: at least two are given.
    """
    given = [name for name, value in options if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} can't be combined: choose one.")


def parse_since(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the instant that `text` means; without an offset it is `zone`'s wall time.

    Raises:
        click.BadParameter: it means none, or one that is still to come.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * _AGO_UNITS[ago[2].lower()]
    try:
        moment = datetime.fromisoformat(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        since = aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is not a time. Give a date (2026-02-07), an ISO time (2026-02-07T10:30), "
            "or how long ago: 3h, 2d, 1w.",
            param_hint="'--since'",
        ) from error
    if since > now:
        raise click.BadParameter(f"{text!r} is in the future.", param_hint="'--since'")
    return since


def filter_options(function: F) -> F:
    """Add `--backend` and `--model`; the command receives the tuples `backends` and `models`."""
    add_backend = click.option(
        "--backend",
        "backends",
        multiple=True,
        metavar="TEXT",
        help="Only services whose name contains TEXT (case does not matter). Repeat it for "
        "several.",
    )
    add_model = click.option(
        "--model",
        "models",
        multiple=True,
        metavar="TEXT",
        help="Only models whose name contains TEXT (case does not matter). Repeat it for several.",
    )
    return add_backend(add_model(function))


def tolerate_encoding() -> None:
    """Let standard output replace what its encoding can't hold, rather than fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def mention_zone() -> None:
    """Say on standard error that the time zone can't be used, if so; at the head of a report."""
    problem = zone_problem(os.environ)
    if problem is not None:
        click.echo(f"offramp: {problem}", err=True)


def is_empty(folder: Path) -> bool:
    """Whether there is no log in `folder`, or nothing in it.

    Raises:
        OfframpError: the folder is there but can't be listed.
    """
    return not any(_size(path) for path in log_files(folder))


def explain_empty(paths: Paths, settings: Settings) -> None:
    """Print that there is nothing yet, and what to do about it."""
    click.echo(f"No requests recorded yet in {log_folder(paths, settings)}.")
    if is_demo(paths):
        click.echo(own_name.in_hints(f"Run `offramp demo` (port {DEMO_PORT})."))
        return
    click.echo(own_name.in_hints("Connect Claude Code with `offramp connect` or, in one terminal:"))
    url = client_base_url(host=settings.host, port=settings.port)
    has_token = settings.client_token is not None
    click.echo(f"  {claude_code_line(url, has_token=has_token)}")
    click.echo(own_name.in_hints("To see whether the daemon runs: offramp status"))
    click.echo(own_name.in_hints("To try Offramp without a key: offramp demo"))


def widening_text(options: Sequence[str], *, is_all: bool) -> str:
    """Return how to find more than nothing: beyond the time, and without the filters `options`."""
    ways = [] if is_all else ["try --all for the whole log"]
    if options:
        ways.append(f"leave out {' and '.join(options)}")
    text = " or ".join(ways)
    return f" {text[0].upper()}{text[1:]}." if text else ""


def mention_skipped(count: int) -> None:
    """Say on standard error how many lines could not be read, if any."""
    if count:
        lines = "1 line" if count == 1 else f"{count} lines"
        click.echo(
            f"offramp: skipped {lines} of the log that can't be read as a request.", err=True
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
