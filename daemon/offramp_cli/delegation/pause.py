"""`offramp pause`: everything goes to Anthropic, until then or until `offramp resume`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from offramp_cli.daemon_client import client_for, delegation_text, show_notes
from offramp_cli.delegation import time_parser
from offramp_cli.options import demo_option
from offramp_cli.reports import log_filters
from offramp_core.control import api
from offramp_core.usage.weeks import system_zone

if TYPE_CHECKING:
    from offramp_core.paths import Paths


@click.command("pause")
@click.option("--for", "length", metavar="LENGTH", help="For this long: 1h, 90m, 1h30m, 2d.")
@click.option(
    "--until",
    "moment",
    metavar="TIME",
    help="Until this time: 22:00 (the next time it is 22:00), or a date with a time.",
)
@click.option("--until-reset", is_flag=True, help="Until your next week begins.")
@demo_option
def command(paths: Paths, length: str | None, moment: str | None, until_reset: bool) -> None:
    """Send everything to Claude, from the next request on.

    Without an option, until `offramp resume`. Running answers continue. A pause survives
    restarts.
    """
    if sum((length is not None, moment is not None, until_reset)) > 1:
        raise click.UsageError("--for, --until and --until-reset can't be combined: choose one.")
    now = datetime.now(UTC)
    until = _reset(paths, now) if until_reset else _end(length, moment, now)
    if until is not None:
        log_filters.mention_zone()
    answer = client_for(paths).pause(until)
    click.echo(f"Delegation: {delegation_text(answer.status)}. Everything goes to Claude.")
    show_notes(answer)


def _end(length: str | None, moment: str | None, now: datetime) -> datetime | None:
    """When the pause ends by either option; None without one."""
    if length is not None:
        try:
            return _within_a_year(now + time_parser.length(length), now, length, "--for")
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(
                f"{length!r} is not a length of time. Give 1h, 90m, 1h30m or 2d.",
                param_hint="--for",
            ) from error
    if moment is None:
        return None
    try:
        until = time_parser.moment(moment, now, system_zone(os.environ))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{moment!r} is not a time. Give 22:00, or a date with a time: 2026-11-26 08:00.",
            param_hint="--until",
        ) from error
    if until <= now:
        raise click.BadParameter(f"{moment!r} is over already.", param_hint="--until")
    return _within_a_year(until, now, moment, "--until")


def _within_a_year(until: datetime, now: datetime, given: str, option: str) -> datetime:
    if until - now > api.LONGEST_PAUSE:
        raise click.BadParameter(
            f"{given!r} is more than a year away, and a pause lasts at most one. Leave the option "
            "out to pause until offramp resume.",
            param_hint=option,
        )
    return until


def _reset(paths: Paths, now: datetime) -> datetime:
    return log_filters.week_of(paths, log_filters.load(paths)).boundary.week_of(now).end
