"""Times and numbers as this user's system writes them, in as few words as tell them apart.

Times come in aware and are shown on the clocks of their own zone; a `Snapshot` holds the user's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from PySide6.QtCore import QDate, QLocale, QTime

from offramp_core.wording.formatting import format_percent, format_tokens

if TYPE_CHECKING:
    from datetime import date, datetime

DASH = "\N{EN DASH}"
"""Between the ends of a range, and where there is no number."""


LAST_WEEK = "this time last week"
_TIMES_FROM = 10.0
"""From so much growth on it is said in times, not in percents."""


def clock(moment: datetime) -> str:
    """`22:00`, or `10:00 PM` where the system writes it so."""
    locale = QLocale()
    pattern = locale.timeFormat(QLocale.FormatType.ShortFormat)
    if "s" in pattern:
        pattern = "HH:mm"
    return locale.toString(QTime(moment.hour, moment.minute), pattern)


def weekday(day: date) -> str:
    """`Thu`, in the system's language."""
    return QLocale().dayName(day.isoweekday(), QLocale.FormatType.ShortFormat)


def day_and_clock(moment: datetime) -> str:
    """`Thu 22:00`."""
    return f"{weekday(moment)} {clock(moment)}"


def day_of_month(day: date) -> str:
    """`26 Nov`, in the system's language."""
    return f"{day.day} {QLocale().monthName(day.month, QLocale.FormatType.ShortFormat)}"


def full_date(day: date) -> str:
    """A date with its year, as the system writes it out."""
    pattern = "d MMM yyyy"
    return QLocale().toString(QDate(day.year, day.month, day.day), pattern)


def moment_text(moment: datetime, now: datetime) -> str:
    """With as much of the date as tells it from others: `22:00`, `Thu 22:00`, `26 Nov 22:00`."""
    if moment.date() == now.date():
        return clock(moment)
    if abs(moment.date() - now.date()) < timedelta(days=7):
        return day_and_clock(moment)
    if moment.year == now.year:
        return f"{day_of_month(moment)} {clock(moment)}"
    return f"{full_date(moment)} {clock(moment)}"


def span_text(start: datetime, end: datetime, now: datetime) -> str:
    """Such as `Thu 21:00` to `22:00`; the second date only where it is another."""
    if start.date() == end.date():
        first = moment_text(start, now)
        if start.date() == now.date():
            first = clock(start)
        return f"{first} {DASH} {clock(end)}"
    return f"{moment_text(start, now)} {DASH} {moment_text(end, now)}"


def exact(count: int) -> str:
    """The number in full, its thousands parted."""
    return QLocale().toString(count)


def short(count: int) -> str:
    """At most four digits: in full below 10,000, then `12.3k`, `4.5M`."""
    return exact(count) if abs(count) < 10_000 else format_tokens(count)


def shorter(count: int) -> str:
    """At most two digits that say something: `62M`, `6.2M`."""
    exponent = max(0, len(str(abs(count))) - 2)
    return format_tokens(round(count, -exponent)).replace(".0", "")


def dollars(amount: float) -> str:
    """`$4.20`, `$412`, `$12,400`: no cents where nobody counts them; `<$0.01` is not nothing."""
    if 0 < amount < 0.005:
        return "<$0.01"
    if amount < 10:
        return f"${QLocale().toString(amount, 'f', 2)}"
    return f"${QLocale().toString(round(amount))}"


def change_text(now: int, before: int, when: str = LAST_WEEK) -> str:
    """`↑ 12% vs. this time last week`: how far `now` is from what there was `when`."""
    if before == now:
        return f"same as {when}"
    if before == 0:
        return f"none {'at' if when == LAST_WEEK else 'in'} {when}"
    change = (now - before) / before
    if change >= _TIMES_FROM:
        return f"↑ {QLocale().toString(now / before, 'f', 0)} times that of {when}"
    # Growth has no end at 100%; a loss of all but nothing must not read as one of all.
    percent = format_percent(-change) if change < 0 else format_percent(change)
    if 0.995 <= change < 1:
        percent = "100%"
    return f"{'↑' if change > 0 else '↓'} {percent} vs. {when}"


def month(day: date) -> str:
    """`Nov`, in the system's language."""
    return QLocale().monthName(day.month, QLocale.FormatType.ShortFormat)
