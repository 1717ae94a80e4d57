"""Breakdowns: by each name, days on the user's clocks, nothing lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from offramp_core.usage.breakdown import Breakdown
from offramp_core.usage.records import DetailRecord

if TYPE_CHECKING:
    from offramp_core.usage.breakdown import By

BERLIN = ZoneInfo("Europe/Berlin")


def detail(ts: datetime, session: str | None, model: str, reason: str) -> DetailRecord:
    return DetailRecord(
        ts=ts,
        model=model,
        backend="zai",
        status="success",
        input_tokens=10,
        session_id=session,
        reason=reason,
    )


LOG = [
    detail(datetime(2026, 10, 24, 21, 59, tzinfo=UTC), "s1", "claude-sonnet-4-5", "route sonnet"),
    # On this day the clocks of Berlin go back.
    detail(datetime(2026, 10, 24, 22, 1, tzinfo=UTC), "s1", "claude-haiku-4-5", "route haiku"),
    detail(datetime(2026, 10, 25, 22, 30, tzinfo=UTC), "s2", "claude-haiku-4-5", "route haiku"),
    detail(datetime(2026, 10, 25, 23, 0, tzinfo=UTC), None, "claude-haiku-4-5", "paused"),
]


@pytest.mark.parametrize(
    ("by", "requests"),
    [
        ("day", {"2026-10-24": 1, "2026-10-25": 2, "2026-10-26": 1}),
        ("session", {"s1": 2, "s2": 1, None: 1}),
        ("project", {"~/app": 2, None: 2}),
        ("model", {"claude-haiku-4-5": 3, "claude-sonnet-4-5": 1}),
        ("reason", {"route haiku": 2, "route sonnet": 1, "paused": 1}),
    ],
)
def test_requests_are_counted_by_that_name(by: By, requests: dict[str | None, int]) -> None:
    breakdown = Breakdown(by, BERLIN, {"s1": "~/app"})
    breakdown.add(LOG[:1])
    breakdown.add(LOG[1:])
    totals = breakdown.totals()
    assert {name: one.requests for name, one in totals.items()} == requests
    assert sum(one.tokens for one in totals.values()) == 40


def test_days_come_in_order_and_other_names_with_the_most_tokens_first() -> None:
    days, models = Breakdown("day", BERLIN), Breakdown("model", BERLIN)
    for breakdown in (days, models):
        breakdown.add(reversed(LOG))
    assert list(days.totals()) == ["2026-10-24", "2026-10-25", "2026-10-26"]
    assert list(models.totals()) == ["claude-haiku-4-5", "claude-sonnet-4-5"]
