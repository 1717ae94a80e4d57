"""Reading and following the log: whole records only, each once, and no more bytes than needed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from privileges import without_root

from offramp_core.errors import OfframpError
from offramp_core.usage import records
from offramp_core.usage.log_reader import SLACK, LogReader, log_files

START = datetime(2026, 2, 7, 10, 30, tzinfo=UTC)


def line(number: int = 0, *, ts: datetime | None = None) -> bytes:
    """A record that can be told by its `input_tokens`."""
    return records.encode(
        records.RequestRecord(
            ts=records.format_timestamp(ts or START + timedelta(seconds=number)),
            model="claude-sonnet-4-5",
            backend="zai",
            status="success",
            input_tokens=number,
            reason="route sonnet",
        )
    )


def read(reader: LogReader) -> list[int]:
    return [record.input_tokens for block in reader.read_usage() for record in block]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "requests-2026-02.jsonl"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_missing_folder_reads_as_empty(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "none")
    assert read(reader) == []
    reader.skip_to_end()
    assert list(reader.consumed_lines_backwards()) == []


def test_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    with pytest.raises(OfframpError, match=r"log can't be read: Not a directory"):
        read(LogReader(path))


def test_unreadable_file_is_said(log: Path) -> None:
    log.touch(mode=0)
    with without_root(), pytest.raises(OfframpError, match="Permission denied"):
        read(LogReader(log.parent))


def test_symbolic_link_to_itself_is_said(log: Path) -> None:
    log.symlink_to(log)
    with pytest.raises(OfframpError, match="can't be read"):
        read(LogReader(log.parent))


def test_what_is_no_log_file_is_left_alone(log: Path) -> None:
    (log.parent / "requests-2026-01.jsonl").mkdir()
    os.mkfifo(log.parent / "requests-pipe.jsonl")
    (log.parent / "requests-gone.jsonl").symlink_to("nowhere")
    (log.parent / "notes.jsonl").write_bytes(line(1))
    log.write_bytes(line(2))
    assert read(LogReader(log.parent)) == [2]


def test_files_come_in_order_of_month_with_the_undated_first(tmp_path: Path) -> None:
    names = ["requests.jsonl", "requests-2025-12.jsonl", "requests-2026-01.jsonl"]
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [path.name for path in log_files(tmp_path)] == names


def test_older_lines_with_eight_keys_and_newer_ones_with_more_are_both_read(log: Path) -> None:
    older = (
        b'{"ts":"2026-02-07T10:30:00.000Z","model":"claude-sonnet-4-5","backend":"zai",'
        b'"input_tokens":1250,"output_tokens":890,"cache_creation_input_tokens":0,'
        b'"cache_read_input_tokens":0,"status":"success"}\n'
    )
    newer = older.replace(b"1250", b"7").replace(b"}", b',"of_a_later_version":[{"a":1}]}')
    log.write_bytes(older + newer)
    reader = LogReader(log.parent)
    assert read(reader) == [1250, 7]
    assert reader.skipped_lines == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"{\n",
        b"[]\n",
        b"null\n",
        b"\xff\xfe\n",
        b"\x00" * 50 + b"\n",
        b'{"ts":"2026-02-07T10:30:00","model":null,"backend":null,"status":"success"}\n',
        b'{"ts":"soon","model":null,"backend":null,"status":"success"}\n',
        b'{"ts":"2026-02-07T10:30:00Z","model":null,"backend":null,"status":"odd"}\n',
        b"[" * 100_000 + b"\n",
        line(5)[:-1].replace(b"5,", b'"5",') + b"\n",
    ],
)
def test_foreign_line_is_skipped_and_counted(log: Path, bad: bytes) -> None:
    log.write_bytes(line(1) + bad + line(2))
    reader = LogReader(log.parent)
    assert read(reader) == [1, 2]
    assert reader.skipped_lines == 1


@settings(deadline=None)
@given(
    cut=st.integers(1, len(line(2)) - 2),
    blanks=st.lists(st.sampled_from([b"\n", b"\r\n", b"  \n"])),
)
def test_line_torn_at_any_byte_costs_itself_alone(cut: int, blanks: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requests-2026-02.jsonl")
        path.write_bytes(line(1) + b"".join(blanks) + line(2)[:cut] + b"\n" + line(3))
        reader = LogReader(path.parent)
        assert read(reader) == [1, 3]
        assert reader.skipped_lines == 1


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from([b"\n", b"\r\n", b"garbage\n", b'{"ts":\n', b"x" * 3000 + b"\n"])
        | st.integers(0, 10**6).map(line),
        max_size=30,
    ),
    cuts=st.lists(st.floats(0, 1), max_size=6),
    block_bytes=st.sampled_from([512, 1000, 1 << 16]),
)
def test_log_written_in_any_pieces_is_read_once(
    pieces: list[bytes], cuts: list[float], block_bytes: int
) -> None:
    data = b"".join(pieces)
    expected = [json.loads(piece)["input_tokens"] for piece in pieces if piece.endswith(b"0}\n")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requests-2026-02.jsonl")
        path.touch()
        reader = LogReader(path.parent, block_bytes=block_bytes)
        found: list[int] = []
        done = 0
        for end in [*sorted(int(cut * len(data)) for cut in cuts), len(data)]:
            append(path, data[done:end])
            done = end
            found += read(reader)
        assert found == expected
        assert reader.restarts == 0


def test_last_line_without_newline_waits_for_it(log: Path) -> None:
    log.write_bytes(line(1) + line(2)[:-1])
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    assert read(reader) == []
    append(log, b"\n")
    assert read(reader) == [2]
    assert reader.skipped_lines == 0


def test_following_reads_only_what_is_new(log: Path) -> None:
    log.write_bytes(b"".join(map(line, range(5000))))
    reader = LogReader(log.parent)
    assert len(read(reader)) == 5000
    before = reader.bytes_read
    assert read(reader) == []
    assert reader.bytes_read == before
    append(log, line(7))
    assert read(reader) == [7]
    assert reader.bytes_read - before <= len(line(7)) + 64


def test_following_finds_a_new_month(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    (log.parent / "requests-2026-03.jsonl").write_bytes(line(2))
    append(log, line(3))
    assert read(reader) == [3, 2]
    assert reader.restarts == 0


def test_renamed_file_is_not_read_twice(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    log.rename(log.with_name("requests-2026-02-old.jsonl"))
    log.write_bytes(line(2))
    assert read(reader) == [2]
    assert reader.restarts == 0


def test_truncated_file_is_read_from_its_start(log: Path) -> None:
    log.write_bytes(line(1) + line(2))
    reader = LogReader(log.parent)
    assert read(reader) == [1, 2]
    log.write_bytes(line(3))
    assert read(reader) == [3]
    assert reader.restarts == 1


def test_file_overwritten_in_place_with_more_is_read_from_its_start(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    log.write_bytes(line(2) + line(3) + line(4))
    assert read(reader) == [2, 3, 4]
    assert reader.restarts == 1


@pytest.mark.parametrize(
    "replacement",
    [line(3) + line(2), line(1)[:-1], line(3) + line(1) + line(2)],
    ids=["other", "shorter", "shifted"],
)
def test_file_replaced_by_another_is_read_from_its_start(log: Path, replacement: bytes) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    other = log.with_name("other")
    other.write_bytes(replacement)
    other.replace(log)
    assert read(reader) == read(LogReader(log.parent))
    assert reader.restarts == 1


def test_file_that_a_synchroniser_replaced_with_more_of_it_goes_on(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    other = log.with_name(".syncthing.requests-2026-02.jsonl.tmp")
    other.write_bytes(line(1) + line(2) + line(3)[:-20])
    other.replace(log)
    assert read(reader) == [2]
    append(log, line(3)[-20:])
    assert read(reader) == [3]
    assert (reader.restarts, reader.skipped_lines) == (0, 0)


def test_deleted_file_makes_totals_stale(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    assert read(reader) == [1]
    log.unlink()
    assert read(reader) == []
    assert reader.restarts == 1
    log.write_bytes(line(2))
    assert read(reader) == [2]


def test_line_longer_than_any_block_is_passed_over_in_bounded_memory(log: Path) -> None:
    log.write_bytes(line(1) + b"x" * 100_000 + b"\n" + line(2))
    reader = LogReader(log.parent, block_bytes=1024)
    assert read(reader) == [1, 2]
    assert reader.skipped_lines == 1


def test_blocks_stay_below_their_size(log: Path) -> None:
    log.write_bytes(b"".join(map(line, range(1000))))
    blocks = list(LogReader(log.parent, block_bytes=4096).read_usage())
    assert sum(map(len, blocks)) == 1000
    assert max(map(len, blocks)) <= 4096 // len(line(0))


def test_window_is_found_without_reading_the_rest(log: Path) -> None:
    hours = 24 * 28
    minutes = [START + timedelta(minutes=n) for n in range(hours * 60)]
    log.write_bytes(b"".join(line(n, ts=ts) for n, ts in enumerate(minutes)))
    since = minutes[-1] - timedelta(days=1)
    reader = LogReader(log.parent, since=since)
    found = read(reader)
    wanted = [n for n, ts in enumerate(minutes) if ts >= since]
    assert found[-len(wanted) :] == wanted
    assert reader.bytes_read < log.stat().st_size / 10


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_window_misses_no_record_of_requests_that_last_up_to_the_slack(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 600))
    random = data.draw(st.randoms(use_true_random=False))
    hours = random.choice([4, 12, 480])
    arrivals = [START + timedelta(hours=random.uniform(0, hours)) for _ in range(count)]
    durations = [random.choice([0.0, 0.1, 1.0]) * SLACK for _ in range(count)]
    order = sorted(range(count), key=lambda n: arrivals[n] + durations[n])
    pieces = []
    for n in order:
        pieces.append(line(n, ts=arrivals[n]))
        if random.random() < 0.05:
            pieces.append(random.choice([b"\n", b'{"ts":"20\n', b"y" * 20_000 + b"\n"]))
    since = START + timedelta(hours=random.uniform(-1, hours + 1))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "requests-2026-02.jsonl").write_bytes(b"".join(pieces))
        found = set(read(LogReader(Path(folder), since=since)))
    # Written in milliseconds, a record is up to one earlier than its arrival.
    edge = since + timedelta(milliseconds=1)
    assert {n for n in range(count) if arrivals[n] >= edge} <= found


def test_old_months_cost_one_look(tmp_path: Path) -> None:
    old = b"".join(map(line, range(3000)))
    (tmp_path / "requests-2026-02.jsonl").write_bytes(old)
    (tmp_path / "requests-2026-06.jsonl").write_bytes(line(1, ts=START + timedelta(days=120)))
    reader = LogReader(tmp_path, since=START + timedelta(days=110))
    assert read(reader)[-1] == 1
    assert reader.bytes_read < 64 * 1024 < len(old)


def test_skipped_to_end_only_later_lines_follow(log: Path) -> None:
    log.write_bytes(line(1) + line(2)[:30])
    reader = LogReader(log.parent)
    reader.skip_to_end()
    append(log, line(2)[30:])
    assert list(reader.read_lines()) == [line(2).strip()]


@settings(deadline=None)
@given(st.integers(0, 300), st.booleans())
def test_consumed_lines_come_back_latest_first(count: int, is_last_torn: bool) -> None:
    lines = [line(number) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        older, newer = (Path(folder, f"requests-2026-0{month}.jsonl") for month in (2, 3))
        older.write_bytes(b"".join(lines[: count // 3]))
        newer.write_bytes(b"\n".join(lines[count // 3 :]) + (b"{" if is_last_torn else b""))
        reader = LogReader(Path(folder))
        reader.skip_to_end()
        found = list(reader.consumed_lines_backwards())
    assert found == [one.strip() for one in reversed(lines)]


def test_consumed_lines_end_at_the_cursor_though_the_log_grows(log: Path) -> None:
    log.write_bytes(line(1))
    reader = LogReader(log.parent)
    reader.skip_to_end()
    append(log, line(2))
    assert list(reader.consumed_lines_backwards()) == [line(1).strip()]
    assert list(reader.read_lines()) == [line(2).strip()]


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(-0.1, 1.1))
def test_lines_before_a_moment_hold_every_older_record_and_few_younger(
    count: int, part: float
) -> None:
    begin = datetime(2026, 2, 20, tzinfo=UTC)
    moments = [begin + timedelta(minutes=17 * number) for number in range(count)]
    before = begin + timedelta(minutes=17 * count * part)
    with tempfile.TemporaryDirectory() as folder:
        for moment in moments:
            append(Path(folder, f"requests-{moment:%Y-%m}.jsonl"), line(ts=moment))
        reader = LogReader(Path(folder))
        reader.skip_to_end()
        lines = list(reader.consumed_lines_backwards(before))
    found = [datetime.fromisoformat(records.decode(one).ts) for one in lines]
    assert {moment for moment in moments if moment < before} <= set(found)
    assert found == sorted(found, reverse=True)
    younger = sum(moment >= before + SLACK for moment in found)
    assert younger * len(line()) <= 2 * 4 * 8 * 1024  # some probes of each file


def test_file_that_vanishes_while_others_are_read_is_no_error(log: Path) -> None:
    log.write_bytes(line(1))
    later = log.with_name("requests-2026-03.jsonl")
    later.write_bytes(line(2))
    blocks = LogReader(log.parent).read_usage()
    assert [record.input_tokens for record in next(blocks)] == [1]
    shutil.move(later, log.with_name("elsewhere"))
    assert list(blocks) == []


def months(folder: Path, count: int = 3, per_month: int = 200) -> list[int]:
    """Fill `folder` with `count` months; the numbers of their records."""
    for month in range(count):
        moment = START + timedelta(days=31 * month)
        first = month * per_month
        append(
            folder / f"requests-{moment:%Y-%m}.jsonl",
            b"".join(
                line(first + number, ts=moment + timedelta(minutes=number))
                for number in range(per_month)
            ),
        )
    return list(range(count * per_month))


def test_parts_name_the_file_that_held_them(tmp_path: Path) -> None:
    months(tmp_path)
    found: dict[str, int] = {}
    for part in LogReader(tmp_path, block_bytes=8192).read_parts():
        found[part.path.name] = found.get(part.path.name, 0) + len(part.records)
        assert part.identity[1] == part.path.stat().st_ino
    assert found == {path.name: 200 for path in log_files(tmp_path)}


def test_what_since_passed_over_can_be_read_later_and_nothing_is_read_twice(
    tmp_path: Path,
) -> None:
    everything = months(tmp_path)
    reader = LogReader(tmp_path, since=START + timedelta(days=62, minutes=150), block_bytes=8192)
    files = reader.files()
    assert [reader.passed_over(file) for file in files] == [0, 0, 0]
    recent = read(reader)
    earlier = [
        record.input_tokens
        for file in files
        for block in reader.read_passed_over(file)
        for record in block
    ]
    assert len(recent) < 300
    assert sorted(recent + earlier) == everything
    assert sum(map(reader.passed_over, files)) > 2 * 200 * 100
    assert read(reader) == []


def test_file_that_is_known_from_elsewhere_is_only_followed(tmp_path: Path) -> None:
    months(tmp_path)
    reader = LogReader(tmp_path)
    known = reader.files()[0]
    reader.take_as_read(known)
    assert read(reader) == list(range(200, 600))
    append(known.path, line(7))
    assert read(reader) == [7]
    os.truncate(known.path, 100)
    read(reader)
    assert reader.restarts == 1


def test_passed_over_part_of_a_file_that_went_is_nothing(tmp_path: Path) -> None:
    months(tmp_path)
    reader = LogReader(tmp_path, since=START + timedelta(days=62), block_bytes=8192)
    files = reader.files()
    read(reader)
    blocks = reader.read_passed_over(files[0])
    next(blocks)
    files[0].path.unlink()
    assert list(blocks) == []
    files[1].path.rename(tmp_path / "aside")
    append(files[1].path, line(1))
    assert list(reader.read_passed_over(files[1])) == []


def test_files_tell_what_changes_when_they_do(tmp_path: Path) -> None:
    months(tmp_path, count=1)
    reader = LogReader(tmp_path)
    (before,) = reader.files()
    assert before.size == before.path.stat().st_size
    assert before.head.startswith(b'{"ts":"2026-02-07')
    append(before.path, line())
    (after,) = reader.files()
    assert after.size > before.size
    assert after.modified_ns >= before.modified_ns
    assert (after.identity, after.head) == (before.identity, before.head)
