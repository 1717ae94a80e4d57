"""What answers' headers tell of a plan: every known shape, and whatever else may come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from quota_headers_samples import CLASSIC, UNIFIED, epoch, plan_headers, unified, window

from offramp_core.quota.windows import QuotaWindow
from offramp_daemon.services import anthropic
from offramp_daemon.services.plan_reading import MOST_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
THURSDAY = datetime(2026, 11, 26, 22, tzinfo=UTC)


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(errors="surrogateescape"), value.encode(errors="surrogateescape"))
        for name, value in headers.items()
    ]


def read(headers: dict[str, str]) -> dict[str, QuotaWindow]:
    return {each.name: each for each in anthropic.read(anthropic.limit_headers(raw(headers)), NOW)}


def test_each_window_is_read_by_itself() -> None:
    headers = plan_headers(0.41, 0.63, SOON, THURSDAY)
    assert read({**headers, "content-type": "text/event-stream"}) == {
        "5h": QuotaWindow(name="5h", used=0.41, resets=SOON, status="allowed", read_at=NOW),
        "7d": QuotaWindow(name="7d", used=0.63, resets=THURSDAY, status="allowed", read_at=NOW),
    }


def test_names_are_an_open_set() -> None:
    headers = {
        **window("7d_oi", 0.2, THURSDAY),
        **window("30d", 0.3, THURSDAY),
        **window("7d_opus", 0.4, THURSDAY, "allowed_warning"),
        **unified({"7d_opus-surpassed-threshold": "0.75"}),
        **window("next-years.kind", 0.5, THURSDAY, "slowed_down"),
    }
    found = read(headers)
    assert {name: each.used for name, each in found.items()} == {
        "7d_oi": 0.2,
        "30d": 0.3,
        "7d_opus": 0.4,
        "next-years.kind": 0.5,
    }
    assert (found["7d_opus"].status, found["7d_opus"].threshold) == ("allowed_warning", 0.75)
    assert found["next-years.kind"].status == "slowed_down"


def test_what_is_beyond_the_plan_is_no_window_of_it() -> None:
    headers = unified(
        {
            "overage-status": "allowed",
            "overage-reset": epoch(THURSDAY),
            "overage-utilization": "0.9",
            "fallback-percentage": "0.5",
            "fallback-status": "allowed",
            "status": "allowed",
            "reset": epoch(SOON),
            "representative-claim": "five_hour",
        }
    )
    assert read(headers) == {}


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("0", 0.0),
        ("-0.0", 0.0),
        ("-0", 0.0),
        ("0.4200", 0.42),
        ("1.07", 1.07),
        ("5e-05", 0.00005),
        (" 0.5 ", 0.5),
    ],
)
def test_fraction_is_read_as_it_stands(text: str, used: float) -> None:
    found = read(unified({"5h-utilization": text}))["5h"]
    assert (found.used, str(found.used).startswith("-")) == (used, False)


JUNK = [
    "",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "-0.1",
    "0x1",
    "1_000",
    "\u0660.\u0665",
    "1,5",
    "0.5 0.6",
]
JUNK += ["9" * 400, "100.1", "None", "null", "\x00", "\udcff", "+0.5", ".5", "1.", "½"]


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_passed_over_and_nothing_else_with_it(junk: str) -> None:
    headers = {
        **unified({"5h-utilization": junk, "5h-reset": junk, "5h-status": junk}),
        **unified({"7d-surpassed-threshold": junk, "7d_opus-utilization": junk}),
        **window("7d", 0.63, THURSDAY),
        **window("7d_opus", 0.1, THURSDAY),
        UNIFIED + "7d_opus-utilization": junk,
    }
    found = read(headers)
    assert "5h" not in found
    assert (found["7d"].used, found["7d"].threshold) == (0.63, None)
    assert (found["7d_opus"].used, found["7d_opus"].resets) == (None, THURSDAY)


@pytest.mark.parametrize(
    ("name", "reset"),
    [
        ("5h", THURSDAY),  # two days ahead of a window of five hours
        ("7d", NOW + timedelta(days=9)),
        ("5h", NOW - timedelta(days=2)),
        ("7d", datetime(1999, 1, 1, tzinfo=UTC)),
        ("odd", NOW + timedelta(days=100)),
    ],
)
def test_reset_that_the_window_can_not_have_is_junk(name: str, reset: datetime) -> None:
    assert read(window(name, 0.5, reset))[name].resets is None


def test_milliseconds_are_no_epoch_seconds() -> None:
    headers = unified({"5h-utilization": "0.5", "5h-reset": epoch(SOON) + "000"})
    assert read(headers)["5h"].resets is None


def test_name_that_is_no_name_is_passed_over() -> None:
    names = ["", "-", "_", "a" * 33, "ä", "5h 7d", "5H\x00"]
    assert read(unified({f"{name}-utilization": "0.5" for name in names})) == {}


def test_case_of_names_does_not_matter() -> None:
    assert read({"Anthropic-RateLimit-Unified-5H-Utilization": "0.5"})["5h"].used == 0.5


def test_of_a_header_that_comes_twice_the_first_legible_value_counts() -> None:
    name = UNIFIED + "5h-utilization"
    headers = CIMultiDictProxy(CIMultiDict([(name, "junk"), (name, "0.4"), (name.upper(), "0.9")]))
    (found,) = anthropic.read(anthropic.limit_headers(raw(headers)), NOW)
    assert found.used == 0.4


def test_number_of_windows_is_bounded() -> None:
    many = unified({f"{number}d-utilization": "0.5" for number in range(1, 500)})
    assert len(read(many)) == MOST_WINDOWS


def test_overall_state_counts_for_no_window_but_the_claims() -> None:
    headers = {
        **plan_headers(0.2, 0.3, SOON, THURSDAY),
        **unified({"status": "rejected", "representative-claim": "seven_day_opus"}),
        **unified({"reset": epoch(THURSDAY)}),
    }
    found = read(headers)
    assert found["7d_opus"] == QuotaWindow(
        name="7d_opus", resets=THURSDAY, status="rejected", read_at=NOW
    )
    assert found["5h"].status == found["7d"].status == "allowed"


def test_window_that_speaks_for_itself_is_not_overruled_by_the_overall_state() -> None:
    headers = {
        **window("7d_opus", 0.7, THURSDAY),
        **unified({"status": "rejected", "representative-claim": "seven_day_opus"}),
        **unified({"reset": epoch(NOW + timedelta(days=1))}),
    }
    (found,) = read(headers).values()
    assert (found.status, found.used, found.resets) == ("allowed", 0.7, THURSDAY)


def test_claim_completes_what_its_window_leaves_out() -> None:
    headers = {
        **unified({"5h-utilization": "1.02", "status": "rejected", "reset": epoch(SOON)}),
        **unified({"representative-claim": "five_hour"}),
    }
    (found,) = read(headers).values()
    assert (found.status, found.used, found.resets) == ("rejected", 1.02, SOON)


@pytest.mark.parametrize("status", ["allowed", "allowed_warning", "", "REJECTED"])
def test_claim_that_rejects_nothing_tells_nothing(status: str) -> None:
    headers = unified(
        {"status": status, "representative-claim": "seven_day_opus", "reset": epoch(THURSDAY)}
    )
    assert read(headers) == {}


def test_rejection_without_a_time_is_no_knowledge() -> None:
    headers = unified({"status": "rejected", "representative-claim": "seven_day_opus"})
    assert read(headers) == {}


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("five_hour", "5h"),
        ("seven_day", "7d"),
        ("seven_day_opus", "7d_opus"),
        ("seven_day_sonnet", "7d_sonnet"),
        ("one_day_haiku_5", "1d_haiku_5"),
        ("thirty_day", "30d"),
        ("overage", None),
        ("some_day", None),
        ("five_hours", None),
        ("seven_day_", None),
        ("five_hour; drop", None),
    ],
)
def test_claims_name_windows_by_one_rule(claim: str, name: str | None) -> None:
    assert anthropic.window_of_claim(claim) == name


OVERAGE = "seven_day_overage_included"


def refusal(claim: str, **fields: str) -> dict[str, str]:
    """A rejection for that claim, the plan's own windows being allowed."""
    named = {name.replace("__", "-"): value for name, value in fields.items()}
    return {
        **plan_headers(0.41, 0.63, SOON, THURSDAY),
        **unified(
            {
                "status": "rejected",
                "representative-claim": claim,
                "reset": epoch(THURSDAY),
                **named,
            }
        ),
    }


