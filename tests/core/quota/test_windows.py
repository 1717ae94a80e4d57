"""What a plan's figures mean at a moment: they hold until their reset, and unknown is unknown."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.quota import windows
from offramp_core.quota.windows import PlanQuota, QuotaPoint, QuotaWindow

NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(
    name: str = "7d",
    *,
    used: float | None = 0.5,
    resets_in: timedelta | None = timedelta(days=3.5),
    status: str | None = None,
    age: timedelta = timedelta(),
) -> QuotaWindow:
    return QuotaWindow(
        name=name,
        used=used,
        resets=None if resets_in is None else NOW + resets_in,
        status=status,
        read_at=NOW - age,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("5h", 5 * HOUR),
        ("7d", 168 * HOUR),
        ("7d_opus", 168 * HOUR),
        ("7d_oi", 168 * HOUR),
        ("30d", 720 * HOUR),
        ("1mo_tools", None),
        ("requests", None),
        ("0h", None),
        ("5hours", None),
        ("99999d", None),
        ("", None),
    ],
)
def test_length_is_told_by_the_name_alone(name: str, expected: timedelta | None) -> None:
    assert windows.length(name) == expected


def test_figure_holds_until_the_reset_and_no_longer() -> None:
    assert windows.used_at(window(used=0.63), NOW) == 0.63
    assert windows.used_at(window(resets_in=timedelta()), NOW) is None
    assert windows.used_at(window(used=0.0), NOW) == 0.0


@pytest.mark.parametrize("used", [None, math.nan, math.inf])
def test_figure_that_is_no_number_is_unknown(used: float | None) -> None:
    assert windows.used_at(window(used=used), NOW) is None
    assert windows.forecast(window(used=used), NOW) is None


def test_figure_without_a_reset_holds_for_the_window_s_length() -> None:
    idle = window("5h", used=0.0, resets_in=None, age=4 * HOUR)
    assert windows.used_at(idle, NOW) == 0.0
    assert windows.used_at(idle, NOW + 2 * HOUR) is None
    assert windows.used_at(window("requests", resets_in=None), NOW) is None


@pytest.mark.parametrize("status", ["allowed", "allowed_warning"])
def test_window_that_the_service_allows_is_not_spent_however_much_is_used(status: str) -> None:
    assert not windows.is_spent(window(status=status, used=1.02), NOW)


def test_window_is_spent_while_it_is_rejected_or_full() -> None:
    assert windows.is_spent(window(status="rejected", used=0.97), NOW)
    assert windows.is_spent(window(used=1.02), NOW)
    assert not windows.is_spent(window(used=0.99, status="allowed_warning"), NOW)
    assert not windows.is_spent(window(used=1.0, status="rejected", resets_in=-HOUR), NOW)
    assert not windows.is_spent(window(status="rejected", resets_in=None), NOW)


def test_forecast_goes_on_at_the_pace_so_far() -> None:
    assert windows.elapsed(window(), NOW) == 0.5
    assert windows.forecast(window(used=0.46), NOW) == pytest.approx(0.92)
    assert windows.forecast(window(resets_in=timedelta(days=6.9)), NOW) is None  # too early
    assert windows.forecast(window("requests"), NOW) is None


def test_reset_further_away_than_the_window_lasts_gives_no_pace() -> None:
    assert windows.elapsed(window("5h", resets_in=6 * HOUR), NOW) is None


def test_point_comes_back_as_it_was_written() -> None:
    point = QuotaPoint(
        ts=NOW, backend="anthropic", account="3f2a", window="7d", used=0.63, resets=NOW + HOUR
    )
    line = windows.encode_point(point)
    assert line.endswith(b"\n")
    assert windows.decode_point(line) == point
    assert windows.decode_point(line.replace(b'{"ts"', b'{"later":[1],"ts"')) == point


def test_plan_is_found_by_backend_and_window_by_name() -> None:
    week = window()
    plan = PlanQuota(backend="anthropic", account="3f2a", windows=(week,), read_at=NOW)
    assert windows.window_of(windows.find((plan,), "anthropic"), "7d") is week
    assert windows.window_of(plan, "5h") is None
    assert windows.window_of(windows.find((plan,), "zai"), "7d") is None


RATES = PlanQuota(backend="anthropic", account="key", windows=(window("tokens"),), read_at=NOW)


def plan_read_before(*windows: QuotaWindow) -> PlanQuota:
    return PlanQuota(backend="anthropic", account="plan", windows=windows, read_at=NOW - HOUR)


def test_api_key_hides_no_plan_that_has_time_left() -> None:
    plan = plan_read_before(window("5h", resets_in=-HOUR), window(age=HOUR))
    zai = PlanQuota(backend="zai", account="3f2a", windows=(window("5h"),), read_at=NOW)
    assert windows.find((RATES, zai, plan), "anthropic") is plan
    assert windows.find((RATES, zai, plan), "zai") is zai


@pytest.mark.parametrize("left", [(), (window(resets_in=-HOUR),), (window(resets_in=None),)])
def test_api_key_is_in_use_once_the_plan_s_windows_are_over(left: tuple[QuotaWindow, ...]) -> None:
    assert windows.find((RATES, plan_read_before(*left)), "anthropic") is RATES


def test_other_plan_that_told_last_is_in_use() -> None:
    other = PlanQuota(backend="anthropic", account="4b1c", windows=(window(),), read_at=NOW)
    assert windows.find((other, plan_read_before(window())), "anthropic") is other


@given(
    name=st.sampled_from(["5h", "7d", "7d_opus", "tokens"]) | st.text(max_size=12),
    used=st.none() | st.floats(),
    resets_in=st.none() | st.timedeltas(-timedelta(days=400), timedelta(days=400)),
    age=st.timedeltas(timedelta(), timedelta(days=400)),
)
def test_no_figure_is_made_up(
    name: str, used: float | None, resets_in: timedelta | None, age: timedelta
) -> None:
    found = window(name, used=used, resets_in=resets_in, age=age)
    shown = windows.used_at(found, NOW)
    assert shown is None or (used is not None and shown == max(used, 0.0))
    expected = windows.forecast(found, NOW)
    assert expected is None or (shown is not None and expected >= shown)


@given(st.binary(max_size=200))
def test_bytes_are_a_point_or_an_error_that_readers_know(line: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        assert isinstance(windows.decode_point(line), QuotaPoint)
