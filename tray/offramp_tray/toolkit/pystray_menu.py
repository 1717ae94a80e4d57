"""The view's rows as pystray takes a menu, and the way to import pystray without a display."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from offramp_tray.view.view_model import MenuRow, RowKind

if TYPE_CHECKING:
    from collections.abc import Callable

_CHOICE = "PYSTRAY_BACKEND"

# On import pystray picks a backend, and on Linux fails with what it picks where there is no
# display. The dummy needs nothing; the real ones are imported by name.
_chosen = os.environ.get(_CHOICE)
os.environ[_CHOICE] = "dummy"
try:
    from pystray import _base as pystray_base
finally:
    if _chosen is None:
        del os.environ[_CHOICE]
    else:
        os.environ[_CHOICE] = _chosen

__all__ = ["RowMenu", "pystray_base"]


class RowMenu(pystray_base.Menu):  # type: ignore[misc]  # pystray has no types
    """Rows, for every backend: pystray's own read the items, ours the rows."""

    def __init__(self, rows: tuple[MenuRow, ...], on_click: Callable[[str], None]) -> None:
        """Call `on_click` with a row's key."""
        super().__init__(*(_item(row, on_click) for row in rows))
        self.rows = rows


def _item(row: MenuRow, on_click: Callable[[str], None]) -> Any:
    if row.kind is RowKind.SEPARATOR:
        # pystray knows it by identity, so that it can't be hidden; it drops those with nothing
        # to separate by itself.
        return pystray_base.Menu.SEPARATOR
    is_check = row.kind is RowKind.CHECK
    return pystray_base.MenuItem(
        row.text,
        RowMenu(row.rows, on_click)
        if row.kind is RowKind.SUBMENU
        else lambda _icon, _item: on_click(row.key),
        checked=(lambda _item: row.is_checked) if is_check else None,
        enabled=row.is_enabled,
        visible=row.is_visible,
    )
