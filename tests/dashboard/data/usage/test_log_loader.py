"""Reading the log for the charts: recent weeks first, all of it in the end, each record once."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from privileges import without_root
from request_logs import write_log
from usage_samples import as_request, boundaries, logs_before, nows, record

from offramp_core.errors import OfframpError
from offramp_core.usage import records
from offramp_core.usage.sessions import SessionTable
from offramp_core.usage.weeks import Span, WeekBoundary
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.snapshot import FeedState, LogStatus, Snapshot
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.usage.log_loader import LogReading
from offramp_dashboard.data.usage.month_cache import MonthCache
from offramp_dashboard.data.usage.usage_history import UsageHistory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from offramp_core.usage.records import UsageRecord

NOW = datetime(2026, 11, 28, 9, 41, 17, tzinfo=UTC)
BERLIN = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin"))
READY = LogStatus(state=FeedState.READY, log_dir="log")
DAY = timedelta(days=1)


def reading_of(folder: Path, now: datetime = NOW, boundary: WeekBoundary = BERLIN) -> LogReading:
    return LogReading(folder, boundary, MonthCache(folder.parent / "cache"), lambda: now)


def loaded(folder: Path, now: datetime = NOW, boundary: WeekBoundary = BERLIN) -> LogReading:
    reading = reading_of(folder, now, boundary)
    assert list(reading.load())[-1]
    assert reading.progress == 1.0
    return reading


def snapshot(past: UsageHistory, now: datetime = NOW, boundary: WeekBoundary = BERLIN) -> Snapshot:
    return compose(SnapshotInput(past=past, boundary=boundary, log_status=READY), now, Selection())


def expected(
    log: Sequence[UsageRecord], now: datetime = NOW, boundary: WeekBoundary = BERLIN
) -> Snapshot:
    past = UsageHistory()
    past.add(log, now)
    past.complete(None)
    return snapshot(past, now, boundary)


def requests(reading: LogReading) -> int:
    return sum(reading.past.routes().values())


def long_log(days: int = 200, per_day: int = 3) -> list[UsageRecord]:
    return [
        record(NOW - number * DAY / per_day, tokens=(number, 1, 1, 1))
        for number in range(days * per_day)
    ]


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_picture_is_the_same_however_the_log_was_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """At once, from the cache, and with what came while it was open."""
    now, boundary = data.draw(nows), data.draw(boundaries)
    log, later = data.draw(logs_before(now)), data.draw(logs_before(now, max_size=5))
    folder = tmp_path_factory.mktemp("home") / "log"
    write_log(folder, log)
    reading = loaded(folder, now, boundary)
    assert snapshot(reading.past, now, boundary) == expected(log, now, boundary)
    write_log(folder, later)
    reading.follow()
    whole = expected([*log, *later], now, boundary)
    assert snapshot(reading.past, now, boundary) == whole
    assert snapshot(loaded(folder, now, boundary).past, now, boundary) == whole
    assert snapshot(loaded(folder, now, boundary).past, now, boundary) == whole


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("per_day", [2, 12])
def test_sessions_change_the_service_as_often_however_the_log_was_read(
    log_dir: Path, seed: int, per_day: int
) -> None:
    """Months are read from the latest on, each file's end before its beginning."""
    dice = random.Random(seed)
    log = [
        record(
            NOW - number * DAY / per_day,
            backend=dice.choice(["zai", "anthropic"]),
            session=dice.choice(["one", "two"]),
        )
        for number in range(150 * per_day, 0, -1)
    ]
    write_log(log_dir, log)
    wanted = SessionTable()
    wanted.add(log)

    first, second = loaded(log_dir), loaded(log_dir)

    for reading in (first, second):
        assert changes_of(reading) == {one.id: one.changes for one in wanted.sessions()}
    later = [record(NOW, session="one", backend=backend) for backend in ("zai", "anthropic")]
    write_log(log_dir, later)
    wanted.add(later)
    for reading in (first, second):
        reading.follow()
        assert changes_of(reading) == {one.id: one.changes for one in wanted.sessions()}


