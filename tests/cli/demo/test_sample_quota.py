"""The demo's invented quota: the same each time, and one with what the simulator tells."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from offramp_cli.demo import sample_quota
from offramp_core.quota import history_log
from offramp_core.quota.windows import HISTORY_NAME, length
from offramp_core.settings import Settings
from offramp_core.usage.weeks import WeekBoundary
from offramp_simulator.anthropic.limits import UnifiedQuota

NOW = datetime(2026, 11, 24, 15, 26, tzinfo=ZoneInfo("Europe/Berlin"))
WINDOWS = [(backend, name) for backend in ("anthropic", "zai") for name in ("5h", "7d")]


def points(backend, name, now=NOW):
    return [
        one for one in sample_quota.history(now, 1) if (one.backend, one.window) == (backend, name)
    ]


@pytest.mark.parametrize(("backend", "name"), WINDOWS)
def test_each_window_rises_by_percents_until_its_reset(backend, name):
    found = points(backend, name)
    assert len(found) > 30
    assert all(one.ts <= NOW for one in found)
    for before, after in pairwise(found):
        assert before.ts < after.ts
        if before.resets == after.resets:
            assert before.used < after.used < 1
        else:
            changed_clocks = timedelta(hours=1) if name == "7d" else timedelta()
            assert abs(after.resets - before.resets - length(name)) <= changed_clocks


@pytest.mark.parametrize(("backend", "name"), WINDOWS)
def test_what_the_simulator_tells_now_goes_on_from_the_history(backend, name):
    used = sample_quota.used(backend, name, NOW, 1)
    assert 0 <= used - points(backend, name)[-1].used < 0.02
    later = sample_quota.used(backend, name, NOW + timedelta(minutes=30), 1)
    assert used < later


def test_five_hours_are_cut_as_the_simulator_cuts_them():
    headers = UnifiedQuota().headers(NOW.timestamp())
    told = int(headers["anthropic-ratelimit-unified-5h-reset"])
    assert points("anthropic", "5h")[-1].resets.timestamp() == told


@pytest.mark.parametrize("backend", ["anthropic", "zai"])
def test_week_is_the_one_that_nobody_set(backend):
    usual = Settings()
    resets = sample_quota.resets(backend, "7d", NOW)
    assert points(backend, "7d")[-1].resets == resets
    boundary = WeekBoundary(day=usual.week_start_day, hour=usual.week_start_hour, zone=NOW.tzinfo)
    assert boundary.week_of(NOW).end == resets


def test_history_is_the_same_each_time_and_written_once(tmp_path):
    assert sample_quota.history(NOW, 1) == sample_quota.history(NOW, 1)
    assert sample_quota.history(NOW, 1) != sample_quota.history(NOW, 2)
    count = sample_quota.write_history(tmp_path / "log", NOW, 1)
    found = history_log.read(tmp_path / "log", NOW - timedelta(days=60))
    assert found == sample_quota.history(NOW, 1)
    assert len(found) == count
    size = (tmp_path / "log" / HISTORY_NAME).stat().st_size
    assert sample_quota.write_history(tmp_path / "log", NOW + timedelta(days=1), 1) == 0
    assert (tmp_path / "log" / HISTORY_NAME).stat().st_size == size < 1_000_000
