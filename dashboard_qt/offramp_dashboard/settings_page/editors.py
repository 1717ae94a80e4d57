"""The settings page's editors, and the value that each of them shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QLocale

from offramp_dashboard.settings_page.routes_editor import RoutesEditor
from offramp_dashboard.views.widgets.choice_box import ChoiceBox
from offramp_dashboard.views.widgets.tick_box import TickBox

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


def combo(choices: tuple[tuple[Any, str], ...]) -> ChoiceBox:
    """A box of values, each with its words."""
    box = ChoiceBox()
    for value, text in choices:
        box.addItem(text, value)
    return box


def days() -> tuple[tuple[int, str], ...]:
    """The week's days as the system calls them; 0 is Sunday, which Qt counts as the seventh."""
    return tuple((day, QLocale().dayName(day or 7)) for day in range(7))


def show(editor: QWidget, value: Any) -> None:
    """Have it show `value`."""
    match editor:
        case ChoiceBox():
            editor.setCurrentIndex(editor.findData(value))
        case TickBox():
            editor.setChecked(bool(value))


def value_of(editor: QWidget) -> Any:
    """What it shows."""
    match editor:
        case ChoiceBox():
            return editor.currentData()
        case TickBox():
            return editor.isChecked()
        case RoutesEditor():
            return editor.routes()
