"""The routes, a row each: what the model's name contains, and where such requests go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCompleter,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from offramp_core.services import DELEGATE, service_of
from offramp_core.setup import model_choices
from offramp_dashboard.settings_page.fields import mark_wrong
from offramp_dashboard.theme import CAPTION, GRID_PX
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.widgets.choice_box import ChoiceBox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EDITED = ("match", "backend", "send_model", "context_tokens")
_MODEL_LINES = "\n".join(f"{model.name}: {model_choices.facts(model)}" for model in DELEGATE.models)
"""What each model takes, as a tool tip."""
_HEADS = ("Model contains", "Goes to", "As model", "Context tokens")


@dataclass(slots=True)
class _Row:
    match: QLineEdit
    backend: ChoiceBox
    send_model: QLineEdit
    context_tokens: QLineEdit
    up: QPushButton
    remove: QPushButton
    more: dict[str, Any]
    """What the file says of the route beyond these fields; it stays as it is."""

    def editors(self) -> dict[str, QWidget]:
        return {
            "match": self.match,
            "backend": self.backend,
            "send_model": self.send_model,
            "context_tokens": self.context_tokens,
        }

    def widgets(self) -> list[QWidget]:
        return [*self.editors().values(), self.up, self.remove]


class RoutesEditor(QWidget):
    """Edits routes; the first that matches decides, so their order can be changed."""

    def __init__(self, backends: Sequence[str], routes: Sequence[Mapping[str, Any]]) -> None:
        """Offer `backends`; begin with `routes`."""
        super().__init__()
        self._backends = tuple(backends)
        self.rows: list[_Row] = []
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX // 2)
        for column, (head, stretch) in enumerate(zip(_HEADS, (3, 2, 3, 2), strict=True)):
            label = QLabel(head)
            label.setProperty("rank", "muted")
            label.setFont(scaled(self.font(), CAPTION))
            self._grid.addWidget(label, 0, column)
            self._grid.setColumnStretch(column, stretch)
        self.add_button = QPushButton("Add a route")
        self.add_button.clicked.connect(self._add_new)
        foot = QGridLayout()
        foot.addWidget(self.add_button, 0, 0)
        foot.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._grid)
        layout.addLayout(foot)
        for route in routes:
            self._add(route)

    def routes(self) -> tuple[dict[str, Any], ...]:
        """As they stand there; what is not a number stays text, to be refused by name."""
        return tuple(
            row.more
            | {
                key: value
                for key, value in (
                    ("match", row.match.text().strip()),
                    ("backend", row.backend.currentText()),
                    ("send_model", row.send_model.text().strip() or None),
                    ("context_tokens", _number(row.context_tokens.text())),
                )
                if value is not None
            }
            for row in self.rows
        )

    def offer(self, backends: Sequence[str]) -> None:
        """Offer these backends from now on; what a row has chosen stays."""
        self._backends = tuple(backends)
        for row in self.rows:
            chosen = row.backend.currentText()
            row.backend.clear()
            row.backend.addItems(tuple(dict.fromkeys((*self._backends, chosen))))
            row.backend.setCurrentText(chosen)
            row.send_model.setCompleter(_models(row.send_model, self._backends))

    def mark(self, place: int, key: str) -> QWidget:
        """Mark what is wrong in a row, besides what is marked already; return that editor."""
        if not 0 <= place < len(self.rows):
            return self
        editors = self.rows[place].editors()
        wrong = editors.get(key, self.rows[place].match)
        mark_wrong(wrong, is_wrong=True)
        return wrong

    def clear_marks(self) -> None:
        """Take all marks back."""
        for row in self.rows:
            for editor in row.editors().values():
                mark_wrong(editor, is_wrong=False)

    def _add_new(self) -> None:
        self._add({"match": "", "backend": self._backends[-1]})
        self.rows[-1].match.setFocus()

    def _add(self, route: Mapping[str, Any]) -> None:
        tokens = route.get("context_tokens")
        row = _Row(
            match=QLineEdit(route["match"]),
            backend=ChoiceBox(),
            send_model=QLineEdit(route.get("send_model") or ""),
            context_tokens=QLineEdit("" if tokens is None else str(tokens)),
            up=QPushButton("↑"),
            remove=QPushButton("✕"),
            more={key: value for key, value in route.items() if key not in _EDITED},
        )
        row.match.setPlaceholderText("part of its name")
        row.send_model.setPlaceholderText("unchanged")
        row.send_model.setCompleter(_models(row.send_model, self._backends))
        row.send_model.setToolTip(_MODEL_LINES)
        row.context_tokens.setPlaceholderText("no limit")
        row.backend.addItems(self._backends)
        row.backend.setCurrentText(route["backend"])
        row.up.clicked.connect(lambda: self._move_up(row))
        row.remove.clicked.connect(lambda: self._remove(row))
        self.rows.append(row)
        self._arrange()

    def _move_up(self, row: _Row) -> None:
        place = self.rows.index(row)
        if place:
            self.rows[place - 1], self.rows[place] = row, self.rows[place - 1]
            self._arrange()

    def _remove(self, row: _Row) -> None:
        self.rows.remove(row)
        for widget in row.widgets():
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._arrange()

    def _arrange(self) -> None:
        """Put every row in its place, and tell a screen reader which it is."""
        last: QWidget | None = None
        for number, row in enumerate(self.rows, start=1):
            for column, widget in enumerate(row.widgets()):
                self._grid.addWidget(widget, number, column)
                if last is not None:
                    self.setTabOrder(last, widget)
                last = widget
            for head, widget in zip(_HEADS, row.editors().values(), strict=True):
                widget.setAccessibleName(f"Route {number}: {head}")
            row.up.setEnabled(number > 1)
            row.up.setToolTip("Ask this route earlier")
            row.up.setAccessibleName(f"Move route {number} up")
            row.remove.setToolTip("Remove this route")
            row.remove.setAccessibleName(f"Remove route {number}")
        if last is not None:
            self.setTabOrder(last, self.add_button)


def _models(field: QLineEdit, backends: Sequence[str]) -> QCompleter:
    """Offer the models of these backends as their names are typed."""
    names = [model.name for name in backends for model in service_of(name).models]
    completer = QCompleter(names, field)
    completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    completer.setFilterMode(Qt.MatchFlag.MatchContains)
    return completer


def _number(text: str) -> int | str | None:
    text = text.strip().replace("_", "").replace(",", "")
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else text