def changes_of(reading: LogReading) -> dict[str, int]:
    rows = reading.past.sessions(Selection(), None).rows
    return {row.session.id: row.session.changes for row in rows}


def counted(reading: LogReading, month: datetime) -> int:
    span = Span(month, (month + 32 * DAY).replace(day=1))
    return reading.past.series((span,), Selection())[0].total().requests


def in_month(log: Sequence[UsageRecord], month: datetime) -> int:
    return sum((one.ts.year, one.ts.month) == (month.year, month.month) for one in log)


def test_recent_weeks_are_there_before_the_rest(log_dir: Path) -> None:
    log = long_log(per_day=40)
    write_log(log_dir, log)
    reading = reading_of(log_dir)
    steps = reading.load()
    assert next(step for step in steps if step)
    whole = expected(log)
    early = snapshot(reading.past)
    assert early.recent == whole.recent
    assert early.day == whole.day
    assert early.week_summary == whole.week_summary
    assert early.weeks.weeks[-2:] == whole.weeks.weeks[-2:]
    assert not early.weeks.is_complete
    assert 0 < reading.progress < 0.5
    assert requests(reading) < len(log) / 4


def test_older_months_fill_in_newest_first_and_progress_grows(log_dir: Path) -> None:
    log = long_log(per_day=40)
    write_log(log_dir, log)
    reading = reading_of(log_dir)
    steps = reading.load()
    next(step for step in steps if step)
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in range(11, 4, -1)]
    seen = [(reading.progress, 0)]
    for step in steps:
        if step:
            found = [reading.past.is_complete(month) for month in months]
            assert found == sorted(found, reverse=True)
            for month, is_complete in zip(months, found, strict=True):
                assert not is_complete or counted(reading, month) == in_month(log, month)
            seen.append((reading.progress, sum(found)))
    assert seen == sorted(seen)
    assert [count for _, count in seen[:-1]] == list(range(8))
    assert requests(reading) == len(log)


