"""Week boundaries on the user's clock, in any zone and on the days when clocks change."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import PATIENCE_S

from offramp_core.usage.weeks import WeekBoundary, a_week_before, days, system_zone, zone_problem

ZONES = sorted(name for name in zoneinfo.available_timezones() if not name.startswith("right/"))

zones = st.sampled_from(ZONES).map(ZoneInfo)
boundaries = st.builds(WeekBoundary, day=st.integers(0, 6), hour=st.integers(0, 23), zone=zones)
instants = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants naive limits
    datetime(2037, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def boundary(zone: str, *, day: int = 4, hour: int = 22) -> WeekBoundary:
    return WeekBoundary(day=day, hour=hour, zone=ZoneInfo(zone))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@settings(deadline=None)
@given(boundaries, instants)
def test_any_instant_is_in_exactly_one_week(rule: WeekBoundary, instant: datetime) -> None:
    week = rule.week_of(instant)
    assert week.start <= instant < week.end
    assert rule.week_of(week.start) == week
    assert rule.week_of(week.end - timedelta.resolution) == week
    following = rule.week_of(week.end)
    assert following.start == week.end
    assert rule.week_of(week.start - timedelta.resolution).end == week.start


@settings(deadline=None)
@given(boundaries, instants)
def test_any_week_begins_at_its_hour_unless_clocks_skip_it(
    rule: WeekBoundary, instant: datetime
) -> None:
    local = rule.week_of(instant).start.astimezone(rule.zone)
    wall = local.replace(tzinfo=None, fold=0)
    # In a gap the wall time does not come back from UTC as it was.
    if wall.hour == rule.hour and wall.minute == 0:
        assert wall.isoweekday() % 7 == rule.day
        assert local.fold == 0
    else:
        gap = [local - timedelta(days=1), local + timedelta(days=1)]
        assert gap[0].utcoffset() != gap[1].utcoffset()


@settings(deadline=None)
@given(boundaries, instants, st.integers(1, 60))
def test_latest_weeks_join_without_gap_or_overlap(
    rule: WeekBoundary, instant: datetime, count: int
) -> None:
    weeks = rule.latest_weeks(instant, count)
    assert len(weeks) == count
    assert weeks[-1] == rule.week_of(instant)
    assert all(one.end == other.start for one, other in itertools.pairwise(weeks))


def test_week_over_spring_change_lasts_an_hour_less() -> None:
    week = boundary("Europe/Berlin").week_of(utc("2026-03-28T12:00"))
    assert (week.start, week.end) == (utc("2026-03-26T21:00"), utc("2026-04-02T20:00"))


def test_week_over_autumn_change_lasts_an_hour_more() -> None:
    week = boundary("America/New_York").week_of(utc("2026-11-01T12:00"))
    assert (week.start, week.end) == (utc("2026-10-30T02:00"), utc("2026-11-06T03:00"))


def test_boundary_hour_that_is_skipped_is_the_jump_itself() -> None:
    rule = boundary("Europe/Berlin", day=0, hour=2)
    assert rule.week_of(utc("2026-03-29T00:59:59")).end == utc("2026-03-29T01:00")
    assert rule.week_of(utc("2026-03-29T01:00")).start == utc("2026-03-29T01:00")


def test_boundary_hour_that_comes_twice_counts_the_first_time() -> None:
    rule = boundary("Europe/Berlin", day=0, hour=2)
    assert rule.week_of(utc("2026-10-25T00:30")).start == utc("2026-10-25T00:00")
    assert rule.week_of(utc("2026-10-25T01:30")).start == utc("2026-10-25T00:00")


def test_clocks_that_go_back_over_midnight_leave_the_boundary_where_it_was() -> None:
    # At 00:01 on Sunday the clocks showed Saturday 23:01 again.
    rule = boundary("America/St_Johns", day=0, hour=0)
    boundary_instant = utc("2010-11-07T02:30")
    assert rule.week_of(utc("2010-11-07T02:29:59")).end == boundary_instant
    assert rule.week_of(utc("2010-11-07T02:45")).start == boundary_instant


def test_zone_on_a_quarter_hour_has_its_own_boundary() -> None:
    week = boundary("Asia/Kathmandu").week_of(utc("2026-02-07T00:00"))
    assert week.start == utc("2026-02-05T16:15")


def test_sunday_is_day_zero() -> None:
    week = boundary("UTC", day=0, hour=0).week_of(utc("2026-02-07T23:59"))
    assert week.start == utc("2026-02-01T00:00")


@pytest.mark.parametrize("value", ["Europe/Berlin", ":Europe/Berlin"])
def test_variable_that_names_a_zone_wins(value: str, tmp_path: Path) -> None:
    assert str(system_zone({"TZ": value}, tmp_path / "none")) == "Europe/Berlin"


def test_empty_variable_means_utc(tmp_path: Path) -> None:
    assert system_zone({"TZ": ""}, tmp_path / "none") is UTC


def test_variable_with_a_path_reads_that_file(tmp_path: Path) -> None:
    source = next(
        path for folder in zoneinfo.TZPATH if (path := Path(folder, "Asia/Kathmandu")).is_file()
    )
    copy = tmp_path / "zone"
    copy.write_bytes(source.read_bytes())
    zone = system_zone({"TZ": f":{copy}"}, tmp_path / "none")
    assert offset_minutes(zone, utc("2026-02-07T00:00")) == 345


@pytest.mark.parametrize(
    "target",
    [
        "/usr/share/zoneinfo/Australia/Lord_Howe",
        "/var/db/timezone/zoneinfo/Australia/Lord_Howe",
        "../usr/share/zoneinfo/Australia/Lord_Howe",
    ],
)
def test_without_variable_the_link_names_the_zone(target: str, tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(target)
    assert str(system_zone({}, link)) == "Australia/Lord_Howe"


RULES = ["CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "UTC0", ":EST5EDT4"]
UNKNOWN = ["Nowhere/At_All", "../etc/passwd", "Berlin", "/no/such/file", "+5", ":Europe/Nope"]


@pytest.mark.parametrize("value", RULES)
def test_variable_without_zone_falls_back_to_the_c_library(value: str, tmp_path: Path) -> None:
    zone = system_zone({"TZ": value}, tmp_path / "none")
    now = datetime.now(UTC)
    assert now.astimezone(zone).utcoffset() == now.astimezone().utcoffset()
    assert str(zone)
    assert zone_problem({"TZ": value}) is None


@pytest.mark.parametrize("value", UNKNOWN)
def test_variable_that_means_no_zone_is_named_and_stands_for_utc(value: str) -> None:
    problem = zone_problem({"TZ": value})
    assert problem is not None
    assert f"TZ={value.removeprefix(':')} is not a time zone" in problem
    assert system_zone({"TZ": value}) is UTC


@pytest.mark.parametrize("value", UNKNOWN)
def test_c_library_takes_an_unknown_zone_for_utc_too(value: str) -> None:
    program = "import time; print(time.localtime().tm_gmtoff)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"TZ": value},
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.strip() == b"0"


@pytest.mark.parametrize("environ", [{}, {"TZ": ""}, {"TZ": ":"}, {"TZ": "Asia/Kathmandu"}])
def test_zone_that_can_be_used_is_no_problem(environ: dict[str, str]) -> None:
    assert zone_problem(environ) is None


def test_zone_with_odd_characters_is_shown_without_them() -> None:
    problem = zone_problem({"TZ": "\x1b[31m" + "x" * 500})
    assert problem is not None
    assert "\x1b" not in problem
    assert len(problem) < 150


def test_c_library_zone_keeps_daylight_saving() -> None:
    # The C library reads TZ when a process starts, so this one needs its own.
    program = (
        "import os, sys\n"
        "from datetime import UTC, datetime\n"
        "from offramp_core.usage.weeks import WeekBoundary, system_zone\n"
        "rule = WeekBoundary(day=0, hour=2, zone=system_zone(os.environ))\n"
        "for text in sys.argv[1:]:\n"
        "    instant = datetime.fromisoformat(text)\n"
        "    local = instant.astimezone(rule.zone)\n"
        "    print(local.isoformat(), local.astimezone(UTC) == instant, "
        "rule.week_of(instant).start.isoformat())\n"
    )
    moments = [
        "2026-03-29T01:00:00+00:00",
        "2026-10-25T00:30:00+00:00",
        "2026-10-25T01:30:00+00:00",
    ]
    environ = {
        "TZ": "CET-1CEST,M3.5.0,M10.5.0/3",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *moments],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.splitlines() == [
        "2026-03-29T03:00:00+02:00 True 2026-03-29T01:00:00+00:00",
        "2026-10-25T02:30:00+02:00 True 2026-10-25T00:00:00+00:00",
        "2026-10-25T02:30:00+01:00 True 2026-10-25T00:00:00+00:00",
    ]


def offset_minutes(zone: tzinfo, instant: datetime) -> float:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset.total_seconds() / 60


@settings(deadline=None)
@given(zones, instants, st.timedeltas(timedelta(microseconds=1), timedelta(days=40)))
def test_days_hold_the_whole_range_without_gap_or_overlap(
    zone: ZoneInfo, start: datetime, length: timedelta
) -> None:
    found = days(start, start + length, zone)
    assert found[0].start <= start < found[0].end
    assert found[-1].start < start + length <= found[-1].end
    for one, following in itertools.pairwise(found):
        assert one.end == following.start
    for day in found:
        # A date that a zone left out (Samoa's 2011-12-30) leaves no day of no length behind.
        assert timedelta(hours=12) <= day.end - day.start <= timedelta(hours=36)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Asia/Kathmandu", "2026-03-29", 24),
    ],
)
def test_day_is_as_long_as_its_clocks_make_it(zone: str, day: str, hours: float) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    (found,) = days(noon, noon + timedelta(minutes=1), ZoneInfo(zone))
    assert found.end - found.start == timedelta(hours=hours)
    assert found.start.astimezone(ZoneInfo(zone)).hour == 0


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("2026-10-20T08:00", "2026-10-13T08:00"),
        ("2026-10-26T09:00", "2026-10-19T08:00"),
        ("2026-03-30T08:00", "2026-03-23T09:00"),
    ],
)
def test_a_week_before_is_by_the_clock(now: str, before: str) -> None:
    assert a_week_before(utc(now), ZoneInfo("Europe/Berlin")) == utc(before)


def test_week_may_begin_at_a_minute_of_its_hour() -> None:
    rule = WeekBoundary(day=5, hour=2, minute=30, zone=ZoneInfo("Asia/Kolkata"))
    week = rule.week_of(utc("2026-11-24T12:00"))
    assert (week.start, week.end) == (utc("2026-11-19T21:00"), utc("2026-11-26T21:00"))
