"""Counted months in files: right for exactly one state of a log file, or not there at all."""

from __future__ import annotations

import dataclasses
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from privileges import without_root
from usage_samples import logs_before, record

from offramp_core.usage.aggregation import fold
from offramp_core.usage.log_reader import FileStatus
from offramp_dashboard.data.sessions import session_columns
from offramp_dashboard.data.usage import month_cache
from offramp_dashboard.data.usage.month_cache import Folded, MonthCache
from offramp_dashboard.data.usage.usage_table import GRID, Columns, pack

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.usage.records import DetailRecord
    from offramp_dashboard.data.sessions.session_columns import SessionColumns

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LOG = [
    record(NOW - timedelta(hours=number), model=f"model {number}", session=f"{number % 3}")
    for number in range(20)
]


def folded(log: list[DetailRecord], skipped: int = 0) -> Folded:
    return Folded(pack(fold(log, GRID)), session_columns.fold(log, GRID), skipped)


def plain(columns: Columns | SessionColumns) -> tuple[object, ...]:
    values = (getattr(columns, field.name) for field in dataclasses.fields(columns))
    return tuple(one if isinstance(one, tuple) else one.tolist() for one in values)


@pytest.fixture
def file(tmp_path: Path) -> FileStatus:
    return FileStatus(tmp_path / "requests-2026-10.jsonl", (1, 2), 4711, 99, b'{"ts":"2026-10')


@pytest.fixture
def cache(tmp_path: Path) -> MonthCache:
    return MonthCache(tmp_path / "cache" / "months")


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(logs_before(NOW), st.integers(0, 10**6))
def test_counted_month_comes_back_as_it_was(
    cache: MonthCache, file: FileStatus, log: list[DetailRecord], skipped: int
) -> None:
    kept = folded(log, skipped)
    cache.store(file, kept)
    found = cache.load(file)
    assert found is not None
    assert plain(found.columns) == plain(kept.columns)
    assert plain(found.sessions) == plain(kept.sessions)
    assert found.skipped_lines == skipped


def test_entries_are_for_their_user_alone(
    cache: MonthCache, file: FileStatus, tmp_path: Path
) -> None:
    cache.store(file, folded(LOG))
    (entry,) = (tmp_path / "cache" / "months").iterdir()
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE(entry.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "change",
    [
        {"size": 4712},
        {"modified_ns": 100},
        {"identity": (1, 3)},
        {"head": b'{"ts":"2026-09'},
    ],
)
def test_entry_of_another_state_of_the_file_does_not_count(
    cache: MonthCache, file: FileStatus, change: dict[str, object]
) -> None:
    cache.store(file, folded(LOG))
    assert cache.load(dataclasses.replace(file, **change)) is None  # type: ignore[arg-type]
    assert cache.load(file) is not None


def test_entry_of_another_version_does_not_count(
    cache: MonthCache, file: FileStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(file, folded(LOG))
    monkeypatch.setattr(month_cache, "FORMAT", month_cache.FORMAT + 1)
    assert cache.load(file) is None


def test_any_damage_is_noticed(cache: MonthCache, file: FileStatus, tmp_path: Path) -> None:
    cache.store(file, folded(LOG))
    (entry,) = (tmp_path / "cache" / "months").iterdir()
    whole = entry.read_bytes()
    damaged = [b"", whole[:40], whole[:-1], whole + b"\0", b"\0" * len(whole)]
    damaged += [
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for place in range(0, len(whole), 37)
    ]
    for data in damaged:
        entry.write_bytes(data)
        assert cache.load(file) is None
    cache.store(file, folded(LOG))
    assert cache.load(file) is not None


def test_without_a_usable_folder_nothing_is_kept_and_nothing_fails(
    file: FileStatus, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    for folder in (tmp_path / "taken", tmp_path / "taken" / "months"):
        cache = MonthCache(folder)
        cache.store(file, folded(LOG))
        cache.drop_others([])
        assert cache.load(file) is None


def test_read_only_folder_keeps_what_it_has(
    cache: MonthCache, file: FileStatus, tmp_path: Path
) -> None:
    cache.store(file, folded(LOG[:1]))
    folder = tmp_path / "cache" / "months"
    folder.chmod(0o500)
    try:
        with without_root():
            cache.store(file, folded(LOG))
            cache.drop_others([])
    finally:
        folder.chmod(0o700)
    found = cache.load(file)
    assert found is not None
    assert len(found.columns) == 1


def test_entries_of_files_that_are_gone_are_removed(
    cache: MonthCache, file: FileStatus, tmp_path: Path
) -> None:
    other = dataclasses.replace(file, path=tmp_path / "requests-2026-09.jsonl")
    cache.store(file, folded(LOG))
    cache.store(other, folded(LOG))
    folder = tmp_path / "cache" / "months"
    (folder / ".left.folded.x1").touch()
    (folder / "not ours").touch()
    cache.drop_others([file])
    assert cache.load(file) is not None
    assert cache.load(other) is None
    left = sorted(entry.name for entry in folder.iterdir())
    assert len(left) == 2
    assert left[-1] == "not ours"
