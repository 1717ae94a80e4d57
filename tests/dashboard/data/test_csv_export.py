"""CSV of what is seen: exact numbers, times with their offset, and nothing a spreadsheet runs."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from privileges import without_root
from usage_samples import record

from offramp_core.errors import OfframpError
from offramp_core.usage.measure import Measure
from offramp_core.usage.records import RequestRecord
from offramp_core.usage.weeks import WeekBoundary
from offramp_dashboard.data import csv_export
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.request_rows import RequestRow, row_of
from offramp_dashboard.data.snapshot import (
    BurnPoint,
    BurnUp,
    FeedState,
    LogStatus,
    Quota,
    Snapshot,
)
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.usage.usage_history import UsageHistory

if TYPE_CHECKING:
    from pathlib import Path

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 9, 41, tzinfo=UTC)


def snapshot(measure: Measure = Measure.TOKENS) -> Snapshot:
    past = UsageHistory()
    past.add([record(NOW), record(NOW - timedelta(hours=2), backend="anthropic")], NOW)
    past.complete(None)
    source = SnapshotInput(
        past=past,
        boundary=WeekBoundary(day=4, hour=22, zone=BERLIN),
        log_status=LogStatus(state=FeedState.READY, log_dir="log"),
    )
    return compose(source, NOW, Selection(measure=measure))


def request(**fields: object) -> RequestRow:
    values = {"model": "claude-sonnet-4-5", "backend": "zai", "status": "success", **fields}
    found = row_of(RequestRecord(ts="2026-11-28T09:41:00.123Z", **values))  # type: ignore[arg-type]
    assert found is not None
    return found


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_bars_are_one_row_each_with_their_span() -> None:
    header, *rows = parsed(csv_export.bars_csv(snapshot().recent))
    assert header == ["start", "end", "Claude (tokens)", "Z.ai (tokens)"]
    assert len(rows) == 60
    assert rows[-1] == ["2026-11-28T10:39:00+01:00", "2026-11-28T10:42:00+01:00", "0", "433"]
    assert sum(int(row[2]) for row in rows) == 433


def test_weeks_are_one_row_each() -> None:
    header, *rows = parsed(csv_export.weeks_csv(snapshot(Measure.REQUESTS).weeks))
    assert header[2:] == ["Claude (requests)", "Z.ai (requests)"]
    assert rows[-1] == ["2026-11-26T22:00:00+01:00", "2026-12-03T22:00:00+01:00", "1", "1"]


def test_quota_is_one_row_per_figure_of_each_window() -> None:
    end = NOW + timedelta(hours=2)
    start = end - timedelta(hours=5)
    points = tuple(
        BurnPoint(moment=(start + hours * timedelta(hours=1)).astimezone(BERLIN), used=used)
        for hours, used in ((0, 0.0), (1.5, 1 / 3))
    )
    burn_up = BurnUp(
        backend="zai",
        window="5h",
        title="Z.ai 5 hours",
        text="33%",
        start=start.astimezone(BERLIN),
        end=end.astimezone(BERLIN),
        now=NOW,
        used=1 / 3,
        told_at=NOW,
        points=points,
    )
    assert parsed(csv_export.quota_csv(Quota(burn_ups=(burn_up,)))) == [
        ["backend", "window", "time", "used", "resets"],
        ["Z.ai", "5h", "2026-11-28T07:41:00+01:00", "0.0", "2026-11-28T12:41:00+01:00"],
        ["Z.ai", "5h", "2026-11-28T09:11:00+01:00", "0.333333", "2026-11-28T12:41:00+01:00"],
    ]
    assert parsed(csv_export.quota_csv(Quota())) == [
        ["backend", "window", "time", "used", "resets"]
    ]


def test_tokens_are_one_row_per_backend() -> None:
    header, *rows = parsed(csv_export.tokens_csv(snapshot().tokens))
    assert [row[2:] for row in rows] == [
        ["Claude", "10", "20", "3", "400", "0.968523"],
        ["Z.ai", "10", "20", "3", "400", "0.968523"],
    ]
    assert header[-1] == "cache_hit_rate"


def test_requests_keep_their_order_and_full_names() -> None:
    rows = [request(input_tokens=5), request(model=None, backend=None, reason='says "no", twice')]
    text = csv_export.requests_csv(rows, BERLIN)
    header, first, second = parsed(text)
    assert len(header) == len(first) == len(second)
    assert first[:5] == ["2026-11-28T10:41:00.123+01:00", "claude-sonnet-4-5", "zai", "", "5"]
    assert (second[1], second[-1]) == ("", 'says "no", twice')
    assert text.count("\r\n") == 3


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =cmd|' /C calc'!A0", '"=1', "＝1"],  # noqa: RUF001 - a full-width sign
)
def test_names_that_look_like_formulas_are_marked_as_text(name: str) -> None:
    _, row = parsed(csv_export.requests_csv([request(model=name)], UTC))
    assert row[1] == f"'{name}"


def test_ordinary_names_and_numbers_are_left_alone() -> None:
    _, row = parsed(csv_export.requests_csv([request(model="a-b=c", reason="kept: x")], UTC))
    assert (row[1], row[4], row[-1]) == ("a-b=c", "0", "kept: x")


def test_saved_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text("old")
    csv_export.save(file, "ä,b\r\n")
    assert file.read_bytes() == "ä,b\r\n".encode()
    assert list(tmp_path.iterdir()) == [file]


def test_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with without_root(), pytest.raises(OfframpError, match="can't be written") as refusal:
            csv_export.save(tmp_path / "usage.csv", "a")
    finally:
        tmp_path.chmod(0o700)
    assert refusal.value.hint
