"""What gets a series of its own among the counts for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from offramp_core.usage.records import RequestRecord
from offramp_daemon.recording import metrics


@dataclass
class FinishedExchange:
    """As far as the counts look at one."""

    model: str
    reason: str
    outcome: object = True
    is_recorded: bool = True
    started_s: float = 0.0
    sent_s: float | None = 0.5

    def record(self) -> RequestRecord:
        return RequestRecord(
            ts="2026-11-07T10:30:00.000Z",
            model=self.model,
            backend="anthropic",
            status="success",
            reason=self.reason,
        )


def test_reasons_that_differ_in_their_numbers_take_the_room_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "MOST_SERIES", 3)
    counts = metrics.Metrics(lambda: datetime(2026, 11, 7, tzinfo=UTC))
    for percent in range(1, 10):
        reason = f"Sonnet on Claude: the week is {percent} % under pace"
        counts.count(cast("Any", FinishedExchange("claude-sonnet-4-5", reason)), cast("Any", None))
    counts.count(cast("Any", FinishedExchange("claude-opus-4-6", "default")), cast("Any", None))
    page = counts.encode("")[0].decode()
    assert 'reason="Sonnet on Claude: the week is N % under pace",status="success"} 9.0' in page
    assert 'model="claude-opus-4-6",reason="default",status="success"} 1.0' in page
    assert 'model="other"' not in page


@pytest.mark.parametrize("version", ["abc", "1.x.0", "1..0"])
def test_version_that_is_no_number_gets_the_plain_format(version: str) -> None:
    counts = metrics.Metrics(lambda: datetime(2026, 11, 7, tzinfo=UTC))
    counts.count(cast("Any", FinishedExchange("claude-opus-4-6", "default")), cast("Any", None))
    body, content_type = counts.encode(f"application/openmetrics-text; version={version}")
    assert content_type.startswith("text/plain")
    assert b'model="claude-opus-4-6"' in body
