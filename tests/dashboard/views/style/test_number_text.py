"""Times and numbers in this user's words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from PySide6.QtCore import QLocale
from sample_snapshots import NOW

from offramp_dashboard.views.style import number_text


def test_moments_have_as_much_date_as_they_need() -> None:
    assert number_text.moment_text(NOW, NOW) == "15:26"
    assert number_text.moment_text(NOW - timedelta(days=2), NOW) == "Sun 15:26"
    assert number_text.moment_text(NOW - timedelta(days=20), NOW) == "21 Jan 15:26"
    assert number_text.moment_text(NOW - timedelta(days=200), NOW) == "25 Jul 2025 15:26"


def test_spans_say_a_shared_day_once() -> None:
    day = NOW - timedelta(days=1)
    assert number_text.span_text(NOW, NOW + timedelta(minutes=3), NOW) == "15:26 \u2013 15:29"
    assert number_text.span_text(day, day + timedelta(hours=1), NOW) == "Mon 15:26 \u2013 16:26"
    assert number_text.span_text(day, NOW, NOW) == "Mon 15:26 \u2013 15:26"


def test_clock_follows_the_system() -> None:
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedStates))

    assert number_text.clock(NOW).replace("\u202f", " ") == "3:26 PM"


def test_names_of_days_follow_the_system() -> None:
    QLocale.setDefault(QLocale(QLocale.Language.German, QLocale.Country.Germany))

    assert number_text.day_and_clock(NOW).startswith("Di")
    assert number_text.exact(1234567) == "1.234.567"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (9_999, "9,999"), (10_000, "10.0k"), (69_100_000, "69.1M")]
)
def test_short_numbers(count: int, text: str) -> None:
    assert number_text.short(count) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "$0.00"),
        (0.0004, "<$0.01"),
        (0.006, "$0.01"),
        (4.2, "$4.20"),
        (84.31, "$84"),
        (12_400.0, "$12,400"),
    ],
)
def test_dollars(amount: float, text: str) -> None:
    assert number_text.dollars(amount) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (113, 100, "\u2191 13% vs. this time last week"),
        (50, 100, "\u2193 50% vs. this time last week"),
        (0, 0, "same as this time last week"),
        (5, 0, "none at this time last week"),
        (1001, 1000, "\u2191 <1% vs. this time last week"),
        (999, 1000, "\u2193 <1% vs. this time last week"),
        (1, 1000, "\u2193 >99% vs. this time last week"),
        (1_100, 40_000_000, "\u2193 >99% vs. this time last week"),
        (1_999, 1000, "\u2191 100% vs. this time last week"),
        (5000, 100, "\u2191 50 times that of this time last week"),
        (0, 10, "\u2193 100% vs. this time last week"),
    ],
)
def test_changes_on_last_week(now: int, before: int, text: str) -> None:
    assert number_text.change_text(now, before) == text
