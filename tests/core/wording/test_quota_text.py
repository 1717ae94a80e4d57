"""Quota in words: the same everywhere, and never more than is known."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp_core.control.api import PlanOutlook
from offramp_core.quota.forecast import Forecast, ForecastPoint
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.usage.outlook import Outlook
from offramp_core.wording import quota_text

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
"""A Tuesday, 10:00 in Berlin."""
RESETS = datetime(2026, 11, 26, 21, tzinfo=UTC)
"""Thursday 22:00 in Berlin: 61% of the week before it have passed at `NOW`, and a bit."""


def window(name: str = "7d", *, used: float | None = 0.4, resets=RESETS, age=timedelta(), **fields):
    return QuotaWindow(name=name, used=used, resets=resets, read_at=NOW - age, **fields)


def text(found: QuotaWindow, backend: str = "anthropic") -> str:
    return quota_text.window_text(backend, found, NOW, BERLIN)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("5h", "5 hours"),
        ("1h", "hour"),
        ("24h", "24 hours"),
        ("1d", "day"),
        ("7d", "week"),
        ("30d", "30 days"),
        ("1mo", "month"),
        ("7d_opus", "week for Opus"),
        ("7d_SONNET", "week for Sonnet"),
        ("7d_oi", "week with overage"),
        ("5h_oi", "5 hours with overage"),
        ("7d_oauth_apps", "week for oauth apps"),
        ("1mo_tools", "month for tools"),
        ("requests", "requests"),
        ("input-tokens", "input tokens"),
        ("7d_", "7d"),
        ("0h", "0h"),
        ("", "limit without a name"),
        (" _-", "limit without a name"),
        ("a\x1b[2J\nb", "a?[2J?b"),
        ("x" * 100, "x" * 40),
    ],
)
def test_window_has_the_name_that_people_use(name, words):
    assert quota_text.window_name(name) == words


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (window(), "Claude week 40%, resets Thu 22:00, on pace for 62%"),
        (window(used=0.85), "Claude week 85%, resets Thu 22:00, on pace for 132%"),
        (window(used=0.0), "Claude week 0%, resets Thu 22:00, on pace for 0%"),
        (window(used=0.9, resets=NOW + timedelta(days=6.9)), "Claude week 90%, resets 2026-12-01"),
        (window(used=1.0), "Claude week used up, resets Thu 22:00"),
        (window(used=1.31), "Claude week used up, resets Thu 22:00"),
        (window(used=0.4, status="rejected"), "Claude week used up, resets Thu 22:00"),
        (window(used=None, status="rejected"), "Claude week used up, resets Thu 22:00"),
        (window(used=None), "Claude week: not known yet, resets Thu 22:00"),
        (window(used=None, resets=None), "Claude week: not known yet"),
        (
            window(resets=NOW - timedelta(hours=11)),
            "Claude week: unknown since its reset Mon 23:00",
        ),
        (window("5h", used=0.2, resets=None), "Claude 5 hours 20%"),
        (
            window("5h", used=0.2, resets=None, age=timedelta(hours=7)),
            "Claude 5 hours: unknown, last reading 7 h ago",
        ),
        (window("requests", used=0.2), "Claude requests 20%, resets Thu 22:00"),
        (window(used=400.0, resets=None), "Claude week over 1000%"),
    ],
)
def test_window_is_told_as_far_as_it_is_known(found, words):
    assert text(found).removesuffix(" 07:36") == words


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(minutes=15), ""),
        (timedelta(minutes=15, seconds=1), " (as of 15 min ago)"),
        (timedelta(minutes=59, seconds=59), " (as of 45 min ago)"),
        (timedelta(hours=3, minutes=50), " (as of 3 h ago)"),
        (timedelta(days=2, hours=3), " (as of 2 d ago)"),
        (timedelta(hours=-3), ""),
    ],
)
def test_figure_that_is_not_fresh_says_how_old_it_is(age, words):
    assert text(window(age=age)) == f"Claude week 40%, resets Thu 22:00, on pace for 62%{words}"


def test_spent_window_that_was_read_long_ago_says_so_too():
    found = window(used=1.0, age=timedelta(hours=5))
    assert text(found) == "Claude week used up, resets Thu 22:00 (as of 5 h ago)"


@pytest.mark.parametrize("jitter_s", [-29, -1, 0, 1, 29])
def test_reset_that_jitters_by_seconds_reads_the_same(jitter_s):
    found = window(resets=RESETS + timedelta(seconds=jitter_s))
    assert "resets Thu 22:00" in text(found)


def test_reset_that_no_calendar_holds_is_no_crash():
    far = window(resets=datetime.max.replace(tzinfo=UTC))
    assert text(far) == "Claude week 40%, resets far off"


def test_pace_is_left_out_while_too_little_of_the_window_has_passed():
    assert quota_text.pace_text(window(resets=NOW + timedelta(days=6.9)), NOW) == ""


def test_backend_of_the_users_own_is_named_as_in_the_settings():
    assert text(window(), backend="a\x1b[2J").startswith("a?[2J week 40%")


def plan(*windows: QuotaWindow) -> PlanQuota:
    return PlanQuota(backend="zai", account="a1", windows=windows, read_at=NOW)


def test_plan_has_a_line_for_each_limit_of_messages_the_shortest_first():
    told = plan(window("1mo_tools"), window("7d_opus"), window("requests"), window(), window("5h"))
    lines = quota_text.plan_texts(told, NOW, BERLIN)
    assert [line.split(" 4")[0].split(":")[0] for line in lines] == [
        "Z.ai 5 hours",
        "Z.ai week",
        "Z.ai week for Opus",
        "Z.ai requests",
    ]


def test_plan_that_told_nothing_is_not_known_yet():
    assert quota_text.plan_texts(plan(), NOW, BERLIN) == ("Z.ai quota: not known yet",)


def test_plan_that_can_not_be_asked_says_why_in_a_line():
    found = PlanQuota(backend="zai", account="a1", read_at=NOW, problem="It\nis\x1b off. " * 40)
    (line,) = quota_text.plan_texts(found, NOW, BERLIN)
    assert line.startswith("Z.ai quota: not known (It?is? off. It?is?")
    assert line.isprintable()
    assert len(line) < 120


def test_service_that_tells_of_dozens_of_windows_fills_no_screen():
    told = plan(*(window(f"{hours}h") for hours in range(1, 60)))
    assert len(quota_text.plan_texts(told, NOW, BERLIN)) == 8


moments = st.datetimes(timezones=st.just(UTC))
windows = st.builds(
    QuotaWindow,
    name=st.text() | st.sampled_from(["5h", "7d", "7d_opus", "9999d"]),
    used=st.none() | st.floats(),
    resets=st.none() | moments,
    status=st.none() | st.sampled_from(["allowed", "rejected"]) | st.text(),
    read_at=moments,
)


@settings(deadline=None)
@given(
    st.text(),
    windows,
    moments,
    st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Kiritimati")]),
)
def test_any_window_is_one_short_printable_line(backend, found, now, zone):
    line = quota_text.window_text(backend, found, now, zone)
    assert line.isprintable()
    assert len(line) < 200


@settings(deadline=None)
@given(
    st.none() | st.floats(0, 0.99),
    st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=9)),
    st.timedeltas(timedelta(), timedelta(days=9)),
)
def test_every_percentage_is_the_figure_or_its_forecast(used, resets_in, age):
    found = window(used=used, resets=None if resets_in is None else NOW + resets_in, age=age)
    shown = re.findall(r"(\d+)%", text(found))
    if used is None or (resets_in is not None and resets_in <= timedelta()):
        assert shown == []
    elif shown:
        assert int(shown[0]) == pytest.approx(used * 100, abs=1)
        assert len(shown) <= (1 if resets_in is None else 2)


def forecast_of(
    likely: float, low: float, high: float, *, runs_out: datetime | None = None, learnt: bool = True
) -> Forecast:
    course = (
        ForecastPoint(NOW, Outlook(0.4, 0.4, 0.4)),
        ForecastPoint(RESETS, Outlook(likely, low, high)),
    )
    return Forecast(course=course, runs_out=runs_out, is_learnt=learnt)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (forecast_of(0.84, 0.7, 0.95), "on pace for 84% (70\N{EN DASH}95%)"),
        (forecast_of(0.84, 0.839, 0.841), "on pace for 84%"),
        (forecast_of(0.84, 0.5, 1.2, learnt=False), "on pace for 84%"),
        (forecast_of(0.92, 0.8, 1.15), "on pace for 92% (80\N{EN DASH}115%)"),
        (forecast_of(0.92, 0.84, 0.997), "on pace for 92% (84% to >99%)"),
        (forecast_of(0.01, 0.002, 0.05), "on pace for 1% (<1% to 5%)"),
        (forecast_of(9.0, 8.0, 12.0), "on pace for 900% (800% to over 1000%)"),
        (forecast_of(0.1, 0.0, 0.2), "on pace for 10% (0\N{EN DASH}20%)"),
        (
            forecast_of(1.3, 1.0, 1.6, runs_out=datetime(2026, 11, 25, 13, 56, 20, tzinfo=UTC)),
            "runs out about Wed 15:00",
        ),
        (
            forecast_of(1.3, 1.0, 1.6, runs_out=datetime(2026, 11, 24, 22, 53, tzinfo=UTC)),
            "runs out about Wed 00:00",
        ),
    ],
)
def test_forecast_is_told_with_its_band_or_with_when_it_runs_out(expected, words):
    found = quota_text.window_text("anthropic", window(), NOW, BERLIN, expected=expected)
    assert found == f"Claude week 40%, resets Thu 22:00, {words}"


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(), "as of 10:00"),
        (timedelta(minutes=22), "as of 09:38"),
        (timedelta(days=1), "as of Mon 10:00"),
    ],
)
def test_without_a_daemon_a_figure_says_when_it_was_read_and_has_no_pace(age, words):
    expected = forecast_of(0.84, 0.7, 0.95)
    for given_one in (None, expected):
        found = quota_text.window_text(
            "anthropic", window(age=age), NOW, BERLIN, expected=given_one, is_live=False
        )
        assert found == f"Claude week 40%, resets Thu 22:00 ({words})"


def outlook(backend: str, runs_out: datetime | None, resets: datetime = RESETS) -> PlanOutlook:
    return PlanOutlook(
        backend=backend, at=NOW, resets=resets, low=0.9, likely=1.0, high=1.0, runs_out=runs_out
    )


@pytest.mark.parametrize(
    ("backend", "delegation", "words"),
    [
        (
            "zai",
            "always",
            "Z.ai's week is likely to be used up about Wed 15:00, before it resets (Thu 22:00). "
            'delegation = "auto" would make it last longer.',
        ),
        (
            "zai",
            "auto",
            "Z.ai's week is likely to be used up about Wed 15:00, before it resets (Thu 22:00).",
        ),
        (
            "anthropic",
            "never",
            "Claude's week is likely to be used up about Wed 15:00, before it resets (Thu 22:00).",
        ),
    ],
)
def test_a_week_that_will_not_last_is_warned_of(backend, delegation, words):
    found = outlook(backend, datetime(2026, 11, 25, 14, 3, tzinfo=UTC))
    assert quota_text.run_out_text(found, delegation, NOW, BERLIN) == words


@pytest.mark.parametrize(
    "found",
    [
        outlook("zai", None),
        outlook("zai", RESETS),
        outlook("zai", NOW - timedelta(hours=2), resets=NOW),
    ],
)
def test_a_week_that_lasts_or_is_over_is_not_warned_of(found):
    assert quota_text.run_out_text(found, "always", NOW, BERLIN) == ""


def test_a_week_that_should_be_used_up_by_now_is_warned_of_from_now_on():
    found = outlook("zai", NOW - timedelta(hours=1))
    assert "about 10:00," in quota_text.run_out_text(found, "auto", NOW, BERLIN)


def test_a_pace_that_even_days_off_do_not_make_last_is_warned_of():
    found = quota_text.pace_warning_text(plan(window(used=0.98)), NOW, BERLIN)
    assert found == (
        "At its pace so far, Z.ai's week will be used up about 12:15, before it resets (Thu 22:00)."
    )


@pytest.mark.parametrize(
    "found",
    [
        window(used=None),
        window(used=float("nan")),
        window(used=0.0),
        window(used=0.75),
        window(used=1.0),
        window(used=3.0),
        window(used=0.98, resets=None),
        window(used=0.98, resets=NOW),
        window(used=0.98, resets=RESETS + timedelta(days=90)),
        window(used=0.98, age=timedelta(hours=25)),
        window(used=0.4, resets=NOW + timedelta(days=6)),
        window("5h", used=0.98),
        window("1mo_tools", used=0.98),
    ],
)
def test_a_pace_that_says_nothing_is_not_warned_of(found):
    assert quota_text.pace_warning_text(plan(found), NOW, BERLIN) == ""
