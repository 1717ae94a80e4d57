"""What every way to show a menu needs to know of its rows; pure, and without a toolkit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_tray.view.view_model import MenuRow, RowKind

if TYPE_CHECKING:
    from collections.abc import Iterator

Structure = tuple[tuple[str, RowKind, "Structure"], ...]


class RowNumbers:
    """Gives each key its number, for as long as the process lives.

    A click that comes late, after the menu has changed, still means the row that was clicked.
    """

    def __init__(self) -> None:
        """No key has one yet."""
        self._numbers: dict[str, int] = {}

    def of(self, key: str) -> int:
        """The number of `key`, from 1 on."""
        return self._numbers.setdefault(key, len(self._numbers) + 1)


def all_rows(rows: tuple[MenuRow, ...]) -> Iterator[MenuRow]:
    """These rows and those below them, top to bottom."""
    for row in rows:
        yield row
        yield from all_rows(row.rows)


def structure_of(rows: tuple[MenuRow, ...]) -> Structure:
    """What must be equal for a menu to change only its looks, and no row's place."""
    return tuple((row.key, row.kind, structure_of(row.rows)) for row in rows)


def can_be_chosen(row: MenuRow) -> bool:
    """Whether it is there, and not grey."""
    return row.is_visible and row.is_enabled and row.kind is not RowKind.SEPARATOR


def visible_keys(rows: tuple[MenuRow, ...]) -> frozenset[str]:
    """Which of these, side by side, are seen: of the separators those that separate something.

    None is first, none last, and no two come together.
    """
    seen: set[str] = set()
    waiting: str | None = None
    is_something_above = False
    for row in rows:
        if not row.is_visible:
            continue
        if row.kind is RowKind.SEPARATOR:
            waiting = waiting or (row.key if is_something_above else None)
        else:
            is_something_above = True
            seen |= {row.key, waiting} if waiting else {row.key}
            waiting = None
    return frozenset(seen)
