"""What was said is known to the next tray for a week, and a bad file stops nothing."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from offramp_tray.state.said_notifications import FOR_SO_LONG, SaidNotifications

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 25, 13, tzinfo=UTC)
A_BIT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("later", "is_known"),
    [(timedelta(), True), (FOR_SO_LONG - A_BIT, True), (FOR_SO_LONG, False), (-2 * A_BIT, True)],
)
def test_next_tray_knows_what_was_said_for_a_week(
    tmp_path: Path, later: timedelta, is_known: bool
) -> None:
    file = tmp_path / "data" / "said.json"
    SaidNotifications(file).keep("trouble", NOW)
    assert SaidNotifications(file).was_said("trouble", NOW + later) is is_known
    assert not SaidNotifications(file).was_said("another", NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("begin", "is_known"),
    [
        (NOW - FOR_SO_LONG, False),
        (NOW - FOR_SO_LONG + A_BIT, True),
        (NOW, True),
        (NOW + A_BIT, False),
    ],
)
def test_next_tray_knows_in_which_week_it_was_said(
    tmp_path: Path, begin: datetime, is_known: bool
) -> None:
    file = tmp_path / "said.json"
    SaidNotifications(file).keep("week", NOW)
    assert SaidNotifications(file).was_said_in_week("week", begin) is is_known
    assert not SaidNotifications(file).was_said_in_week("another", begin)


def test_only_the_newest_are_kept_and_none_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "said.json"
    said = SaidNotifications(file)
    said.keep("old", NOW - FOR_SO_LONG)
    for number in range(300):
        said.keep(str(number), NOW + timedelta(seconds=number))
    assert file.stat().st_size < 64 * 1024
    kept = SaidNotifications(file)
    assert kept.was_said("299", NOW)
    assert not kept.was_said("0", NOW)
    assert not kept.was_said("old", NOW)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": "2026-11-25T13:00:00"}', b"\xff", b"{}" * 99999]
)
def test_damaged_file_forgets_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "said.json"
    file.write_bytes(data)
    said = SaidNotifications(file)
    assert not said.was_said("a", NOW)
    said.keep("a", NOW)
    assert SaidNotifications(file).was_said("a", NOW)


def test_folder_that_can_not_be_made_costs_the_next_trays_memory_only(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"in the way")
    said = SaidNotifications(tmp_path / "data" / "said.json")
    said.keep("a", NOW)
    assert said.was_said("a", NOW)
