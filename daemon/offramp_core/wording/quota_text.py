"""How much of a plan is used, in words: one wording for the command line, the tray and the window.

Pure, and honest about what is not known: a figure says how old it is once it is not fresh, a
window whose reset is past says that, and nothing is ever made up.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.quota import forecast
from offramp_core.quota import windows as quota
from offramp_core.services.anthropic import KEY_WINDOWS
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import backend_name, format_moment, format_percent, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import PlanOutlook
    from offramp_core.quota.forecast import Forecast, PastUse
    from offramp_core.quota.windows import PlanQuota, QuotaWindow

FRESH: Final = timedelta(minutes=15)
"""For so long a figure counts as the present one; from then on its age is told."""

_PACE_FROM = 0.5
"""Before so much of a week is used, its pace by itself is no warning ..."""
_PACE_RUNS_OUT = 1.5
"""... and it has to be so fast that two days off don't make the week last."""
_PACE_HOLDS = timedelta(hours=24)

_LONGEST_NAME = 40
_LONGEST_WHY = 80
_MOST_PERCENT = 1000
"""What is more says only that it is enormous."""
_MOST_WINDOWS = 8
"""A plan has two to four; a service that tells of dozens must not fill the screen."""

_WINDOW = re.compile(r"([1-9][0-9]{0,3})(h|d|mo)(?:_(.+))?", re.DOTALL)
_UNITS = {"h": "hour", "d": "day", "mo": "month"}
_WITH_OVERAGE = "oi"
"""Anthropic's short name for a limit that counts what is paid for beyond the plan, too."""
_FAMILIES = {"opus": "Opus", "sonnet": "Sonnet", "haiku": "Haiku"}
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def window_name(name: str) -> str:
    """What people call a window: `5 hours`, `week`, `week for Opus`, `month for tools`.

    A name that this version does not know is shown as it is, made fit to print.
    """
    found = _WINDOW.fullmatch(name)
    if found is None:
        return _shown(name)
    span = _span(int(found[1]), found[2])
    part = found[3]
    if part == _WITH_OVERAGE:
        return f"{span} with overage"
    return span if part is None else f"{span} for {family_name(part)}"


def family_name(family: str) -> str:
    """`Sonnet` for `sonnet`; a name of the user's, or of next year, as it is, fit to print."""
    return _FAMILIES.get(family.lower()) or _shown(family)


def window_text(
    backend: str,
    window: QuotaWindow,
    now: datetime,
    zone: tzinfo,
    *,
    expected: Forecast | None = None,
    is_live: bool = True,
) -> str:
    """One window in a line: `Claude week 63%, resets Thu 22:00, on pace for 92% (85-99%)`.

    Without `expected` the pace is a straight line. Where no daemon runs (`is_live` is False)
    nobody knows what was used since: the figure says when it was read, and there is no pace.
    """
    head = f"{backend_name(backend)[:_LONGEST_NAME]} {window_name(window.name)}"
    used = quota.used_at(window, now)
    if quota.is_spent(window, now):
        figure = "used up"
    elif used is not None:
        figure = percent_text(used)
    else:
        return f"{head}: {_why_unknown(window, now, zone)}"
    parts = [f"{head} {figure}", *_reset_parts(window, now, zone)]
    if figure != "used up" and is_live:
        pace = pace_text(window, now) if expected is None else forecast_text(expected, now, zone)
        parts += [pace] if pace else []
    age = _age_note(window, now, zone, is_live=is_live)
    return f"{', '.join(parts)} ({age})" if age else ", ".join(parts)


def glance_text(
    backend: str, window: QuotaWindow, now: datetime, zone: tzinfo, *, is_live: bool = True
) -> str:
    """One window for a tooltip: `Claude week 30% used (even pace 48%), resets Thu 22:00`."""
    used, even = quota.used_at(window, now), quota.elapsed(window, now)
    if used is None or quota.is_spent(window, now):
        return window_text(backend, window, now, zone, is_live=is_live)
    notes = [] if even is None else [f"even pace {percent_text(even)}"]
    notes += filter(None, [_age_note(window, now, zone, is_live=is_live)])
    head = f"{backend_name(backend)[:_LONGEST_NAME]} {window_name(window.name)}"
    figure = f"{percent_text(used)} used"
    if notes:
        figure += f" ({', '.join(notes)})"
    return ", ".join((f"{head} {figure}", *_reset_parts(window, now, zone)))


