"""What doctor sees of several machines in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offramp_cli.doctor.checks import check_machines
from offramp_core import machine_id
from offramp_core.usage import state_events
from offramp_core.usage.state_events import StateEvent

if TYPE_CHECKING:
    from pathlib import Path

OURS, THEIRS = "a" * 16, "b" * 16


def started(folder: Path, name: str, *ids: str | None, first_day: int = 10) -> None:
    lines = (
        StateEvent(
            ts=f"2026-11-{first_day + day}T10:00:00.000Z",
            event=state_events.STARTED,
            machine_id=machine,
        )
        for day, machine in enumerate(ids)
    )
    (folder / name).write_bytes(b"".join(map(state_events.encode, lines)))


def said(folder: Path, name: str = "laptop", own_id: str | None = OURS) -> list[str]:
    found = check_machines.judge(check_machines.look(folder, name, own_id))
    return [f"{remark.severity.value}: {remark.saw}" for remark in found]


def test_machines_that_keep_apart_are_not_worth_a_word(tmp_path: Path) -> None:
    started(tmp_path, "events.laptop.jsonl", OURS, OURS)
    started(tmp_path, "events.desktop.jsonl", THEIRS)
    (tmp_path / "requests-2026-11.desktop.jsonl").touch()
    assert said(tmp_path) == []
    assert said(tmp_path / "none") == []


@pytest.mark.parametrize(
    "ids", [(OURS, THEIRS), (THEIRS, OURS, THEIRS), (OURS, None, THEIRS, OURS)]
)
def test_second_machine_of_the_same_name_is_said(tmp_path: Path, ids: tuple[str, ...]) -> None:
    started(tmp_path, "events.laptop.jsonl", *ids)
    assert said(tmp_path) == ["warning: Another machine writes under the name laptop too."]


def test_name_that_differs_in_capitals_only_is_the_same_one(tmp_path: Path) -> None:
    started(tmp_path, "events.laptop.jsonl", OURS)
    started(tmp_path, "events.Laptop.jsonl", OURS, THEIRS)
    assert said(tmp_path) == ["warning: Another machine writes under the name laptop too."]


def test_second_machine_that_was_given_another_name_is_none_any_more(tmp_path: Path) -> None:
    started(tmp_path, "events.laptop.jsonl", OURS, THEIRS, OURS)
    started(tmp_path, "events.desktop.jsonl", THEIRS, first_day=20)
    assert said(tmp_path) == []
    started(tmp_path, "events.laptop.jsonl", OURS, THEIRS, first_day=25)
    assert said(tmp_path) == ["warning: Another machine writes under the name laptop too."]


def test_second_machine_is_seen_in_a_conflict_copy(tmp_path: Path) -> None:
    started(tmp_path, "events.laptop.jsonl", OURS)
    started(tmp_path, "events.laptop.sync-conflict-20261130-101010-ABCDEFG.jsonl", OURS, THEIRS)
    first, second = said(tmp_path)
    assert first == "warning: Another machine writes under the name laptop too."
    assert "1 conflict copy (events.laptop.sync-conflict" in second


@pytest.mark.parametrize("own_id", [OURS, None])
def test_machine_that_was_set_up_again_is_no_second_one(tmp_path: Path, own_id: str | None) -> None:
    started(tmp_path, "events.laptop.jsonl", THEIRS, None, OURS)
    assert said(tmp_path, own_id=own_id) == []


def test_machine_without_a_name_among_named_ones_is_said(tmp_path: Path) -> None:
    (tmp_path / "requests-2026-11.desktop.jsonl").touch()
    assert said(tmp_path, name="") == [
        "warning: Other machines write into this folder (desktop), and this one has no name."
    ]


def test_older_log_under_a_name_of_the_users_is_no_conflict_copy(tmp_path: Path) -> None:
    (tmp_path / "requests-before.jsonl").touch()
    assert said(tmp_path, name="") == []


def test_id_is_made_once_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "data" / "machine-id"
    assert machine_id.load(file) is None
    made = machine_id.load_or_make(file)
    assert made is not None
    assert machine_id.load_or_make(file) == machine_id.load(file) == made
    file.write_bytes(b"\xff nonsense")
    assert machine_id.load_or_make(file) not in (None, made)
    (tmp_path / "file").touch()
    assert machine_id.load_or_make(tmp_path / "file" / "machine-id") is None
