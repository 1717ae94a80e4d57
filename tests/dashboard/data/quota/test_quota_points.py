"""The quota history for the charts: read again when it changed, and never a reason to fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.quota import history_log
from offramp_core.quota.windows import HISTORY_NAME, QuotaPoint, encode_point
from offramp_dashboard.data.quota.quota_points import QuotaPoints

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def point(days: float, account: str = "a") -> QuotaPoint:
    return QuotaPoint(
        ts=NOW - timedelta(days=days), backend="zai", account=account, window="7d", used=0.2
    )


def write(folder: Path, *points: QuotaPoint) -> None:
    with (folder / HISTORY_NAME).open("ab") as file:
        file.writelines(map(encode_point, points))


def test_points_are_kept_apart_by_account_and_as_far_back_as_charts_reach(tmp_path: Path) -> None:
    write(tmp_path, point(40), point(14), point(3, "b"), point(2))
    assert QuotaPoints(tmp_path).read(NOW) == {
        ("zai", "a", "7d"): [point(14), point(2)],
        ("zai", "b", "7d"): [point(3, "b")],
    }


def test_file_is_read_again_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, point(2))
    points = QuotaPoints(tmp_path)
    first = points.read(NOW)
    with monkeypatch.context() as patched:
        patched.setattr(history_log, "read", None)
        assert points.read(NOW) is first
    write(tmp_path, point(1))
    assert points.read(NOW) == {("zai", "a", "7d"): [point(2), point(1)]}
    (tmp_path / HISTORY_NAME).unlink()
    assert points.read(NOW) == {}


def test_file_that_can_not_be_read_is_told_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> list[QuotaPoint]:
        raise OfframpError("The quota history can't be read: denied.", hint="Make it readable.")

    write(tmp_path, point(2))
    points = QuotaPoints(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(history_log, "read", refuse)
        assert points.read(NOW) == {}
        assert points.problem.startswith("The quota history can't be read: denied.")
    write(tmp_path, point(1))
    assert len(points.read(NOW)) == 1
    assert points.problem == ""