def percent_text(used: float) -> str:
    """A part of a plan in whole percents, more than all of it included: `63%`, `131%`."""
    return f"over {_MOST_PERCENT}%" if used * 100 > _MOST_PERCENT else format_percent(used)


def pace_text(window: QuotaWindow, now: datetime) -> str:
    """`on pace for 92%`: what the reset will find if all goes on as it did; empty if unknown."""
    expected = quota.forecast(window, now)
    return "" if expected is None else f"on pace for {percent_text(expected)}"


def forecast_text(expected: Forecast, now: datetime, zone: tzinfo) -> str:
    """`on pace for 92% (85-99%)`, or `runs out about Wed 15:00`."""
    if expected.runs_out is not None:
        return f"runs out about {format_moment(_to_quarter(expected.runs_out), now, zone)}"
    found = expected.at_reset
    text = f"on pace for {percent_text(found.likely)}"
    low, high = percent_text(found.low), percent_text(found.high)
    if not expected.is_learnt or low == high:
        return text
    return f"{text} ({_range_text(low, high)})"


def run_out_text(outlook: PlanOutlook, delegation: str, now: datetime, zone: tzinfo) -> str:
    """Return a sentence that warns of a week that will not last; empty where it will."""
    if outlook.runs_out is None or outlook.runs_out >= outlook.resets or outlook.resets <= now:
        return ""
    text = f"{backend_name(outlook.backend)}'s week is likely to be used up about "
    text += _before_reset(outlook.runs_out, outlook.resets, now, zone)
    if outlook.backend != ANTHROPIC and delegation == "always":
        text += ' delegation = "auto" would make it last longer.'
    return text


def pace_warning_text(plan: PlanQuota, now: datetime, zone: tzinfo) -> str:
    """Return a sentence that warns of a week by its own pace; empty where it gives no reason.

    It is for a plan of which the daemon has no outlook: a pace that even days off don't make last.
    """
    week = quota.window_of(plan, quota.WEEK)
    pace = None if week is None else quota.forecast(week, now)
    if week is None or week.used is None or week.resets is None or pace is None:
        return ""
    is_stale = now - week.read_at > _PACE_HOLDS
    if is_stale or not _PACE_FROM <= week.used < 1 or pace < _PACE_RUNS_OUT:
        return ""
    expected = forecast.expect(week, now, None, zone)
    if expected is None or expected.runs_out is None:
        return ""
    text = f"At its pace so far, {backend_name(plan.backend)}'s week will be used up about "
    return text + _before_reset(expected.runs_out, week.resets, now, zone)


def age_text(read_at: datetime, now: datetime) -> str:
    """`as of 3 h ago`; empty for a figure that is as good as present."""
    age = now - read_at
    return f"as of {_ago(age)} ago" if age > FRESH else ""


def reset_text(resets: datetime, now: datetime, zone: tzinfo) -> str:
    """When a window begins again, to the nearest minute: services say 21:59:59 for 22:00."""
    try:
        return format_moment(to_minute(resets), now, zone)
    except OverflowError:  # a mistaken figure: no calendar of the user's holds it
        return "far off"


def to_minute(moment: datetime) -> datetime:
    """`moment` rounded to the nearest minute."""
    whole = moment.replace(second=0, microsecond=0)
    return whole + _MINUTE if moment - whole >= _MINUTE / 2 else whole


def unknown_text(backend: str, problem: str | None = None) -> str:
    """What stands for a plan that has told nothing yet, with why that is where it is known."""
    head = f"{backend_name(backend)[:_LONGEST_NAME]} quota: not known"
    if not problem:
        return f"{head} yet"
    why = " ".join(printable(problem).split()).rstrip(".")
    return f"{head} ({why if len(why) <= _LONGEST_WHY else why[: _LONGEST_WHY - 1] + '…'})"


