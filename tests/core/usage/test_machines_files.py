"""Several machines' files in one folder: merged, in order, and each record counted once."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp_core.usage import records
from offramp_core.usage.log_reader import LogReader

START = datetime(2026, 11, 7, 10, 30, tzinfo=UTC)
LAPTOP = "requests-2026-11.laptop.jsonl"
DESKTOP = "requests-2026-11.desktop.jsonl"
COPIES = (
    "requests-2026-11.laptop.sync-conflict-20261130-101010-ABCDEFG.jsonl",
    "requests-2026-11.laptop (desktop's conflicted copy 2026-11-30).jsonl",
    "requests-2026-11.laptop (conflicted copy 2026-11-30 101010).jsonl",
    "requests-2026-11.laptop 2.jsonl",
    "requests-2026-11.laptop (1).jsonl",
    "requests-2026-11.laptop_conflict-20261130-101010.jsonl",
    "requests-2026-11.laptop.Conflict.jsonl",
    "requests-2026-11.laptop (SFConflict me@example.com 2026-11-30-10-10-10).jsonl",
    "requests-2026-11.laptop.jsonl.conflict1",
    "requests-2026-11.laptop.jsonl.Conflict1",
    "requests-2026-11.laptop.jsonl..path1",
    "requests-2026-11.laptop.jsonl.conflicted",
    "requests-2026-11.laptop (conflicted).jsonl",
    "requests-2026-11.laptop (Case Conflict).jsonl",
    "requests-2026-11.laptop (case clash from 2026-11-30 101010).jsonl",
    "requests-2026-11.laptop_conflict_bob-20261130-101010.jsonl",
    "requests-2026-11.laptop(Conflict_bob (Web browser)_2026-11-30-10-10-10).jsonl",
)
LONG_COPIES = (
    "requests-2026-11.laptop-DESKTOP-7AB.jsonl",
    "requests-2026-11.laptop-Anna's MacBook.jsonl",
    "requests-2026-11.laptop-anna.local.jsonl",
    "requests-2026-11.laptop-Jörg-2.jsonl",
    "requests-2026-11.laptop-fedora-safeBackup-0001.jsonl",
    "requests-2026-11.laptop-workstation-of-anna-safeBackup-0001.jsonl",
    "requests-2026-11.laptop_Anna-PC_Jan-03-0901-2026_Conflict.jsonl",
    "requests-2026-11.laptop_Anna-PC_Jan-03-0901-2026_CaseConflict_1.jsonl",
    "requests-2026-11.laptop-DESKTOP-7AB (1).jsonl",
)
"""Whose names begin as those of machines with longer names do."""


def line(number: int, *, blanks: int = 0, second: float | None = None) -> bytes:
    """A record that can be told by its `input_tokens`, filled up as the daemon does."""
    moment = START + timedelta(seconds=number if second is None else second)
    encoded = records.encode(
        records.RequestRecord(
            ts=records.format_timestamp(moment),
            model="claude-sonnet-4-5",
            backend="zai",
            status="success",
            input_tokens=number,
            session_id=f"session-{number % 3}",
        )
    )
    return encoded[:-1] + b" " * blanks + b"\n"


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


def read(reader: LogReader) -> list[int]:
    return [record.input_tokens for block in reader.read_usage() for record in block]


def numbers_of(found: list[bytes]) -> list[int]:
    return [records.decode(each).input_tokens for each in found]


def details(reader: LogReader) -> list[int]:
    return [record.input_tokens for block in reader.read_details() for record in block]


def backwards(reader: LogReader) -> list[int]:
    return numbers_of(list(reader.consumed_lines_backwards()))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def replace(path: Path, data: bytes) -> None:
    """Write as most synchronisers do."""
    other = path.with_name(f".syncthing.{path.name}.tmp")
    other.write_bytes(data)
    other.replace(path)


def test_machines_of_one_month_are_merged_in_order_of_time(tmp_path: Path) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1, 3, 5, 8))
    (tmp_path / DESKTOP).write_bytes(lines(2, 4, 6, 7))
    (tmp_path / "requests-2026-11.jsonl").write_bytes(lines(0))
    (tmp_path / "requests-2026-10.desktop.jsonl").write_bytes(lines(99))
    expected = [99, *range(9)]
    assert details(LogReader(tmp_path)) == expected
    reader = LogReader(tmp_path)
    assert numbers_of(list(reader.read_lines())) == expected
    assert backwards(reader) == expected[::-1]
    assert sorted(read(LogReader(tmp_path))) == sorted(expected)


@pytest.mark.parametrize("copy", COPIES + LONG_COPIES)
def test_what_a_conflict_copy_repeats_counts_once_and_the_rest_of_it_counts(
    tmp_path: Path, copy: str
) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 3, 5))
    (tmp_path / copy).write_bytes(lines(1, 2) + line(3, blanks=40) + lines(4))
    (tmp_path / DESKTOP).write_bytes(lines(6))
    reader = LogReader(tmp_path)
    assert sorted(read(reader)) == [1, 2, 3, 4, 5, 6]
    assert backwards(reader) == [6, 5, 4, 3, 2, 1]
    assert details(LogReader(tmp_path)) == [1, 2, 3, 4, 5, 6]
    assert (reader.skipped_lines, reader.restarts) == (0, 0)


@pytest.mark.parametrize("copy", LONG_COPIES)
def test_copy_with_a_long_name_that_arrives_first_counts_once(tmp_path: Path, copy: str) -> None:
    (tmp_path / copy).write_bytes(lines(1, 2, 4))
    reader = LogReader(tmp_path)
    assert read(reader) == [1, 2, 4]
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 3))
    assert read(reader) == [3]
    append(tmp_path / LAPTOP, lines(5))
    assert read(reader) == [5]
    assert sorted(backwards(reader)) == [1, 2, 3, 4, 5]


def test_file_that_was_copied_to_be_a_machines_counts_once(tmp_path: Path) -> None:
    (tmp_path / "requests-2026-11.jsonl").write_bytes(lines(1, 2, 3))
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 3, 4))
    (tmp_path / "requests-2026-10.laptop.jsonl").write_bytes(lines(1))
    assert sorted(read(LogReader(tmp_path))) == [1, 1, 2, 3, 4]


def test_onedrives_copy_is_told_from_a_machine_with_a_longer_name(tmp_path: Path) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 3))
    (tmp_path / "requests-2026-11.laptop-DESKTOP-7AB.jsonl").write_bytes(lines(1, 2, 4))
    (tmp_path / "requests-2026-11.laptop-2.jsonl").write_bytes(lines(2, 3))
    (tmp_path / "requests-2026-11.jsonl").write_bytes(lines(7))
    (tmp_path / "requests-2026-11-DESKTOP.jsonl").write_bytes(lines(7, 8))
    reader = LogReader(tmp_path)
    assert sorted(read(reader)) == [1, 2, 2, 3, 3, 4, 7, 8]
    assert sorted(backwards(reader)) == [1, 2, 2, 3, 3, 4, 7, 8]


def test_one_machines_files_can_be_read_by_themselves(tmp_path: Path) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1))
    (tmp_path / COPIES[0]).write_bytes(lines(1, 2))
    (tmp_path / DESKTOP).write_bytes(lines(3))
    (tmp_path / "requests-2026-11.jsonl").write_bytes(lines(4))
    for machine, expected in (("laptop", [1, 2]), ("desktop", [3]), ("", [4]), ("other", [])):
        reader = LogReader(tmp_path, machine=machine)
        assert read(reader) == expected
        assert sorted(backwards(reader)) == expected


def test_equal_records_of_one_file_are_two(tmp_path: Path) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 2))
    (tmp_path / COPIES[0]).write_bytes(lines(1, 2, 2))
    (tmp_path / COPIES[1]).write_bytes(lines(2, 2, 2))
    (tmp_path / DESKTOP).write_bytes(lines(2))
    reader = LogReader(tmp_path)
    assert sorted(read(reader)) == [1, 2, 2, 2, 2]
    assert sorted(backwards(reader)) == [1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    "name",
    [
        ".syncthing.requests-2026-11.laptop.jsonl.tmp",
        "~syncthing~requests-2026-11.laptop.jsonl.tmp",
        ".requests-2026-11.laptop.jsonl.icloud",
        ".requests-2026-11.laptop.jsonl.AbCdEf",
        "requests-2026-11.laptop.jsonl.part",
    ],
)
def test_what_a_synchroniser_has_not_finished_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1))
    (tmp_path / name).write_bytes(lines(2))
    assert read(LogReader(tmp_path)) == [1]


def test_copy_that_appears_later_adds_only_what_is_new(tmp_path: Path) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 3))
    reader = LogReader(tmp_path)
    assert read(reader) == [1, 2, 3]
    (tmp_path / COPIES[0]).write_bytes(lines(1, 2, 9))
    assert read(reader) == [9]
    append(tmp_path / LAPTOP, lines(4))
    assert read(reader) == [4]
    append(tmp_path / LAPTOP, lines(9))
    assert read(reader) == []
    assert reader.restarts == 0


def test_original_that_arrives_after_its_copy_adds_only_what_is_new(tmp_path: Path) -> None:
    (tmp_path / COPIES[0]).write_bytes(lines(1, 2, 9))
    reader = LogReader(tmp_path)
    assert read(reader) == [1, 2, 9]
    (tmp_path / LAPTOP).write_bytes(lines(1, 2, 3))
    assert read(reader) == [3]
    assert reader.restarts == 0


def test_other_machines_file_may_come_in_pieces_and_be_replaced(tmp_path: Path) -> None:
    (tmp_path / LAPTOP).write_bytes(lines(1))
    reader = LogReader(tmp_path)
    assert read(reader) == [1]
    replace(tmp_path / DESKTOP, lines(10) + line(11)[:50])
    assert read(reader) == [10]
    for numbers in ((10, 11), (10, 11, 12), (10, 11, 12, 13)):
        replace(tmp_path / DESKTOP, lines(*numbers))
        append(tmp_path / LAPTOP, lines(numbers[-1] - 9))
        assert sorted(read(reader)) == [numbers[-1] - 9, numbers[-1]]
    assert (reader.restarts, reader.skipped_lines) == (0, 0)


def test_files_that_swap_their_inodes_are_each_followed(tmp_path: Path) -> None:
    laptop, desktop = tmp_path / LAPTOP, tmp_path / DESKTOP
    laptop.write_bytes(lines(1))
    desktop.write_bytes(lines(10))
    reader = LogReader(tmp_path)
    assert sorted(read(reader)) == [1, 10]
    # As where inodes that became free are given out again.
    aside = tmp_path / "aside"
    laptop.rename(aside)
    desktop.rename(laptop)
    aside.rename(desktop)
    laptop.write_bytes(lines(1, 2))
    desktop.write_bytes(lines(10, 11))
    assert sorted(read(reader)) == [2, 11]
    assert reader.restarts == 0


def test_file_that_shrinks_and_grows_again_says_so_and_is_whole(tmp_path: Path) -> None:
    (tmp_path / DESKTOP).write_bytes(lines(1, 2, 3))
    reader = LogReader(tmp_path)
    assert read(reader) == [1, 2, 3]
    replace(tmp_path / DESKTOP, lines(1))
    list(reader.read_usage())
    assert reader.restarts == 1
    assert read(LogReader(tmp_path)) == [1]
    replace(tmp_path / DESKTOP, lines(1, 2, 3, 4))
    assert read(LogReader(tmp_path)) == [1, 2, 3, 4]


def test_what_since_passed_over_is_read_once_though_there_is_a_copy(tmp_path: Path) -> None:
    old, young = range(200), range(20_000, 20_050)
    (tmp_path / LAPTOP).write_bytes(lines(*old, *young))
    (tmp_path / COPIES[0]).write_bytes(lines(*old, 201, *young[:9], 20_100))
    reader = LogReader(tmp_path, since=START + timedelta(seconds=20_000))
    (laptop, copy) = reader.files()
    assert laptop.has_copies
    assert copy.has_copies
    found = read(reader)
    for file in (laptop, copy):
        for block in reader.read_passed_over(file):
            found += [record.input_tokens for record in block]
    assert sorted(found) == sorted([*old, 201, *young, 20_100])


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_every_record_counts_once_however_files_and_copies_arrive(data: st.DataObject) -> None:
    names = [LAPTOP, COPIES[0], COPIES[1], DESKTOP]
    shared = data.draw(st.lists(st.integers(0, 3), max_size=4))
    content = {name: list(shared) for name in names[:3]} | {DESKTOP: []}
    with tempfile.TemporaryDirectory() as folder:
        reader = LogReader(Path(folder), block_bytes=data.draw(st.sampled_from([700, 1 << 16])))
        found: list[int] = []
        there: set[str] = set()
        for _ in range(data.draw(st.integers(1, 6))):
            name = data.draw(st.sampled_from(names))
            content[name] += data.draw(st.lists(st.integers(0, 3), max_size=3))
            there.add(name)
            write = data.draw(st.sampled_from([replace, lambda path, body: path.write_bytes(body)]))
            write(Path(folder, name), lines(*content[name]))
            found += data.draw(st.sampled_from([read, details]))(reader)
        laptops = [Counter(content[name]) for name in names[:3] if name in there]
        expected = Counter[int]()
        for each in laptops:
            expected |= each
        if DESKTOP in there:
            expected += Counter(content[DESKTOP])
        assert Counter(found) == expected
        assert Counter(backwards(reader)) == expected
        assert reader.restarts == 0
