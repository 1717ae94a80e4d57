"""What Z.ai's quota page tells: every known shape, and whatever else may come."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.services import zai
from offramp_daemon.services.plan_reading import MOST_BYTES, NoQuotaError, PlanReading
from offramp_simulator.zai.limits import PAGES

if TYPE_CHECKING:
    from offramp_core.quota.windows import QuotaWindow

NOW = datetime.fromtimestamp(1789720000, UTC)
RESET_MS = 1789728421115
RESET = datetime.fromtimestamp(RESET_MS / 1000, UTC)
FIVE_HOURS = {
    "type": "CREDIT_LIMIT",
    "unit": 3,
    "number": 5,
    "usage": 28000,
    "currentValue": 16693,
    "remaining": 11306,
    "percentage": 59,
    "nextResetTime": RESET_MS,
}
WEEK = {"type": "CREDIT_LIMIT", "unit": 6, "number": 1, "percentage": 23}
TOOLS = {
    "type": "TIME_LIMIT",
    "unit": 5,
    "number": 1,
    "usage": 4000,
    "currentValue": 280,
    "remaining": 3720,
    "percentage": 7,
    "usageDetails": [{"modelCode": "search-prime", "usage": 280}],
}


def page(*limits: Any, **data: Any) -> bytes:
    fields = {"level": "max", "limits": list(limits), **data}
    return json.dumps({"code": 200, "msg": "ok", "success": True, "data": fields}).encode()


def read(body: bytes, status: int = 200) -> PlanReading:
    return zai.read(status, body, NOW)


def only(limit: dict[str, Any]) -> QuotaWindow:
    (window,) = read(page(limit)).windows
    return window


def test_windows_are_told_apart_by_unit_and_number() -> None:
    told = read(page(TOOLS, WEEK, FIVE_HOURS))
    assert told.level == "max"
    assert {window.name: (window.used, window.resets) for window in told.windows} == {
        "5h": (0.59, RESET),
        "7d": (0.23, None),
        "1mo_tools": (0.07, None),
    }
    assert all(window.read_at == NOW for window in told.windows)


@pytest.mark.parametrize(
    ("unit", "number", "kind", "name"),
    [
        (3, 5, "TOKENS_LIMIT", "5h"),
        (3, 5, "CREDIT_LIMIT", "5h"),
        (3, 5, None, "5h"),
        (3, 24, "CREDIT_LIMIT", "24h"),
        (6, 1, "TOKENS_LIMIT", "7d"),
        (6, 2, "CREDIT_LIMIT", "14d"),
        (5, 1, "CREDIT_LIMIT", "1mo"),
        (5, 1, "TIME_LIMIT", "1mo_tools"),
    ],
)
def test_type_changes_no_windows_name(unit: int, number: int, kind: str | None, name: str) -> None:
    assert only({"type": kind, "unit": unit, "number": number, "percentage": 5}).name == name


@pytest.mark.parametrize(
    ("unit", "number"),
    [
        (9, 5),
        (0, 1),
        (None, 5),
        (3, None),
        (3, 0),
        (3, -5),
        ("3", 5),
        (3.5, 5),
        (True, 5),
        (3, 10**6),
    ],
)
def test_window_that_nobody_could_name_is_passed_over(unit: object, number: object) -> None:
    told = read(page({"unit": unit, "number": number, "percentage": 5}, WEEK))
    assert [window.name for window in told.windows] == ["7d"]


def test_idle_window_is_not_used_and_has_no_reset() -> None:
    window = only({"unit": 3, "number": 5, "usage": 28000, "currentValue": 0, "percentage": 0})
    assert (window.used, window.resets) == (0.0, None)


@pytest.mark.parametrize("missing", [{}, {"percentage": None}, {"percentage": "59"}])
def test_without_percentage_use_and_cap_tell_it(missing: dict[str, Any]) -> None:
    rest = {key: value for key, value in FIVE_HOURS.items() if key != "percentage"}
    assert only({**rest, **missing}).used == 16693 / 28000


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"usage": 0, "currentValue": 5},
        {"usage": None, "currentValue": 5},
        {"usage": 100, "currentValue": None},
        {"usage": 100, "currentValue": -1},
        {"usage": 5e-324, "currentValue": 1e308},
        {"percentage": -1},
        {"percentage": 10**9},
        {"percentage": True},
    ],
)
def test_use_that_nobody_could_tell_is_left_out(fields: dict[str, Any]) -> None:
    window = only({"unit": 3, "number": 5, "nextResetTime": RESET_MS, **fields})
    assert (window.used, window.resets) == (None, RESET)


@pytest.mark.parametrize(
    "reset", [None, 0, -1, RESET_MS // 1000, RESET_MS * 1000, 1e300, "soon", True, [RESET_MS]]
)
def test_reset_that_can_not_be_is_left_out(reset: object) -> None:
    window = only({**FIVE_HOURS, "nextResetTime": reset})
    assert (window.used, window.resets) == (0.59, None)


def test_overrun_is_told_as_such() -> None:
    assert only({**FIVE_HOURS, "percentage": 104}).used == 1.04


def test_of_two_windows_of_one_name_the_first_counts() -> None:
    told = read(page(FIVE_HOURS, {**FIVE_HOURS, "percentage": 1}))
    assert [window.used for window in told.windows] == [0.59]


@pytest.mark.parametrize("level", [None, 7, "", "x" * 41, "\x1b[31mmax", "max\nline"])
def test_level_that_is_no_name_is_left_out(level: object) -> None:
    assert read(page(WEEK, level=level)).level is None


@pytest.mark.parametrize(
    ("status", "body", "refuses_key", "part"),
    [
        (200, PAGES["401"], True, "refuses the key"),
        (200, b'{"code":"1001","success":false}', True, "refuses the key"),
        (200, b'{"code":401}', True, "refuses the key"),
        (401, b"", True, "refuses the key"),
        (403, b"<html>", True, "refuses the key"),
        (200, PAGES["error"], False, "(code 500)"),
        (200, b'{"code":200,"success":false,"msg":"secret words"}', False, "error"),
        (200, b'{"code":{"a":1},"success":true}', False, "error"),
        (200, PAGES["html"], False, "did not return a quota"),
        (200, PAGES["not-json"], False, "did not return a quota"),
        (200, PAGES["nested"], False, "did not return a quota"),
        (200, b"", False, "did not return a quota"),
        (200, b"\xff\xfe", False, "did not return a quota"),
        (200, b"[]", False, "did not return a quota"),
        (200, b"null", False, "did not return a quota"),
        (200, PAGES["null"], False, "no limit"),
        (200, PAGES["nulls"], False, "no limit"),
        (200, PAGES["no-limits"], False, "no limit"),
        (200, b'{"code":200,"success":true,"data":{"limits":{}}}', False, "no limit"),
        (200, b'{"code":200,"success":true,"data":[1]}', False, "no limit"),
        (302, page(WEEK), False, "HTTP 302"),
        (404, b"Not Found", False, "HTTP 404"),
        (502, PAGES["html"], False, "HTTP 502"),
        (200, b" " * (MOST_BYTES + 1), False, "too much data"),
    ],
)
def test_answer_that_tells_nothing_says_why(
    status: int, body: bytes, refuses_key: bool, part: str
) -> None:
    with pytest.raises(NoQuotaError) as caught:
        read(body, status)
    assert part in caught.value.why
    assert caught.value.refuses_key is refuses_key
    assert len(caught.value.why) <= 80
    assert "secret" not in caught.value.why


def test_number_of_windows_is_bounded() -> None:
    limits = [{"unit": 3, "number": number, "percentage": 1} for number in range(1, 300)]
    assert len(read(page(*limits)).windows) == 32


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "unit": st.sampled_from([3, 5, 6]) | SCALARS,
        "number": st.integers(1, 9) | SCALARS,
        "type": st.sampled_from(["CREDIT_LIMIT", "TIME_LIMIT"]) | SCALARS,
        "percentage": st.integers(0, 120) | SCALARS,
        "usage": SCALARS,
        "currentValue": SCALARS,
        "nextResetTime": st.just(RESET_MS) | SCALARS,
    },
)


@given(st.lists(LIMITS, max_size=6))
def test_no_number_is_made_up_whatever_comes(limits: list[dict[str, Any]]) -> None:
    try:
        told = read(page(*limits))
    except NoQuotaError:
        return
    said = [
        limit[key]
        for limit in limits
        for key in ("percentage", "usage", "currentValue")
        if isinstance(limit.get(key), int | float) and not isinstance(limit.get(key), bool)
    ]
    possible = {number / 100 for number in said if number == number}
    possible |= {value / cap for value in said for cap in said if cap > 0 and value >= 0}
    for window in told.windows:
        assert window.used is None or window.used in possible
        assert window.resets is None or abs(window.resets - NOW) < timedelta(days=64)


JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.integers())
def test_any_answer_is_read_or_refused(body: bytes, status: int) -> None:
    with contextlib.suppress(NoQuotaError):
        assert zai.read(status, body, NOW).windows


@pytest.mark.parametrize(
    ("usage", "cap"),
    [(28_000, 28_000.0), (0, None), (-5, None), ("many", None), (True, None), (None, None)],
)
def test_a_cap_that_is_an_amount_is_kept_with_the_window(usage: Any, cap: float | None) -> None:
    assert only({**FIVE_HOURS, "usage": usage}).cap == cap
    assert only(WEEK).cap is None
