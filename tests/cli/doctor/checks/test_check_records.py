"""The checks of the request log: its folder, its room, its content."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doctor_harness import said, severities
from privileges import without_root

from offramp_cli.doctor.checks import check_records
from offramp_cli.doctor.checks.check_records import LogFolder, RecordedMonth
from offramp_core.usage import records, state_events
from offramp_core.usage.records import RequestRecord, format_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GIB = 1024**3
FOLDER = LogFolder(
    path=Path("/log"), is_there=True, problem=None, free_bytes=50 * GIB, files=2, size_bytes=4096
)


def write(folder: Path, *moments: datetime, after: bytes = b"") -> None:
    for moment in moments:
        ts = format_timestamp(moment)
        record = RequestRecord(ts=ts, model="m", backend="zai", status="success")
        with (folder / records.file_name(ts)).open("ab") as file:
            file.write(records.encode(record) + after)


@pytest.fixture
def others() -> Iterator[Path]:
    """A folder, reachable for everybody, that whoever runs the test may not write to."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    folder = root / "log"
    folder.mkdir(mode=0o555)
    with without_root():
        yield folder
    folder.chmod(0o755)
    shutil.rmtree(root)


def test_folder_is_written_to_and_left_as_it_was(tmp_path):
    write(tmp_path, NOW)
    before = sorted(tmp_path.iterdir())
    found = check_records.look(tmp_path)
    assert (found.is_there, found.problem, found.files) == (True, None, 1)
    assert found.size_bytes > 50
    assert sorted(tmp_path.iterdir()) == before
    assert severities(check_records.judge(found)) == ["ok"]


def test_folder_that_is_not_there_is_not_made(tmp_path):
    found = check_records.look(tmp_path / "a" / "log")
    assert (found.is_there, found.problem) == (False, None)
    assert not (tmp_path / "a").exists()
    assert "the daemon creates it" in said(check_records.judge(found))


def test_read_only_folder_is_a_failure(others):
    found = check_records.look(others)
    assert found.problem == "permission denied"
    remarks = [*check_records.judge(found)]
    assert severities(remarks) == ["failure"]
    assert "log_dir" in remarks[0].cure


def test_folder_that_can_not_be_entered_is_a_failure():
    root = Path(tempfile.mkdtemp())  # private: nobody else gets in
    (root / "log").mkdir()
    with without_root():
        if os.geteuid() == root.stat().st_uid:
            root.chmod(0)
        found = check_records.look(root / "log")
    root.chmod(0o700)
    shutil.rmtree(root)
    assert found.problem is not None
    assert severities(check_records.judge(found)) == ["failure"]


def test_folder_that_can_not_be_made_is_a_failure(others):
    found = check_records.look(others / "log")
    assert found.problem is not None
    assert str(others) in found.problem
    assert severities(check_records.judge(found)) == ["failure"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["ok"]),
        ({"free_bytes": None}, ["ok"]),
        ({"free_bytes": 100 * 1024**2}, ["ok", "warning"]),
        ({"free_bytes": 1024}, ["ok", "failure"]),
        ({"size_bytes": 3 * GIB}, ["ok", "note"]),
    ],
)
def test_room_is_judged(fields, expected):
    assert severities(check_records.judge(dataclasses.replace(FOLDER, **fields))) == expected


def test_records_of_this_month_are_counted(tmp_path):
    last_month = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    latest = NOW - timedelta(hours=2)
    write(tmp_path, last_month, datetime(2026, 11, 1, tzinfo=UTC), latest, NOW - timedelta(days=1))
    found = check_records.look_at_records(tmp_path, NOW)
    assert (found.month, found.count, found.skipped) == ("2026-11", 3, 0)
    assert found.newest == latest
    remarks = [*check_records.judge_records(found, NOW)]
    assert severities(remarks) == ["ok"]
    assert "3 requests in 2026-11 (UTC), the latest 2 h ago" in said(remarks)


def test_torn_lines_are_noted(tmp_path):
    write(tmp_path, NOW, after=b'{"ts":"2026-11\n')
    (tmp_path / state_events.FILE_NAME).write_bytes(
        b'{"ts":"2026-11-01T00:00:00.000Z","event":"started","pid":1}\n{"ts\n\xff\n'
    )
    found = check_records.look_at_records(tmp_path, NOW)
    assert (found.count, found.skipped, found.events, found.bad_events) == (1, 1, 1, 2)
    remarks = [*check_records.judge_records(found, NOW)]
    assert severities(remarks) == ["ok", "note"]
    assert "Skipped 3 lines of the log" in said(remarks)


def test_nothing_recorded_is_no_problem(tmp_path):
    found = check_records.look_at_records(tmp_path / "none", NOW)
    assert found == RecordedMonth(
        month="2026-11", count=0, skipped=0, newest=None, events=0, bad_events=0
    )
    assert severities(check_records.judge_records(found, NOW)) == ["ok"]
