"""What the tray learns from the files about the plans."""

from __future__ import annotations

from datetime import timedelta

import pytest
from quota_samples import plan_of
from tray_states import NOW, window_of

from offramp_core.quota import state_file, windows
from offramp_core.quota.windows import QuotaPoint
from offramp_tray.state.quota_log import QuotaLog

PLAN = plan_of("anthropic", window_of(used=0.3))


def point(used, *, ago=timedelta(hours=1)):
    return windows.encode_point(
        QuotaPoint(
            ts=NOW - ago,
            backend="anthropic",
            account="a",
            window="7d",
            used=used,
            resets=NOW + timedelta(days=3),
        )
    )


def test_nothing_is_known_without_files(tmp_path):
    known = QuotaLog(tmp_path / "quota.json").read(tmp_path, NOW)
    assert (dict(known.past), known.plans) == ({}, ())


def test_what_is_new_is_read_and_what_is_not_is_not_read_again(tmp_path):
    log = QuotaLog(tmp_path / "quota.json")
    history = tmp_path / windows.HISTORY_NAME
    history.write_bytes(point(0.1))
    first = log.read(tmp_path, NOW)
    assert set(first.past) == {("anthropic", "7d")}
    assert log.read(tmp_path, NOW) is first
    history.write_bytes(point(0.1) + point(0.2, ago=timedelta()))
    later = log.read(tmp_path, NOW + timedelta(minutes=1))
    assert later.past[("anthropic", "7d")].until(NOW) == pytest.approx(0.2)
    (tmp_path / "quota.json").write_bytes(state_file.encode([PLAN]))
    assert log.read(tmp_path, NOW).plans == (PLAN,)


@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_history_is_read_once_a_minute_at_most_but_the_latest_figures_always(tmp_path, seconds):
    log = QuotaLog(tmp_path / "quota.json")
    history = tmp_path / windows.HISTORY_NAME
    history.write_bytes(point(0.1))
    first = log.read(tmp_path, NOW)
    history.write_bytes(point(0.1) + point(0.2, ago=timedelta()))
    (tmp_path / "quota.json").write_bytes(state_file.encode([PLAN]))

    soon = log.read(tmp_path, NOW + timedelta(seconds=seconds))

    assert soon.past is first.past
    assert soon.plans == (PLAN,)


def test_history_of_another_folder_is_read_at_once(tmp_path):
    log = QuotaLog(tmp_path / "quota.json")
    (tmp_path / windows.HISTORY_NAME).write_bytes(point(0.1))
    assert log.read(tmp_path, NOW).past
    assert not log.read(tmp_path / "elsewhere", NOW).past


def test_history_is_read_again_at_once_where_the_clock_was_put_back(tmp_path):
    log = QuotaLog(tmp_path / "quota.json")
    history = tmp_path / windows.HISTORY_NAME
    history.write_bytes(point(0.1))
    first = log.read(tmp_path, NOW)
    history.write_bytes(point(0.1) + point(0.2, ago=timedelta()))
    assert log.read(tmp_path, NOW - timedelta(hours=3)).past is not first.past


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 100])
def test_broken_files_are_as_good_as_none(tmp_path, content):
    (tmp_path / "quota.json").write_bytes(content)
    (tmp_path / windows.HISTORY_NAME).write_bytes(content)
    known = QuotaLog(tmp_path / "quota.json").read(tmp_path, NOW)
    assert (dict(known.past), known.plans) == ({}, ())