@pytest.mark.parametrize(
    ("claim", "fields", "name"),
    [
        (OVERAGE, {"7d_oi__status": "rejected"}, "7d_oi"),
        (OVERAGE, {"7d_oi__status": "rejected", "7d_oi__utilization": "1.03"}, "7d_oi"),
        (OVERAGE, {}, "7d_oi"),
        (OVERAGE, {"7d_overage_included__status": "rejected"}, "7d_oi"),
        (
            "five_hour_overage_included",
            {"5h_oi__status": "rejected", "reset": epoch(SOON)},
            "5h_oi",
        ),
        ("seven_day_opus", {"7d_opus__status": "rejected"}, "7d_opus"),
        ("seven_day_sonnet", {}, "7d_sonnet"),
        ("thirty_day_x", {"30d_x__status": "rejected"}, "30d_x"),
        ("seven_day_renamed", {"7d_rn__status": "rejected"}, "7d_rn"),
        ("of_next_year", {"7d_rn__status": "rejected"}, "7d_rn"),
    ],
)
def test_claim_speaks_of_one_window_by_whatever_name(
    claim: str, fields: dict[str, str], name: str
) -> None:
    found = read(refusal(claim, **fields))
    assert set(found) == {"5h", "7d", name}
    assert found[name].status == "rejected"
    assert found[name].resets == (SOON if name == "5h_oi" else THURSDAY)
    assert {found["5h"].status, found["7d"].status} == {"allowed"}


