"""The scrolling part of the settings page: its fields in their order, and what is wrong there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from offramp_dashboard.settings_page import form
from offramp_dashboard.settings_page.routes_editor import RoutesEditor
from offramp_dashboard.theme import GRID_PX, HEADING
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.config.values import ConfigError
    from offramp_dashboard.settings_page.fields import Field


class FormArea(QScrollArea):
    """Holds the fields; it reads no settings and writes none."""

    def __init__(self) -> None:
        """No field yet."""
        super().__init__()
        self.fields: dict[str, Field] = {}
        self._form = QFormLayout()
        self._form.setHorizontalSpacing(3 * GRID_PX)
        self._form.setVerticalSpacing(GRID_PX + 4)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        content = QWidget()
        content.setObjectName("page")
        inner = QVBoxLayout(content)
        inner.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        inner.addLayout(self._form)
        inner.addStretch(1)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(content)

    def add_heading(self, text: str) -> None:
        """Begin another group of fields."""
        label = QLabel(text)
        label.setFont(scaled(self.font(), HEADING, is_bold=True))
        label.setContentsMargins(0, GRID_PX if self.fields else 0, 0, 0)
        self._form.addRow(label)

    def add(self, name: str, key: str, field: Field) -> None:
        """Put `field` below the others, with `name` beside it."""
        self.fields[key] = field
        label = QLabel(name)
        label.setBuddy(field.editor)
        # The label's middle is on its control's, whatever stands below that.
        label.setFixedHeight(field.first_line_px())
        self._form.addRow(label, field)

    def label_of(self, field: Field) -> QLabel | None:
        """The label that stands beside `field`."""
        label = self._form.labelForField(field)
        return label if isinstance(label, QLabel) else None

    def order_focus(self, buttons: Sequence[QWidget]) -> None:
        """Begin with the first field that can be edited; `buttons` come last."""
        editors = [field.editor for field in self.fields.values() if field.editor.isEnabled()]
        for button in buttons:
            self.setTabOrder(editors[-1], button)
        editors[0].setFocus()

    def blame(self, errors: Sequence[ConfigError]) -> list[ConfigError]:
        """Mark every field that is wrong, and go to the first; return errors of no field."""
        said: dict[str, list[str]] = {}
        first: list[tuple[int, QWidget]] = []
        others: list[ConfigError] = []
        order = list(self.fields)
        for error in errors:
            name, row, key = form.field_of(error)
            field = self.fields.get(name)
            if field is None:
                others.append(error)
                continue
            where = f"Route {row + 1}: " if row >= 0 else ""
            said.setdefault(name, []).append(f"{where}{form.field_error(error)}")
            editor = field.editor
            wrong = editor.mark(row, key) if isinstance(editor, RoutesEditor) else editor
            first.append((order.index(name), wrong))
        for name, texts in said.items():
            self.fields[name].set_error("\n".join(dict.fromkeys(texts)))
        if first:
            self._go_to(min(first, key=lambda one: one[0])[1])
        return others

    def clear_errors(self) -> None:
        """Take all marks back."""
        for field in self.fields.values():
            field.set_error("")
            if isinstance(field.editor, RoutesEditor):
                field.editor.clear_marks()

    def _go_to(self, editor: QWidget) -> None:
        editor.setFocus()
        # The fields have grown by their errors, which the layout learns of in a moment.
        self._form.activate()
        self.ensureWidgetVisible(editor, 0, 8 * GRID_PX)
