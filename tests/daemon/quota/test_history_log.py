"""The history of the windows: a point a percent, and no more than that."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import history_log, windows
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_daemon.quota.history_log import QuotaHistory
from offramp_daemon.storage.background_writer import BackgroundWriter

if TYPE_CHECKING:
    from pathlib import Path


NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SOON = NOW + timedelta(hours=3)
LONG_AGO = NOW - timedelta(days=1)


def told(
    used: float | None, *, minute: float = 0, name: str = "5h", resets: datetime | None = SOON
) -> PlanQuota:
    read_at = NOW + timedelta(minutes=minute)
    window = QuotaWindow(name=name, used=used, resets=resets, read_at=read_at)
    return PlanQuota(backend="anthropic", account="a1", windows=(window,), read_at=read_at)


def written(folder: Path, *plans: PlanQuota, known: tuple[PlanQuota, ...] = ()) -> list[float]:
    writer = BackgroundWriter("test")
    history = QuotaHistory(folder, writer)
    history.resume(known)
    writer.start()
    for plan in plans:
        history.add_points(plan)
    assert writer.close(20)
    return [point.used for point in history_log.read(folder, LONG_AGO)]


def test_point_is_written_for_each_percent(tmp_path: Path) -> None:
    moves = [told(used / 1000, minute=number) for number, used in enumerate(range(410, 431))]
    assert written(tmp_path, *moves) == [0.41, 0.42, 0.43]
    (first, *_) = history_log.read(tmp_path, LONG_AGO)
    assert (first.ts, first.backend, first.account, first.window, first.resets) == (
        NOW,
        "anthropic",
        "a1",
        "5h",
        SOON,
    )
    assert stat.S_IMODE((tmp_path / windows.HISTORY_NAME).stat().st_mode) == 0o600


def test_window_that_begins_anew_is_a_point(tmp_path: Path) -> None:
    later = SOON + timedelta(hours=5)
    moves = [told(0.9), told(0.9, minute=1, resets=later), told(0.0, minute=2, resets=None)]
    assert written(tmp_path, *moves) == [0.9, 0.9, 0.0]


def test_reset_that_is_told_a_little_otherwise_is_no_point(tmp_path: Path) -> None:
    moves = [told(0.4, minute=n, resets=SOON + timedelta(seconds=20 * n)) for n in range(10)]
    assert written(tmp_path, *moves) == [0.4]


def test_answers_that_overtake_each_other_make_no_points(tmp_path: Path) -> None:
    uses = [0.4199, 0.4201, 0.4199, 0.4202, 0.4198]
    assert written(tmp_path, *(told(used, minute=n) for n, used in enumerate(uses))) == [
        0.4199,
        0.4201,
    ]


def test_window_that_the_service_sets_back_is_a_point(tmp_path: Path) -> None:
    assert written(tmp_path, told(0.6), told(0.2, minute=1)) == [0.6, 0.2]


def test_what_is_not_known_or_was_not_told_now_is_no_point(tmp_path: Path) -> None:
    before = told(0.4).windows[0]
    plan = told(None, minute=5, name="7d")
    both = PlanQuota(
        backend="anthropic", account="a1", windows=(before, *plan.windows), read_at=plan.read_at
    )
    assert written(tmp_path, both) == []


def test_limits_of_an_api_key_are_no_history(tmp_path: Path) -> None:
    moves = [told(n / 10, minute=n, name="input-tokens") for n in range(9)]
    assert written(tmp_path, *moves) == []


def test_restart_tells_nothing_twice(tmp_path: Path) -> None:
    assert written(tmp_path, told(0.41)) == [0.41]
    after = [told(0.412, minute=1), told(0.42, minute=2)]
    assert written(tmp_path, *after, known=(told(0.411),)) == [0.41, 0.42]