def test_second_opening_reads_closed_months_from_the_cache(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    first = loaded(log_dir)
    second = loaded(log_dir)
    assert snapshot(second.past) == snapshot(first.past)
    current = log_dir / "requests-2026-11.jsonl"
    assert len(list((log_dir.parent / "cache").iterdir())) == len(list(log_dir.iterdir())) - 1
    whole = sum(path.stat().st_size for path in log_dir.iterdir())
    assert second.bytes_read < whole / 2
    assert second.bytes_read < current.stat().st_size + 40_000


def test_closed_month_that_changed_is_counted_anew(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    loaded(log_dir)
    late = record(NOW - 100 * DAY, model="claude-opus-4-6", backend="anthropic")
    write_log(log_dir, [late])
    reading = loaded(log_dir)
    assert requests(reading) == 601
    assert snapshot(loaded(log_dir).past) == snapshot(reading.past) == expected([*long_log(), late])


def test_month_that_grows_while_it_is_counted_is_not_kept(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    reading = reading_of(log_dir)
    steps = reading.load()
    next(steps)
    late = record(NOW - 100 * DAY)
    write_log(log_dir, [late])
    list(steps)
    reading.follow()
    assert requests(reading) == 601
    assert requests(loaded(log_dir)) == 601


def test_damaged_cache_changes_nothing(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    first = loaded(log_dir)
    for number, entry in enumerate((log_dir.parent / "cache").iterdir()):
        entry.write_bytes(b"x" * number * 1000)
    assert snapshot(loaded(log_dir).past) == snapshot(first.past)


def test_last_hours_across_the_months_end_are_all_fine(log_dir: Path) -> None:
    """The month that has just ended is not taken from the cache: its last hours are needed."""
    now = datetime(2026, 12, 1, 0, 30, tzinfo=UTC)
    log = [record(now - timedelta(minutes=20 * number)) for number in range(30)]
    write_log(log_dir, log)
    for _ in range(2):
        reading = loaded(log_dir, now)
        assert snapshot(reading.past, now) == expected(log, now)


def test_log_without_a_month_in_its_name_is_counted_too(log_dir: Path) -> None:
    log = long_log()
    write_log(log_dir, log)
    (log_dir / "requests-2026-07.jsonl").rename(log_dir / "requests.jsonl")
    reading = reading_of(log_dir)
    steps = reading.load()
    next(step for step in steps if step)
    assert not snapshot(reading.past).weeks.is_complete
    list(steps)
    assert snapshot(reading.past) == expected(log)


def test_torn_lines_are_counted_once_from_file_and_cache(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    for month in ("08", "10", "11"):
        with (log_dir / f"requests-2026-{month}.jsonl").open("ab") as file:
            file.write(b'{"ts": "2026-\n')
    assert loaded(log_dir).skipped_lines == 3
    reading = loaded(log_dir)
    assert reading.skipped_lines == 3
    with (log_dir / "requests-2026-11.jsonl").open("ab") as file:
        file.write(b"torn\n")
    assert reading.follow()
    assert reading.skipped_lines == 4


def test_half_written_line_waits_for_its_rest(log_dir: Path) -> None:
    write_log(log_dir, [record(NOW - DAY)])
    reading = loaded(log_dir)
    line = records.encode(as_request(record(NOW)))
    with (log_dir / "requests-2026-11.jsonl").open("ab", buffering=0) as file:
        file.write(line[:50])
        assert not reading.follow()
        file.write(line[50:])
        assert reading.follow()
    assert requests(reading) == 2


def test_following_reads_only_what_is_new(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    reading = loaded(log_dir)
    before = reading.bytes_read
    assert not reading.follow()
    write_log(log_dir, [record(NOW)])
    assert reading.follow()
    assert reading.bytes_read - before < 1000
    assert requests(reading) == 601


@pytest.mark.parametrize("what", ["truncated", "replaced", "removed"])
def test_log_that_lost_something_is_stale(log_dir: Path, what: str) -> None:
    write_log(log_dir, long_log())
    reading = loaded(log_dir)
    file = log_dir / "requests-2026-09.jsonl"
    if what == "truncated":
        os.truncate(file, 1000)
    elif what == "replaced":
        data = file.read_bytes()
        file.unlink()
        (log_dir / "other").write_bytes(data[: len(data) // 2])
        (log_dir / "other").rename(file)
    else:
        file.unlink()
    assert reading.follow()
    assert reading.is_stale
    assert 0 < requests(loaded(log_dir)) < 600


def test_missing_or_empty_folder_is_an_empty_history(tmp_path: Path) -> None:
    reading = loaded(tmp_path / "none")
    assert reading.past.is_empty()
    (tmp_path / "none").mkdir()
    write_log(tmp_path / "none", [record(NOW)])
    assert reading.follow()
    assert requests(reading) == 1


def test_unreadable_file_is_said(log_dir: Path) -> None:
    write_log(log_dir, long_log())
    (log_dir / "requests-2026-08.jsonl").chmod(0)
    with without_root(), pytest.raises(OfframpError, match="Permission denied"):
        list(reading_of(log_dir).load())


@pytest.mark.parametrize("tokens", [-5, 2**53 + 1, 2**63, 10**30])
def test_line_with_a_number_that_is_no_count_holds_no_record(log_dir: Path, tokens: int) -> None:
    log = long_log(days=3)
    write_log(log_dir, log)
    file = max(log_dir.iterdir())
    line = records.encode(as_request(log[0]))
    named = f'"input_tokens":{log[0].input_tokens},'.encode()
    assert named in line
    with file.open("ab") as opened:
        opened.write(line.replace(named, f'"input_tokens":{tokens},'.encode()))

    reading = loaded(log_dir)

    assert snapshot(reading.past) == expected(log)
    assert reading.skipped_lines == 1


def split(folder: Path, log: Sequence[UsageRecord]) -> None:
    """Write `log` as if two machines had written every other record of it."""
    for number, name in enumerate(("desktop", "laptop")):
        aside = folder.parent / name
        write_log(aside, log[number::2])
        folder.mkdir(exist_ok=True)
        for file in aside.iterdir():
            file.replace(folder / file.name.replace(".jsonl", f".{name}.jsonl"))


def test_two_machines_logs_look_as_one_at_once_and_from_the_cache(log_dir: Path) -> None:
    log = long_log()
    split(log_dir, log)
    whole = expected(log)
    assert snapshot(loaded(log_dir).past) == whole
    second = loaded(log_dir)
    assert snapshot(second.past) == whole
    assert second.bytes_read < sum(file.stat().st_size for file in log_dir.iterdir()) / 2


def test_month_is_not_complete_before_each_machines_file_of_it_is_in(log_dir: Path) -> None:
    log = long_log(per_day=40)
    split(log_dir, log)
    reading = reading_of(log_dir)
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in range(11, 4, -1)]
    for step in reading.load():
        for month in months if step else ():
            if reading.past.is_complete(month):
                assert counted(reading, month) == in_month(log, month)


@pytest.mark.parametrize("is_known_before", [True, False], ids=["while open", "while closed"])
def test_conflict_copy_of_a_closed_month_adds_only_what_the_month_lacks(
    log_dir: Path, is_known_before: bool
) -> None:
    log = long_log()
    write_log(log_dir, log)
    extra = record(NOW - 70 * DAY, tokens=(77, 1, 1, 1))
    assert snapshot(loaded(log_dir).past) == expected(log)
    reading = loaded(log_dir)
    original = log_dir / f"requests-{extra.ts:%Y-%m}.jsonl"
    before = original.read_bytes()
    write_log(log_dir, [extra])
    copy = log_dir / f"requests-{extra.ts:%Y-%m}.sync-conflict-20261130-101010-ABCDEFG.jsonl"
    copy.write_bytes(original.read_bytes())
    original.write_bytes(before)
    if is_known_before:
        reading.follow()
        assert not reading.is_stale
    else:
        reading = loaded(log_dir)
    whole = expected([*log, extra])
    assert snapshot(reading.past) == whole
    assert snapshot(loaded(log_dir).past) == whole
    copy.unlink()
    assert snapshot(loaded(log_dir).past) == expected(log)


def test_file_of_another_machine_that_comes_late_is_counted_whole(log_dir: Path) -> None:
    write_log(log_dir, [record(NOW)])
    reading = loaded(log_dir)
    aside = log_dir.parent / "aside"
    write_log(aside, long_log())
    for file in aside.iterdir():
        file.rename(log_dir / f"{file.stem}.desktop.jsonl")
    reading.follow()
    assert reading.is_stale
    reading = loaded(log_dir)
    assert not reading.follow()
    assert requests(reading) == 601
    with (log_dir / f"requests-{NOW:%Y-%m}.desktop.jsonl").open("ab") as latest:
        latest.write(records.encode(as_request(record(NOW))))
    assert reading.follow()
    assert not reading.is_stale
    assert requests(reading) == 602


def test_file_that_is_replaced_while_earlier_months_are_counted_makes_it_stale(
    log_dir: Path,
) -> None:
    write_log(log_dir, long_log(per_day=20))
    reading = reading_of(log_dir)
    steps = reading.load()
    while not next(steps):
        pass
    file = log_dir / "requests-2026-09.jsonl"
    (log_dir / "aside").write_bytes(file.read_bytes())
    (log_dir / "aside").rename(file)
    list(steps)
    assert reading.is_stale
    assert requests(loaded(log_dir)) == 4000


@pytest.mark.parametrize("is_replaced", [False, True])
def test_half_synchronised_line_of_a_cached_month_waits_for_its_rest(
    log_dir: Path, *, is_replaced: bool
) -> None:
    write_log(log_dir, long_log())
    file = log_dir / "requests-2026-09.jsonl"
    whole = file.read_bytes()
    os.truncate(file, len(whole) - 40)
    for reading in (loaded(log_dir), loaded(log_dir)):
        assert requests(reading) == 599
    if is_replaced:
        (log_dir / "aside").write_bytes(whole)
        (log_dir / "aside").rename(file)
    else:
        file.write_bytes(whole)
    assert reading.follow()
    assert not reading.is_stale
    assert (requests(reading), reading.skipped_lines) == (600, 0)
