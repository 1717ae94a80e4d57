"""The line that Claude Code shows below its prompt: who served, the week, the plan. Pure.

What matters most comes first, for a narrow screen drops the rest. Nothing is made up: what is not
known is left out, and a figure that is not fresh says how old it is.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from offramp_core.quota import windows
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import delegation_text, quota_text, served_text, trouble_text
from offramp_core.wording.formatting import backend_name, format_percent, printable, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import Status
    from offramp_core.quota.forecast import Forecast
    from offramp_core.quota.windows import QuotaWindow
    from offramp_core.usage.records import RequestRecord

_SEPARATOR = " · "
_CUT = "…"
_LONGEST_NAME = 20
_YELLOW, _RED, _PLAIN = "\x1b[33m", "\x1b[31m", "\x1b[39m"
_ALL_IS_WELL: Final = frozenset({"on", "on, auto"})
"""Of `delegation_text`, what needs no words once a request was served."""


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of the line; `colour` is an escape sequence, or nothing."""

    text: str
    colour: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What is known of the conversation that the line is for."""

    last: RequestRecord | None = None
    """Its latest request, if one is known."""
    is_at_work: bool = False
    """Whether Claude Code says that the conversation has had answers."""


def who_parts(session: Session, status: Status, now: datetime, zone: tzinfo) -> list[Part]:
    """Who served the session last and, where that is not why, what keeps delegation from working.

    Never none.
    """
    delegation = delegation_text.delegation_text(status, now, zone)
    if session.last is None:
        return [_unseen(session, status, delegation)]
    served = served_text.served_text(session.last, status, now, zone)
    parts = [Part(served.text, _YELLOW if served.is_trouble else "")]
    if not served.has_cause and delegation not in _ALL_IS_WELL:
        parts.append(Part(f"delegation {delegation}", _YELLOW))
    return parts


def split_parts(tokens: Mapping[str | None, int]) -> list[Part]:
    """`week: Claude 32%, Z.ai 68%`; none where the week holds nothing yet."""
    whole = sum(tokens.values())
    shares = [
        f"{_name(backend)} {format_percent(share(count, whole))}"
        for backend, count in sorted(tokens.items(), key=lambda item: _rank(item[0]))
        if count and backend is not None
    ]
    return [Part(f"week: {', '.join(shares)}")] if shares else []


def tightest(
    expected: Iterable[tuple[QuotaWindow, Forecast | None]], now: datetime
) -> tuple[QuotaWindow, Forecast | None] | None:
    """The window that is likely to be in the way first; None where no figure holds.

    A spent one comes before all others, then one that is expected to run out, the soonest first,
    then the one that its reset will find fullest.
    """
    known = [each for each in expected if windows.used_at(each[0], now) is not None]
    return min(known, key=lambda each: _room(each[0], each[1], now), default=None)


def quota_parts(
    window: QuotaWindow, expected: Forecast | None, now: datetime, zone: tzinfo
) -> tuple[Part, Part]:
    """`Claude week 63%, on pace for 92%`, and the same without the pace."""
    head = f"{backend_name(ANTHROPIC)} {quota_text.window_name(window.name)}"
    age = quota_text.age_text(window.read_at, now)
    end = f" ({age})" if age else ""
    if windows.is_spent(window, now):
        until = ""
        if window.resets is not None:
            until = f" until {quota_text.reset_text(window.resets, now, zone)}"
        part = Part(f"{head} used up{until}{end}", _RED)
        return part, part
    figure = f"{head} {quota_text.percent_text(windows.used_at(window, now) or 0.0)}"
    if expected is None:
        pace, colour = quota_text.pace_text(window, now), ""
    else:
        # A line has no room for the span that a forecast lies in.
        pace = quota_text.forecast_text(expected, now, zone).partition(" (")[0]
        colour = "" if expected.runs_out is None else _YELLOW
    short = Part(f"{figure}{end}", colour)
    return (Part(f"{figure}, {pace}{end}", colour), short) if pace else (short, short)


def line(
    who: Sequence[Part],
    split: Sequence[Part],
    quota: tuple[Part, Part] | None,
    *,
    columns: int,
    has_colour: bool,
) -> str:
    """Join what fits into `columns` (0: as wide as it takes), in one line without its end."""
    full, short = ([quota[0]], [quota[1]]) if quota else ([], [])
    layouts = (
        [*who, *split, *full],
        [*who, *split, *short],
        [*who, *full],
        [*who, *short],
        list(who),
        list(who[:1]),
    )
    for layout in layouts:
        if not columns or _layout_width(layout) <= columns:
            return _joined(layout, has_colour=has_colour)
    first = who[0]
    return _joined([Part(_cut(first.text, columns), first.colour)], has_colour=has_colour)


def width(text: str) -> int:
    """How many cells of a terminal `text` takes: two for a wide character, none for an accent."""
    return sum(map(_cells, text))


def _unseen(session: Session, status: Status, delegation: str) -> Part:
    if status.client_problem is not None:
        return Part(f"{trouble_text.CLIENT_LEFT} (offramp connect)", _YELLOW)
    if session.is_at_work:
        return Part("Offramp: no request of this session seen (offramp doctor)", _YELLOW)
    colour = "" if delegation in _ALL_IS_WELL else _YELLOW
    return Part(f"Offramp: delegation {delegation}", colour)


def _room(
    window: QuotaWindow, expected: Forecast | None, now: datetime
) -> tuple[int, float, float, str]:
    """What windows are sorted by, the tightest first."""
    used = windows.used_at(window, now) or 0.0
    if windows.is_spent(window, now):
        # The one that lasts longest: the others end before it does.
        resets = window.resets
        return 0, -(resets - now).total_seconds() if resets else 0.0, -used, window.name
    if expected is not None and expected.runs_out is not None:
        return 1, (expected.runs_out - now).total_seconds(), -used, window.name
    pace = expected.at_reset.likely if expected is not None else windows.forecast(window, now)
    return 2, -(used if pace is None else pace), -used, window.name


def _rank(backend: str | None) -> tuple[bool, str]:
    return backend != ANTHROPIC, backend or ""


def _name(backend: str) -> str:
    return printable(backend_name(backend))[:_LONGEST_NAME]


def _joined(parts: Sequence[Part], *, has_colour: bool) -> str:
    if not has_colour:
        return _SEPARATOR.join(part.text for part in parts)
    return _SEPARATOR.join(
        f"{part.colour}{part.text}{_PLAIN}" if part.colour else part.text for part in parts
    )


def _layout_width(parts: Sequence[Part]) -> int:
    return width(_SEPARATOR.join(part.text for part in parts))


def _cut(text: str, columns: int) -> str:
    left = columns - width(_CUT)
    kept = ""
    for character in text:
        left -= _cells(character)
        if left < 0:
            break
        kept += character
    return kept.rstrip() + _CUT


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
