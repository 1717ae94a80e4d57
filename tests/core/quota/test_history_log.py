"""Reading the history of the plans' windows, whatever the file holds."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.errors import OfframpError
from offramp_core.quota import history_log, windows
from offramp_core.quota.windows import QuotaPoint

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=4000)


def point(minutes: float, used: float = 0.5, window: str = "5h") -> QuotaPoint:
    """One that was told so many minutes before NOW."""
    ts = NOW - timedelta(minutes=minutes)
    return QuotaPoint(
        ts=ts, backend="anthropic", account="a1", window=window, used=used, resets=NOW
    )


def write(folder: Path, *lines: QuotaPoint | bytes) -> None:
    data = b"".join(
        line if isinstance(line, bytes) else windows.encode_point(line) for line in lines
    )
    (folder / windows.HISTORY_NAME).write_bytes(data)


def test_points_come_back_oldest_first(tmp_path: Path) -> None:
    points = [point(30, 0.1), point(20, 0.2), point(10, 0.3)]
    write(tmp_path, points[0], points[2], points[1])
    assert history_log.read(tmp_path, LONG_AGO) == points


def test_older_points_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, *(point(minutes) for minutes in range(5000, 0, -1)))
    found = history_log.read(tmp_path, NOW - timedelta(minutes=25))
    assert found == [point(minutes) for minutes in range(25, 0, -1)]


def test_point_of_a_clock_that_was_off_hides_nothing_before_it(tmp_path: Path) -> None:
    write(tmp_path, point(20), point(30_000_000), point(10))
    assert history_log.read(tmp_path, NOW - timedelta(hours=1)) == [point(20), point(10)]


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    last = windows.encode_point(point(1))
    foreign = [b"\n", b"   \n", b"no json\n", b'{"ts":1}\n', b"\xff\xfe\n", b"[" * 50_000 + b"\n"]
    write(tmp_path, point(3), *foreign, point(2), b'{"ts":"2026-\n', last[:-10])
    assert history_log.read(tmp_path, LONG_AGO) == [point(3), point(2)]


def test_line_without_its_end_is_not_whole_yet(tmp_path: Path) -> None:
    write(tmp_path, point(2), windows.encode_point(point(1))[:-1])
    assert history_log.read(tmp_path, LONG_AGO) == [point(2)]
    write(tmp_path, windows.encode_point(point(1))[:-1])
    assert history_log.read(tmp_path, LONG_AGO) == []


def test_line_of_megabytes_costs_itself_alone(tmp_path: Path) -> None:
    write(tmp_path, point(3), b"x" * 3_000_000 + b"\n", point(2))
    assert history_log.read(tmp_path, LONG_AGO) == [point(3), point(2)]


def test_only_so_many_of_the_youngest_are_kept(tmp_path: Path) -> None:
    write(tmp_path, *(point(minutes) for minutes in range(50, 0, -1)))
    assert history_log.read(tmp_path, LONG_AGO, most=3) == [point(3), point(2), point(1)]


def test_nothing_is_known_without_a_file(tmp_path: Path) -> None:
    assert history_log.read(tmp_path, LONG_AGO) == []
    assert history_log.read(tmp_path / "nowhere", LONG_AGO) == []
    (tmp_path / windows.HISTORY_NAME).mkdir()
    assert history_log.read(tmp_path, LONG_AGO) == []


def test_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / windows.HISTORY_NAME)
    assert history_log.read(tmp_path, LONG_AGO) == []


def test_file_that_can_not_be_opened_says_what_to_do(tmp_path: Path) -> None:
    loop = tmp_path / windows.HISTORY_NAME
    loop.symlink_to(loop)
    with pytest.raises(OfframpError) as refused:
        history_log.read(tmp_path, LONG_AGO)
    assert str(loop) in refused.value.title
    assert refused.value.hint


@given(
    kept=st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 3)), max_size=20),
    junk=st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data), max_size=20),
    since=st.integers(0, 10_000),
)
def test_exactly_the_points_since_then_are_found(
    tmp_path_factory: pytest.TempPathFactory,
    kept: list[tuple[int, float]],
    junk: list[bytes],
    since: int,
) -> None:
    folder = tmp_path_factory.mktemp("log")
    points = [point(minutes, used) for minutes, used in kept]
    write(folder, *(line for each in points for line in (each, *(b + b"\n" for b in junk))))
    earliest = NOW - timedelta(minutes=since)
    expected = sorted((each for each in points if each.ts >= earliest), key=lambda each: each.ts)
    assert history_log.read(folder, earliest) == expected


@pytest.mark.parametrize("mark", [" (laptop's conflicted copy 2026-11-24)", "-ANNAS-PC"])
def test_machines_histories_are_read_as_one(tmp_path: Path, mark: str) -> None:
    """A conflict copy repeats nothing, and a line that is still to come is waited for."""
    last = windows.encode_point(point(1))
    for name, lines in (
        ("quota.laptop.jsonl", [point(30), point(10)]),
        ("quota.desktop.jsonl", [point(20), point(5)]),
        (f"quota.desktop{mark}.jsonl", [point(20), point(4)]),
        ("quota.jsonl", [point(40)]),
        (".syncthing.quota.desktop.jsonl.tmp", [point(2)]),
    ):
        (tmp_path / name).write_bytes(b"".join(map(windows.encode_point, lines)) + last[:-9])
    expected = [point(minutes) for minutes in (40, 30, 20, 10, 5, 4)]
    assert history_log.read(tmp_path, LONG_AGO) == expected
    assert history_log.read(tmp_path, LONG_AGO, most=2) == expected[-2:]


def test_mark_of_the_history_changes_with_each_machines_file(tmp_path: Path) -> None:
    seen = {history_log.mark(tmp_path)}
    for name in ("quota.jsonl", "quota.laptop.jsonl", "quota.laptop 2.jsonl"):
        (tmp_path / name).write_bytes(windows.encode_point(point(1)))
        seen.add(history_log.mark(tmp_path))
    (tmp_path / "quota.laptop.jsonl").unlink()
    seen.add(history_log.mark(tmp_path))
    assert len(seen) == 5
    assert history_log.mark(tmp_path / "none") == ()
