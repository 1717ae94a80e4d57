"""The menu as panels get it."""

from __future__ import annotations

from typing import Any

import pytest
from dbus_fast.unpack import unpack_variants
from running_host import sample_rows

from offramp_tray.linux.dbus_menu_layout import ROOT, MenuLayout
from offramp_tray.view.row_order import RowNumbers
from offramp_tray.view.view_model import MenuRow, RowKind


def _properties_of(row: MenuRow) -> dict[str, Any]:
    layout = MenuLayout.of((row,), RowNumbers())
    values: dict[str, Any] = unpack_variants(layout.entries[1].properties)
    return values


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Open config_file", "Open config__file"),
        ("a__b", "a____b"),
        ("two\nlines", "two lines"),
        ("nothing\0here", "nothinghere"),
        ("half \ud83d character", "half ? character"),
        ("Ümläute … ☕", "Ümläute … ☕"),
    ],
)
def test_label_shows_the_text_as_it_is(text: str, label: str) -> None:
    assert _properties_of(MenuRow(key="k", kind=RowKind.ACTION, text=text))["label"] == label


@pytest.mark.parametrize(
    ("row", "properties"),
    [
        (
            MenuRow(key="k", kind=RowKind.TEXT, text="t"),
            {"label": "t", "enabled": True, "visible": True},
        ),
        (
            MenuRow(key="k", kind=RowKind.ACTION, text="t", is_enabled=False),
            {"label": "t", "enabled": False, "visible": True},
        ),
        (
            MenuRow(key="k", kind=RowKind.CHECK, text="t", is_checked=True),
            {
                "label": "t",
                "enabled": True,
                "visible": True,
                "toggle-type": "checkmark",
                "toggle-state": 1,
            },
        ),
        (
            MenuRow(key="k", kind=RowKind.CHECK, text="t", is_visible=False),
            {
                "label": "t",
                "enabled": True,
                "visible": False,
                "toggle-type": "checkmark",
                "toggle-state": 0,
            },
        ),
        (
            MenuRow(key="k", kind=RowKind.SUBMENU, text="t"),
            {"label": "t", "enabled": True, "visible": True, "children-display": "submenu"},
        ),
        (MenuRow(key="k", kind=RowKind.SEPARATOR), {"type": "separator", "visible": False}),
    ],
)
def test_each_kind_of_row_has_its_properties(row: MenuRow, properties: dict[str, Any]) -> None:
    assert _properties_of(row) == properties


def test_tree_ends_at_the_depth_asked_for() -> None:
    layout = MenuLayout.of(sample_rows(), RowNumbers())

    def depth_of(tree: list[Any]) -> int:
        return max((1 + depth_of(below.value) for below in tree[2]), default=0)

    assert [depth_of(layout.tree(ROOT, depth, [])) for depth in (0, 1, 2, -1)] == [0, 1, 2, 2]


def test_tree_holds_the_properties_asked_for() -> None:
    layout = MenuLayout.of(sample_rows(), RowNumbers())
    [_number, properties, below] = unpack_variants(layout.tree(ROOT, 1, ["label"]))
    assert properties == {}
    assert {name for row in below for name in row[1]} == {"label"}


def test_change_names_the_rows_and_properties_that_differ_alone() -> None:
    numbers = RowNumbers()
    before = MenuLayout.of(sample_rows(), numbers)
    after = MenuLayout.of(sample_rows(is_paused=True), numbers)
    assert unpack_variants(after.changes_from(before)) == [
        [numbers.of("pause"), {"toggle-state": 1}]
    ]


def test_row_that_appears_brings_its_separator_with_it() -> None:
    numbers = RowNumbers()

    def rows(*, is_visible: bool) -> tuple[MenuRow, ...]:
        return (
            MenuRow(key="a", kind=RowKind.ACTION, text="a"),
            MenuRow(key="line", kind=RowKind.SEPARATOR),
            MenuRow(key="b", kind=RowKind.ACTION, text="b", is_visible=is_visible),
        )

    changes = MenuLayout.of(rows(is_visible=True), numbers).changes_from(
        MenuLayout.of(rows(is_visible=False), numbers)
    )
    assert unpack_variants(changes) == [
        [numbers.of("line"), {"visible": True}],
        [numbers.of("b"), {"visible": True}],
    ]


def test_repainted_menu_keeps_its_rows_and_takes_their_looks() -> None:
    numbers = RowNumbers()
    before = MenuLayout.of(sample_rows(), numbers)
    newer = MenuLayout.of(
        (
            MenuRow(key="new", kind=RowKind.ACTION, text="new"),
            MenuRow(key="charts", kind=RowKind.TEXT, text="another kind"),
            *sample_rows(is_paused=True)[1:4],
        ),
        numbers,
    )
    repainted = before.repainted(newer)
    assert repainted.structure == before.structure
    changes = dict(unpack_variants(repainted.changes_from(before)))
    assert changes == {numbers.of("pause"): {"toggle-state": 1}}
