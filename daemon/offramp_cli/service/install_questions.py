"""The short dialogue of a first `offramp install`, and the options that answer it for scripts."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from offramp_core.errors import OfframpError
from offramp_core.keys import key_input
from offramp_core.services import DELEGATE
from offramp_core.settings import Secret, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    KeyCheck = Callable[[Secret], Secret]

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_WEEK = re.compile(r"([a-z]+|[0-6])[\s,]+(\d{1,2})(?::00)?(?:\s*h)?", re.IGNORECASE)
_MOST_CHARACTERS = 64 * 1024
_HOURS = 24
_KEY_OF = f"{DELEGATE.title} key"
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class WeekStart:
    """When the user's week begins: `day` from 0, which is Sunday, `hour` from 0 to 23."""

    day: int
    hour: int

    def __str__(self) -> str:
        """The way in which it can be given."""
        return f"{DAYS[self.day]} {self.hour}"

    @property
    def in_words(self) -> str:
        """The way in which it is shown."""
        return f"{_NAMES[self.day]} {self.hour:02}:00"


class WeekStartType(click.ParamType[WeekStart]):
    """`thu 22`, `Thursday 22:00` or `4 22`."""

    name = "DAY HOUR"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> WeekStart:
        """Return the week in `value`; click explains to the user what is wrong with it."""
        if isinstance(value, WeekStart):
            return value
        week = _parsed(str(value).strip())
        if week is None:
            self.fail(
                f"{value!r} is not a day and an hour. Give a day and an hour from 0 to 23: thu 22",
                param,
                ctx,
            )
        return week


def _parsed(text: str) -> WeekStart | None:
    found = _WEEK.fullmatch(text)
    if found is None or int(found[2]) >= _HOURS:
        return None
    if found[1].isdigit():
        return WeekStart(int(found[1]), int(found[2]))
    for day, name in enumerate(_NAMES):
        if len(found[1]) >= len(DAYS[day]) and name.lower().startswith(found[1].lower()):
            return WeekStart(day, int(found[2]))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallAnswers:
    """What the user wants; None leaves a thing as it is."""

    key: Secret | None = None
    """New, and not refused by its service."""
    week: WeekStart | None = None
    connect: bool | None = None


def key_from_stdin() -> Secret:
    """The delegate's key on standard input, which may be a terminal.

    Raises:
        OfframpError: there is none, or it is plainly something else.
    """
    if sys.stdin.isatty():
        return key_input.parse(click.prompt(_KEY_OF, hide_input=True), DELEGATE.name)
    return key_input.parse(sys.stdin.read(_MOST_CHARACTERS), DELEGATE.name)


def checker(settings: Settings, *, is_checking: bool) -> KeyCheck:
    """What asks the delegate about a key and prints the answer; without `is_checking` all pass.

    It raises OfframpError for a key that is refused. One that could not be checked passes.
    """

    def check(key: Secret) -> Secret:
        from offramp_daemon.upstream import key_check  # brings all that the daemon sends by

        if is_checking:
            backend = settings.backend(DELEGATE.name)
            verdict = key_check.check_key(backend, key, routes=settings.routes)
            if verdict.outcome == "refused":
                raise OfframpError(
                    verdict.text, hint="Correct it, or store it anyway: --no-check-key"
                )
            click.echo(f"  {verdict.text}")
        return key

    return check


def ask(
    given: InstallAnswers, settings: Settings, check: KeyCheck, *, has_key: bool, can_connect: bool
) -> InstallAnswers:
    """Ask for what the options leave open; `has_key` and `can_connect` say what need not be."""
    return InstallAnswers(
        key=given.key or (None if has_key else _ask_key(check)),
        week=given.week or _ask_week(settings),
        connect=_ask_connect(given, can_connect=can_connect),
    )


def _ask_key(check: KeyCheck) -> Secret | None:
    for _ in range(_ATTEMPTS):
        text = click.prompt(
            f"{_KEY_OF} (not shown; leave it empty to send everything to Claude for now)",
            default="",
            show_default=False,
            hide_input=True,
        )
        if not text.strip():
            return None
        try:
            return check(key_input.parse(text, DELEGATE.name))
        except OfframpError as error:
            click.echo(f"  {error.title}", err=True)
    click.echo("  No key for now. To store it later: offramp key set", err=True)
    return None


def _ask_week(settings: Settings) -> WeekStart | None:
    present = WeekStart(settings.week_start_day, settings.week_start_hour)
    # Where nothing is set, the week is learnt, which is best: an answer would set it for good.
    is_default = present == WeekStart(Settings().week_start_day, Settings().week_start_hour)
    hint = "; leave it empty to learn it from Claude" if is_default else ""
    week: WeekStart = click.prompt(
        f"When does your Claude week begin (day and hour{hint})",
        default=present,
        type=WeekStartType(),
    )
    return None if week == present else week


def _ask_connect(given: InstallAnswers, *, can_connect: bool) -> bool | None:
    if given.connect is not None or not can_connect:
        return given.connect
    return click.confirm("Point Claude Code at Offramp", default=True)