def plan_texts(
    plan: PlanQuota,
    now: datetime,
    zone: tzinfo,
    past: Mapping[tuple[str, str], PastUse] | None = None,
    outlooks: Sequence[PlanOutlook] = (),
    *,
    is_live: bool = True,
) -> tuple[str, ...]:
    """A line for each window that matters, the shortest first; never none.

    `past` is how each backend's windows filled before, `outlooks` what the daemon expects of the
    plans' weeks, and `is_live` whether a daemon runs.
    """
    texts = (
        window_text(
            plan.backend,
            window,
            now,
            zone,
            expected=forecast.expect_in_plan(plan.backend, window, now, past or {}, outlooks, zone),
            is_live=is_live,
        )
        for window in important(plan.windows)
    )
    return tuple(texts) or (unknown_text(plan.backend, plan.problem),)


def important(windows: Iterable[QuotaWindow]) -> tuple[QuotaWindow, ...]:
    """The windows that limit messages, the shortest first, a whole plan's before its parts'."""
    found = sorted(
        (window for window in windows if window.name != quota.MONTHLY_TOOLS),
        key=lambda window: (
            quota.length(window.name) or timedelta.max,
            "_" in window.name,
            window.name,
        ),
    )
    return tuple(found[:_MOST_WINDOWS])


def _age_note(window: QuotaWindow, now: datetime, zone: tzinfo, *, is_live: bool) -> str:
    if is_live:
        return age_text(window.read_at, now)
    return f"as of {format_moment(window.read_at, now, zone)}"


def is_refilled(window: QuotaWindow, now: datetime) -> bool:
    """Whether it is an API key's limit whose minute is over: it has refilled since."""
    return window.name in KEY_WINDOWS and quota.used_at(window, now) is None


def refilled_text(backend: str) -> str:
    """What stands for a plan of which only such limits were told."""
    return f"{backend_name(backend)[:_LONGEST_NAME]} API key: its limits refill within minutes"


def _why_unknown(window: QuotaWindow, now: datetime, zone: tzinfo) -> str:
    if window.resets is not None and window.resets <= now:
        return f"unknown since its reset {reset_text(window.resets, now, zone)}"
    if window.used is not None:  # it told no reset, and was read too long ago to hold
        return f"unknown, last reading {_ago(now - window.read_at)} ago"
    return ", ".join(("not known yet", *_reset_parts(window, now, zone)))


def _reset_parts(window: QuotaWindow, now: datetime, zone: tzinfo) -> tuple[str, ...]:
    return () if window.resets is None else (f"resets {reset_text(window.resets, now, zone)}",)


def _span(count: int, unit: str) -> str:
    if (count, unit) == (7, "d"):
        return "week"
    return _UNITS[unit] if count == 1 else f"{count} {_UNITS[unit]}s"


def _shown(name: str) -> str:
    """`name`, printable, in one short line."""
    words = " ".join(printable(name).replace("_", " ").replace("-", " ").split())
    return words[:_LONGEST_NAME] or "limit without a name"


def _to_quarter(moment: datetime) -> datetime:
    """`moment` to the nearest quarter of an hour: a forecast knows no minutes."""
    since = timedelta(minutes=moment.minute, seconds=moment.second)
    since += timedelta(microseconds=moment.microsecond)
    return moment - since + round(since / FRESH) * FRESH


def _before_reset(moment: datetime, resets: datetime, now: datetime, zone: tzinfo) -> str:
    when = format_moment(_to_quarter(max(moment, now)), now, zone)
    return f"{when}, before it resets ({reset_text(resets, now, zone)})."


def _range_text(low: str, high: str) -> str:
    """`85-99%`; where one is not a plain number, `85% to >99%`."""
    if low[0].isdigit() and high[0].isdigit():
        return f"{low.removesuffix('%')}\N{EN DASH}{high}"
    return f"{low} to {high}"


def _ago(age: timedelta) -> str:
    """An age in its largest unit, rounded down: `45 min`, `3 h`, `2 d`.

    Below an hour in quarters, for a menu that changes each minute can't be read in peace.
    """
    if age < _HOUR:
        return f"{max(0, age // FRESH) * (FRESH // _MINUTE)} min"
    return f"{age // _HOUR} h" if age < _DAY else f"{age // _DAY} d"
