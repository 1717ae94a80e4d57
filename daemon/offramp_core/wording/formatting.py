"""Tokens, shares, durations, moments, names as short text: one wording for all who show them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.services import service_of

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

_TOKEN_UNITS = ((1_000, "k"), (1_000_000, "M"), (1_000_000_000, "G"), (1_000_000_000_000, "T"))
_ONE_DECIMAL_BELOW = 100

_MINUTE_S = 60
_HOUR_S = 60 * _MINUTE_S
_DAY_S = 24 * _HOUR_S

NOT_SENT: Final = "unsent"
"""Stands for the backend of a request that was sent to none."""

NO_MODEL: Final = "no model"
"""Stands for the model of a request that names none."""

_NEEDLESS_IN_MODELS = re.compile(r"^claude-(?=.)|-20\d{6}(?=$|\[)")
"""The maker's name and the date of the snapshot, `-20250929`."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - these too


def format_tokens(count: int) -> str:
    """`count` in at most four characters and a unit: `890`, `1.3k`, `45.0k`, `999k`, `2.1M`.

    Halves are rounded up.
    """
    if count < 0:
        return f"-{format_tokens(-count)}"
    if count < _TOKEN_UNITS[0][0]:
        return str(count)
    for size, letter in _TOKEN_UNITS:
        tenths = _divide(count * 10, size)
        if tenths < _ONE_DECIMAL_BELOW * 10:
            whole, tenth = divmod(tenths, 10)
            return f"{whole}.{tenth}{letter}"
        if _divide(count, size) < 1000:
            return f"{_divide(count, size)}{letter}"
    size, letter = _TOKEN_UNITS[-1]
    return f"{_divide(count, size)}{letter}"


def format_dollars(usd: float) -> str:
    """`usd` as the charts write it: `$4.20`, `$412`, `$12,400`; next to nothing is `<$0.01`."""
    if 0 < usd < 0.005:
        return "<$0.01"
    return f"${usd:.2f}" if usd < 10 else f"${usd:,.0f}"


def format_percent(fraction: float) -> str:
    """`fraction` of 1 in whole percents; what is not quite nothing or all reads `<1%`, `>99%`."""
    percent = fraction * 100
    if 0 < percent <= 0.5:
        return "<1%"
    if 99.5 <= percent < 100:
        return ">99%"
    return f"{percent:.0f}%"


def format_duration(seconds: float) -> str:
    """`seconds` in its two largest units: `0.8 s`, `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return _two_units(whole // _MINUTE_S, 60, "h", "min")
    return _two_units(whole // _HOUR_S, 24, "d", "h")


def format_moment(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """`moment` on the clocks of `zone`, with as much of the date as tells it from others.

    `22:00` today, `Thu 22:00` within six days, else `2026-11-26 22:00`. Both are aware.
    """
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    if abs(local.date() - today) <= timedelta(days=6):
        return f"{local:%a %H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def printable(name: str) -> str:
    """`name` with nothing in it that could move a cursor, break a line or colour a terminal."""
    return name if name.isprintable() else "".join(c if c.isprintable() else "?" for c in name)


def escaped(json_line: bytes) -> str:
    """A line of JSON with the same meaning that a terminal shows as it stands.

    What could move its cursor, turn the direction of writing or break the line is written as
    escapes. A byte that is not a character becomes a question mark.
    """
    text = json_line.decode("utf-8", "replace")
    return text if text.isprintable() else "".join(map(_escape, text))


def spreadsheet_safe(text: str) -> str:
    """`text` for a cell of a CSV file, in a form that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" '\"").startswith(_FORMULA_STARTS) else text


def backend_name(backend: str | None) -> str:
    """What people call a backend; one of the user's own by the name that it has in the settings."""
    if backend is None:
        return NOT_SENT
    return service_of(backend).title or printable(backend)


def backend_id(backend: str | None) -> str:
    """A backend by the name that it has in the settings, printable."""
    return NOT_SENT if backend is None else printable(backend)


def model_id(model: str | None) -> str:
    """A model's whole name, printable."""
    return printable(model) if model else NO_MODEL


def short_model(model: str | None) -> str:
    """A model's name, printable, without its maker's and the date of its snapshot."""
    return _NEEDLESS_IN_MODELS.sub("", model_id(model))


def share(part: int, whole: int) -> float:
    """`part` of `whole` as a fraction; 0 where there is nothing to share."""
    return part / whole if whole else 0.0


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _divide(number: int, by: int) -> int:
    return (number + by // 2) // by


def _two_units(count: int, per_large: int, large: str, small: str) -> str:
    first, second = divmod(count, per_large)
    return f"{first} {large} {second} {small}" if second else f"{first} {large}"
