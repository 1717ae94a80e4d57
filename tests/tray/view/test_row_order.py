"""Rows, whatever shows them."""

from __future__ import annotations

import pytest
from running_host import sample_rows

from offramp_tray.view.row_order import (
    RowNumbers,
    all_rows,
    can_be_chosen,
    structure_of,
    visible_keys,
)
from offramp_tray.view.view_model import MenuRow, RowKind


def _rows(shape: str) -> tuple[MenuRow, ...]:
    """A row for each letter, `-` for a separator, `.` for a hidden row."""
    kinds = {"-": RowKind.SEPARATOR}
    return tuple(
        MenuRow(key=f"{place}{sign}", kind=kinds.get(sign, RowKind.ACTION), is_visible=sign != ".")
        for place, sign in enumerate(shape)
    )


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ("a-b", "a-b"),
        ("-a", "a"),
        ("a-", "a"),
        ("a--b", "a-b"),
        ("a-.-b", "a-b"),
        (".-a-b-.", "a-b"),
        ("a-b-c", "a-b-c"),
        ("a.-", "a"),
        ("--", ""),
        ("", ""),
    ],
)
def test_separators_are_seen_only_between_rows_that_are(shape: str, seen: str) -> None:
    rows = _rows(shape)
    visible = visible_keys(rows)
    assert "".join(row.key[-1] for row in rows if row.key in visible) == seen


def test_separator_that_is_hidden_stays_hidden() -> None:
    rows = (
        MenuRow(key="a", kind=RowKind.ACTION),
        MenuRow(key="line", kind=RowKind.SEPARATOR, is_visible=False),
        MenuRow(key="b", kind=RowKind.ACTION),
    )
    assert visible_keys(rows) == {"a", "b"}


def test_numbers_stay_with_their_keys() -> None:
    numbers = RowNumbers()
    first = [numbers.of(key) for key in ("a", "b", "c")]
    assert [numbers.of(key) for key in ("c", "new", "a", "b")] == [first[2], 4, *first[:2]]
    assert first == [1, 2, 3]


def test_looks_are_no_part_of_the_structure() -> None:
    assert structure_of(sample_rows()) == structure_of(sample_rows(is_paused=True, headline="?"))
    assert structure_of(sample_rows()) != structure_of(sample_rows()[1:])


def test_all_rows_come_with_those_below_them() -> None:
    keys = [row.key for row in all_rows(sample_rows())]
    assert keys[3:6] == ["pause-for", "hour", "tomorrow"]


@pytest.mark.parametrize(
    ("row", "can"),
    [
        (MenuRow(key="k", kind=RowKind.ACTION), True),
        (MenuRow(key="k", kind=RowKind.CHECK), True),
        (MenuRow(key="k", kind=RowKind.SUBMENU), True),
        (MenuRow(key="k", kind=RowKind.TEXT), True),
        (MenuRow(key="k", kind=RowKind.TEXT, is_enabled=False), False),
        (MenuRow(key="k", kind=RowKind.SEPARATOR), False),
        (MenuRow(key="k", kind=RowKind.ACTION, is_enabled=False), False),
        (MenuRow(key="k", kind=RowKind.ACTION, is_visible=False), False),
    ],
)
def test_only_rows_that_do_something_can_be_chosen(row: MenuRow, can: bool) -> None:
    assert can_be_chosen(row) is can
