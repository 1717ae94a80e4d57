"""The menu as panels get it: rows with numbers, each with its properties; pure, no bus.

A row has the same number for as long as the process lives, however often the menu changes: a click
that comes late still means the row that was clicked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbus_fast.signature import Variant

from offramp_tray.linux.dbus_object import plain_text
from offramp_tray.view.row_order import RowNumbers, can_be_chosen, visible_keys
from offramp_tray.view.view_model import MenuRow, RowKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = 0
"""The menu itself."""

LAYOUT = "(ia{sv}av)"

Properties = dict[str, Variant]


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One row, numbered: what it looks like, and the numbers of the rows below it."""

    row: MenuRow | None
    """None for the menu itself."""
    properties: Properties
    below: tuple[int, ...]

    @property
    def is_seen(self) -> bool:
        """Whether it takes a place; of a separator, whether it has something to separate."""
        visible = self.properties.get("visible")
        return visible is not None and bool(visible.value)

    @property
    def can_be_clicked(self) -> bool:
        """Whether a click on it means something."""
        row = self.row
        return row is not None and row.kind is not RowKind.SUBMENU and can_be_chosen(row)


@dataclass(frozen=True, slots=True)
class MenuLayout:
    """A whole menu."""

    entries: Mapping[int, MenuEntry]

    @classmethod
    def of(cls, rows: tuple[MenuRow, ...], numbers: RowNumbers) -> MenuLayout:
        """The menu with these rows."""
        entries: dict[int, MenuEntry] = {}
        below = _add(rows, numbers, entries)
        entries[ROOT] = MenuEntry(None, {"children-display": Variant("s", "submenu")}, below)
        return cls(entries)

    @property
    def places(self) -> tuple[object, frozenset[int]]:
        """What must be equal for every row to stay where it is: those there are, and those seen."""
        return self.structure, frozenset(
            number for number, entry in self.entries.items() if entry.is_seen
        )

    @property
    def structure(self) -> dict[int, tuple[RowKind | None, tuple[int, ...]]]:
        """What must be equal for a menu to be changed only by properties."""
        return {
            number: (entry.row.kind if entry.row else None, entry.below)
            for number, entry in self.entries.items()
        }

    def repainted(self, newer: MenuLayout) -> MenuLayout:
        """Its own places, with the look of those rows that are there, and seen, in both."""
        entries = {}
        for number, entry in self.entries.items():
            other = newer.entries.get(number)
            is_in_both = other and entry.row and other.row and entry.row.kind is other.row.kind
            if other and is_in_both and entry.is_seen is other.is_seen:
                entry = MenuEntry(other.row, other.properties, entry.below)  # noqa: PLW2901 - plainer
            entries[number] = entry
        return MenuLayout(entries)

    def changes_from(self, older: MenuLayout) -> list[list[Any]]:
        """Of each row that looks different now: its number, and the properties that changed."""
        changes = []
        for number, entry in self.entries.items():
            before = older.entries.get(number)
            if before is not None and before.properties != entry.properties:
                changed = {
                    name: value
                    for name, value in entry.properties.items()
                    if before.properties.get(name) != value
                }
                changes.append([number, changed])
        return changes

    def tree(self, number: int, depth: int, names: Iterable[str]) -> list[Any]:
        """The row with that number and `depth` levels below it (-1: all), as the bus takes it."""
        entry = self.entries[number]
        below = () if depth == 0 else entry.below
        return [
            number,
            chosen(entry.properties, names),
            [Variant(LAYOUT, self.tree(each, depth - 1, names)) for each in below],
        ]


def chosen(properties: Properties, names: Iterable[str]) -> Properties:
    """Those with these names; all if there are none."""
    wanted = set(names)
    return {name: value for name, value in properties.items() if not wanted or name in wanted}


def _add(
    rows: tuple[MenuRow, ...], numbers: RowNumbers, entries: dict[int, MenuEntry]
) -> tuple[int, ...]:
    visible = visible_keys(rows)
    for row in rows:
        entries[numbers.of(row.key)] = MenuEntry(
            row, _properties(row, is_visible=row.key in visible), _add(row.rows, numbers, entries)
        )
    return tuple(numbers.of(row.key) for row in rows)


def _properties(row: MenuRow, *, is_visible: bool) -> Properties:
    """All that can change are always there: few panels know how to take one away."""
    visible = Variant("b", is_visible)
    if row.kind is RowKind.SEPARATOR:
        return {"type": Variant("s", "separator"), "visible": visible}
    properties = {
        "label": Variant("s", _label(row.text)),
        "enabled": Variant("b", row.is_enabled),
        "visible": visible,
    }
    if row.kind is RowKind.CHECK:
        properties["toggle-type"] = Variant("s", "checkmark")
        properties["toggle-state"] = Variant("i", int(row.is_checked))
    if row.kind is RowKind.SUBMENU:
        properties["children-display"] = Variant("s", "submenu")
    return properties


def _label(text: str) -> str:
    """A single underscore would be an access key; a line break would break the row."""
    return " ".join(plain_text(text).split("\n")).replace("_", "__")
