"""The file of troubles, with one daemon at it or two, of one version or of two."""

from __future__ import annotations

import stat
import threading
from typing import TYPE_CHECKING

import pytest
from watch_desk import SONNET, Desk, about

from offramp_core.control import api
from offramp_core.errors import OfframpError
from offramp_daemon.trouble import state_file
from offramp_daemon.trouble.state_file import StateWriter

if TYPE_CHECKING:
    from pathlib import Path


def refused(desk: Desk, *sessions: str) -> Desk:
    for session in sessions:
        desk.ask(session)
    return desk


def requests_in(file: Path) -> int:
    return sum(count.requests for count in state_file.load(file).counts)


def test_what_is_saved_is_there_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "data" / "troubles.json"
    desk = refused(Desk(), "s1", "s2", "s3")
    StateWriter(file).save(desk.watch.state())
    later = Desk()
    found = state_file.load(file)
    later.watch.adopt(found.runs, found.counts)
    assert later.watch.troubles() == desk.watch.troubles()
    assert later.watch.stand_ins() == desk.watch.stand_ins()
    assert not later.is_sent("s1")
    assert later.announced == [(api.REFUSED, False)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(each.name for each in file.parent.iterdir()) == [
        "troubles.json",
        "troubles.json.lock",
    ]


def test_no_file_holds_nothing(tmp_path: Path) -> None:
    found = state_file.load(tmp_path / "troubles.json")
    assert (found.runs, found.counts) == ((), ())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"runs":[{}]}',
        b'{"counts":[{"backend":"zai","model":"m","cause":"c","since":"2026-11-24","requests":1}]}',
        b'{"counts":[{"backend":"zai","model":"m","cause":"c","since":"9999-12-31T23:59:59Z",'
        b'"requests":1}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_damaged_file_is_named_and_replaced_by_the_next_save(tmp_path: Path, content) -> None:
    file = tmp_path / "troubles.json"
    file.write_bytes(content)
    with pytest.raises(OfframpError, match="damaged"):
        state_file.load(file)
    StateWriter(file).save(refused(Desk(), "s1").watch.state())
    assert requests_in(file) == 1


def test_two_daemons_at_once_count_each_request_once(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"

    def write(session: str) -> None:
        desk, writer = Desk(), StateWriter(file)
        for _ in range(30):
            desk.watch.note_stood_in(about(session), api.REFUSED)
            writer.save(desk.watch.state())

    writers = [threading.Thread(target=write, args=(name,)) for name in ("s1", "s2", "s3")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert requests_in(file) == 90


def test_save_that_is_repeated_counts_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"
    desk, writer = refused(Desk(), "s1", "s2"), StateWriter(file)
    for _ in range(3):
        found = writer.save(desk.watch.state())
        desk.watch.adopt(found.runs, found.counts, desk.watch.state())
    assert requests_in(file) == 2
    assert sum(count.requests for count in desk.watch.stand_ins()) == 2


def test_requests_counted_while_a_save_is_under_way_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"
    desk, writer = refused(Desk(), "s1"), StateWriter(file)
    state = desk.watch.state()
    found = writer.save(state)
    refused(desk, "s2")
    desk.watch.adopt(found.runs, found.counts, state)
    assert sum(count.requests for count in desk.watch.stand_ins()) == 2
    writer.save(desk.watch.state())
    assert requests_in(file) == 2


def test_run_that_ended_is_not_brought_back_by_the_file(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"
    desk, writer = refused(Desk(), "s1", "s2"), StateWriter(file)
    writer.save(desk.watch.state())
    desk.later(minutes=15)
    desk.ask("s1", cause=None)
    found = writer.save(desk.watch.state())
    desk.watch.adopt(found.runs, found.counts, desk.watch.state())
    assert desk.watch.troubles() == ()
    assert state_file.load(file).runs == ()


def test_later_run_of_another_daemon_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"
    old = refused(Desk(), "s1")
    new = refused(Desk(now=old.now), "s1")
    new_writer = StateWriter(file)
    new_writer.save(new.watch.state())
    old.later(seconds=1)
    refused(old, "s2")
    StateWriter(file).save(old.watch.state())
    found = new_writer.save(new.watch.state())
    new.watch.adopt(found.runs, found.counts, new.watch.state())
    assert not new.is_sent("s3")


def test_daemon_of_an_older_version_leaves_the_runs_of_its_successor(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"
    old, new = Desk(), Desk()
    old_writer, new_writer = StateWriter(file, "1.0"), StateWriter(file, "2.0")
    old_writer.save(refused(old, "s1", "s2").watch.state())
    assert new_writer.save(new.watch.state()).runs == ()
    old_writer.save(refused(old, "s3").watch.state())
    found = state_file.load(file)
    assert (found.version, found.runs) == ("2.0", ())
    assert requests_in(file) == 3


def test_file_holds_no_more_than_ids_names_and_numbers(tmp_path: Path) -> None:
    file = tmp_path / "troubles.json"
    StateWriter(file).save(refused(Desk(), "s1").watch.state())
    text = file.read_text()
    assert SONNET in text
    assert "Hello" not in text
