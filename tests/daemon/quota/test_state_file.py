"""The file of the plans' limits, with one daemon at it or two."""

from __future__ import annotations

import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from offramp_core.errors import OfframpError
from offramp_core.quota import state_file as reader
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_daemon.quota import state_file

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
RESETS = NOW + timedelta(hours=3)


def told(minutes_ago: int, *names: str, account: str = "a1") -> PlanQuota:
    read_at = NOW - timedelta(minutes=minutes_ago)
    windows = (
        QuotaWindow(name=name, used=minutes_ago / 100, resets=RESETS, read_at=read_at)
        for name in names
    )
    return PlanQuota(backend="anthropic", account=account, windows=tuple(windows), read_at=read_at)


def test_what_is_saved_is_there_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "data" / "quota.json"
    plans = (told(1, "5h", "7d"), told(5, "7d", account="b2"))
    assert state_file.save(file, plans, NOW) == plans
    assert state_file.load(file, NOW + timedelta(days=30)) == plans
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(each.name for each in file.parent.iterdir()) == ["quota.json", "quota.json.lock"]


def test_newer_figures_of_another_daemon_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "quota.json"
    state_file.save(file, [told(1, "5h"), told(2, "7d", account="b2")], NOW)
    joined = state_file.save(file, [told(9, "5h", "7d")], NOW)
    windows = {(each.account, one.name): one.used for each in joined for one in each.windows}
    assert windows == {("a1", "5h"): 0.01, ("a1", "7d"): 0.09, ("b2", "7d"): 0.02}
    assert reader.read(file) == joined


def test_two_daemons_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "quota.json"

    def write(account: str) -> None:
        for minutes in range(30, 0, -1):
            state_file.save(file, [told(minutes, "5h", account=account)], NOW)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a1", "b2", "c3")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    used = {each.account: each.windows[0].used for each in reader.read(file)}
    assert used == dict.fromkeys(("a1", "b2", "c3"), 0.01)


@pytest.mark.parametrize("content", [b"", b"{", b'{"plans":[1]}', b"\xff" * 100, b"[" * 99_999])
def test_damaged_file_is_said_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "quota.json"
    file.write_bytes(content)
    with pytest.raises(OfframpError) as refused:
        state_file.load(file, NOW)
    assert str(file) in refused.value.title
    assert refused.value.hint
    assert state_file.save(file, [told(1, "5h")], NOW) == state_file.load(file, NOW)


def test_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "quota.json"
    os.mkfifo(file)
    with pytest.raises(OfframpError, match="not a file"):
        state_file.load(file, NOW)


def test_no_file_is_nothing_known(tmp_path: Path) -> None:
    assert state_file.load(tmp_path / "quota.json", NOW) == ()
    (tmp_path / "file").touch()
    assert state_file.load(tmp_path / "file" / "quota.json", NOW) == ()


def test_place_that_can_not_be_written_raises_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "quota.json").mkdir()
    with pytest.raises(IsADirectoryError):
        state_file.save(tmp_path / "quota.json", [told(1, "5h")], NOW)
    assert not list(tmp_path.glob(".quota*"))