def test_claim_that_no_header_names_adds_no_window_to_several_that_are_rejected() -> None:
    found = read(
        refusal("seven_day_renamed", **{"7d_a__status": "rejected", "5h_b__status": "rejected"})
    )
    assert set(found) == {"5h", "7d"}


def classic(**changed: str) -> dict[str, str]:
    fields = {
        "requests-limit": "4000",
        "requests-remaining": "3999",
        "requests-reset": "2026-11-24T09:01:00Z",
        "input-tokens-limit": "400000",
        "input-tokens-remaining": "100000",
        "input-tokens-reset": "2026-11-24T10:00:30+01:00",
        "output-tokens-limit": "80000",
        "output-tokens-remaining": "0",
        "output-tokens-reset": "2026-11-24T09:00:59.500Z",
        "tokens-limit": "480000",
        "tokens-remaining": "480000",
        "tokens-reset": "2026-11-24T09:00:00Z",
    }
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    return {CLASSIC + name: value for name, value in fields.items()}


def test_limits_of_an_api_key_are_what_is_left_of_them() -> None:
    found = read(classic())
    assert found["requests"].used == pytest.approx(1 / 4000)
    assert found["requests"].resets == datetime(2026, 11, 24, 9, 1, tzinfo=UTC)
    assert (found["input-tokens"].used, found["output-tokens"].used) == (0.75, 1.0)
    assert found["input-tokens"].resets == datetime(2026, 11, 24, 9, 0, 30, tzinfo=UTC)
    assert found["tokens"].used == 0.0
    assert all(each.status is None for each in found.values())


@pytest.mark.parametrize(
    ("name", "junk"),
    [
        ("requests_limit", "0"),
        ("requests_limit", "-4000"),
        ("requests_limit", "4e3"),
        ("requests_remaining", "4001"),
        ("requests_remaining", "-1"),
        ("requests_remaining", "9" * 5000),
        ("requests_remaining", ""),
    ],
)
def test_limit_that_can_not_be_is_passed_over(name: str, junk: str) -> None:
    found = read(classic(**{name: junk}))
    assert "requests" not in found
    assert found["input-tokens"].used == 0.75


@pytest.mark.parametrize(
    "junk",
    [
        "2026-02-30T00:00:00Z",
        "2026-W48",
        "20261124",
        "2026-11-24T09:01:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "soon",
    ],
)
def test_time_that_is_none_is_left_out(junk: str) -> None:
    found = read(classic(requests_reset=junk))["requests"]
    assert (found.used, found.resets) == (pytest.approx(1 / 4000), None)


NAMES = st.sampled_from(
    [
        *(
            f"{name}-{suffix}"
            for name in ("5h", "7d", "7d_opus", "odd", "overage")
            for suffix in ("utilization", "reset", "status", "surpassed-threshold")
        ),
        "status",
        "reset",
        "representative-claim",
    ]
).map(lambda name: UNIFIED + name) | st.sampled_from(sorted(classic()))
VALUES = (
    st.text(max_size=80)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    | st.sampled_from([*JUNK, epoch(SOON), epoch(THURSDAY), "rejected", "seven_day_opus", "0.5"])
)


@given(st.lists(st.tuples(NAMES | st.text(max_size=60), VALUES), max_size=40))
def test_no_number_is_made_up_whatever_comes(pairs: list[tuple[str, str]]) -> None:
    headers = CIMultiDict(pairs)
    said = set()
    counts = set()
    for _, value in pairs:
        try:
            said.add(abs(float(value)))
            counts.add(int(value))
        except (ValueError, OverflowError):
            continue
    left = {
        1 - remaining / limit
        for limit in counts
        if 0 < limit < 10**15
        for remaining in counts
        if remaining <= limit
    }
    for found in anthropic.read(anthropic.limit_headers(raw(headers)), NOW):
        assert found.used is None or (found.used >= 0 and found.used in said | left)
        assert found.threshold is None or found.threshold in said
        assert found.resets is None or abs(found.resets - NOW) < timedelta(days=64)
        assert found.used is not None or found.resets is not None
        assert found.status is None or found.status in {value.strip() for _, value in pairs}
