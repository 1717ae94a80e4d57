"""When a pause is to end, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_cli.delegation import time_parser
from offramp_core.wording.formatting import format_moment

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1h", 60), ("90m", 90), ("1h30m", 90), ("1 H 30 m", 90), ("2d", 2880), (" 5m ", 5)],
)
def test_length_is_read(text, minutes):
    assert time_parser.length(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0h", "1", "h", "-1h", "1w", "1h x", "1.5h", "999999d"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - its words are the caller's
        time_parser.length(text)


@pytest.mark.parametrize(
    ("text", "now", "then"),
    [
        ("22:00", "2026-11-26T20:59:59+00:00", "2026-11-26T21:00:00+00:00"),
        ("22:00", "2026-11-26T21:00:00+00:00", "2026-11-27T21:00:00+00:00"),
        ("8:05", "2026-11-26T20:00:00+00:00", "2026-11-27T07:05:00+00:00"),
        # Over the change of the clocks: 22 hours on, and 24.
        ("22:00", "2026-10-24T20:30:00+00:00", "2026-10-25T21:00:00+00:00"),
        ("02:30", "2026-03-28T12:00:00+00:00", "2026-03-29T01:30:00+00:00"),
        ("2026-12-01 08:00", "2026-11-26T20:00:00+00:00", "2026-12-01T07:00:00+00:00"),
        ("2026-12-01T08:00Z", "2026-11-26T20:00:00+00:00", "2026-12-01T08:00:00+00:00"),
    ],
)
def test_moment_is_on_the_users_clocks(text, now, then):
    found = time_parser.moment(text, datetime.fromisoformat(now), BERLIN)
    assert found == datetime.fromisoformat(then)


@pytest.mark.parametrize("text", ["", "24:00", "22:60", "22", "tomorrow", "0001-01-01T00:00"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - its words are the caller's
        time_parser.moment(text, datetime(2026, 11, 26, tzinfo=UTC), BERLIN)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given beside
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_next_time_by_the_clock_is_within_a_day_and_an_hour(now, hour, minute):
    found = time_parser.moment(f"{hour:02}:{minute:02}", now, BERLIN)
    assert timedelta() < found - now <= timedelta(hours=25)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-26T21:00:00+00:00", "22:00"),
        ("2026-11-26T23:30:00+00:00", "Fri 00:30"),
        ("2026-12-02T21:00:00+00:00", "Wed 22:00"),
        ("2026-12-03T21:00:00+00:00", "2026-12-03 22:00"),
        ("2026-11-20T21:00:00+00:00", "Fri 22:00"),
        ("2026-11-19T21:00:00+00:00", "2026-11-19 22:00"),
    ],
)
def test_moment_is_told_with_as_much_date_as_it_needs(moment, text):
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert format_moment(datetime.fromisoformat(moment), now, BERLIN) == text
