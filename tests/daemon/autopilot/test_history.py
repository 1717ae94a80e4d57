"""The request log as the autopilot learns from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from offramp_core.usage.records import UsageRecord
from offramp_daemon.autopilot.work.history import history_from_records, tier_of, weight

RESET = datetime(2026, 2, 5, 22, tzinfo=UTC)
NOW = RESET + timedelta(hours=30)


def record(at: datetime, model: str = "claude-opus-4-6", output: int = 40_000) -> UsageRecord:
    return UsageRecord(ts=at, model=model, backend=None, status="success", output_tokens=output)


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("claude-Sonnet-4-5", "sonnet"),
        ("claude-haiku-4-5", "haiku"),
        ("claude-opus-4-6", "opus"),
        ("something-else", "opus"),
        (None, "opus"),
    ],
)
def test_a_model_has_the_tier_that_its_name_says(model: str | None, tier: str) -> None:
    assert tier_of(model) == tier


def test_a_weight_is_the_list_price_of_all_kinds_of_tokens() -> None:
    million = 1_000_000
    everything = UsageRecord(
        ts=NOW,
        model="claude-sonnet-4-5",
        backend="zai",
        status="success",
        input_tokens=million,
        output_tokens=million,
        cache_creation_input_tokens=million,
        cache_read_input_tokens=million,
    )
    assert weight(everything) == pytest.approx(3 + 15 + 3.75 + 0.3)


def test_long_prompt_weighs_more_where_its_price_says_so() -> None:
    haiku = record(NOW, "claude-haiku-5-5", output=0)
    short = msgspec.structs.replace(haiku, input_tokens=1, cache_read_input_tokens=99_999)
    long = msgspec.structs.replace(haiku, input_tokens=2, cache_read_input_tokens=99_999)
    assert weight(long) == pytest.approx(5 * weight(short), rel=1e-3)


@pytest.mark.parametrize("reset", [RESET, RESET + timedelta(weeks=1), RESET - timedelta(weeks=3)])
def test_work_lies_in_the_hours_since_the_plans_reset(reset: datetime) -> None:
    found = history_from_records(
        [
            record(RESET - timedelta(weeks=3)),
            record(RESET - timedelta(weeks=1) + timedelta(hours=5, minutes=59)),
            record(RESET - timedelta(hours=1), "claude-haiku-4-5"),
            record(RESET + timedelta(hours=29)),
            record(NOW + timedelta(hours=1)),
        ],
        resets_at=reset,
        now=NOW,
    )
    assert len(found.weeks) == 2  # the week in which the log begins is not whole
    assert found.weeks[1].opus[5] == pytest.approx(1.0)
    assert sum(found.weeks[1].opus) == pytest.approx(1.0)
    assert found.weeks[1].execution[167] == pytest.approx(0.2)
    assert not any(found.weeks[0].opus)
    assert found.work[29] == pytest.approx(1.0)
    assert sum(found.work) == pytest.approx(1.0)


def test_older_weeks_only_prove_that_the_oldest_is_whole() -> None:
    found = history_from_records(
        [record(RESET - timedelta(weeks=30)), record(RESET - timedelta(weeks=1))],
        resets_at=RESET,
        now=NOW,
        weeks=2,
    )
    assert [sum(week.opus) for week in found.weeks] == [0.0, pytest.approx(1.0)]


def test_an_empty_log_has_no_weeks() -> None:
    found = history_from_records([], resets_at=RESET, now=NOW)
    assert found.weeks == ()
    assert sum(found.work) == 0
