"""The services beside Z.ai: those that are set up, each with its state, and one to add.

Adding and removing is done at once, by `offramp backend`, which checks the key first.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from offramp_core.services import PRESETS, SERVICES, service_of
from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.widgets.choice_box import ChoiceBox

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from offramp_core.config.backend_list import BackendEntry
    from offramp_dashboard.data.setup.offramp_command import OfframpCommand

_LIMIT_S = 90.0
"""The keyring may ask its user for a password."""
_BUILT_IN = frozenset(service.name for service in SERVICES)


class ServicesEditor(QWidget):
    """Lists services, and has them added and removed.

    Signals:
        changed(): one was added or removed.
        said(str): what is wrong with what was tried last; empty if nothing is.
    """

    changed = Signal()
    said = Signal(str)
    _ended = Signal(str)

    def __init__(
        self, command: OfframpCommand | None, read: Callable[[], Sequence[BackendEntry]]
    ) -> None:
        """Change them by `command`, or not at all; `read` lists them as they are."""
        super().__init__()
        self._command = command
        self._read = read
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(2 * GRID_PX)
        self._rows.setVerticalSpacing(GRID_PX // 2)
        self._rows.setColumnStretch(1, 1)
        self.choice = ChoiceBox()
        self.choice.setAccessibleName("Service to add")
        self.choice.currentIndexChanged.connect(self._change_service)
        self.key = QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.key.setAccessibleName("Key of the service to add")
        self.add_button = QPushButton("Add")
        self.add_button.setAutoDefault(False)
        self.add_button.clicked.connect(self._add)
        foot = QHBoxLayout()
        foot.addWidget(self.choice)
        foot.addWidget(self.key, 1)
        foot.addWidget(self.add_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        layout.addLayout(foot)
        self.remove_buttons: dict[str, QPushButton] = {}
        self._ended.connect(self._finish, Qt.ConnectionType.QueuedConnection)
        self._fill()

    def _fill(self) -> None:
        """Show the services as they are now."""
        while (item := self._rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.remove_buttons = {}
        found = [entry for entry in self._read() if entry.name not in _BUILT_IN]
        there = [entry for entry in found if entry.is_set_up]
        for row, entry in enumerate(there):
            self._add_row(row, entry)
        self._fill_choice({entry.name for entry in there})
        self._set_enabled(is_enabled=True)
        self._show_key()

    def _fill_choice(self, there: Collection[str]) -> None:
        """Offer the services that are not `there`; what was chosen stays chosen, and its key."""
        chosen, key = self.choice.currentData(), self.key.text()
        self.choice.clear()
        for service in PRESETS:
            if service.name not in there:
                self.choice.addItem(service.title, service.name)
        place = self.choice.findData(chosen) if chosen is not None else -1
        if place >= 0:
            self.choice.setCurrentIndex(place)
            self.key.setText(key)

    def _add_row(self, row: int, entry: BackendEntry) -> None:
        used = f"used by {' and '.join(entry.uses)}" if entry.uses else "not used yet"
        title = QLabel(entry.title, textFormat=Qt.TextFormat.PlainText)
        state = QLabel(f"key {entry.key}, {used}", textFormat=Qt.TextFormat.PlainText)
        state.setProperty("rank", "muted")
        state.setWordWrap(True)
        remove = QPushButton("✕")
        remove.setAutoDefault(False)
        remove.setEnabled(entry.can_be_removed and self._command is not None)
        why_not = "It is in use, so it can't be removed"
        remove.setToolTip("Remove this service" if entry.can_be_removed else why_not)
        remove.setAccessibleName(f"Remove {entry.title}")
        remove.clicked.connect(lambda: self._run("remove", entry.name))
        self.remove_buttons[entry.name] = remove
        for column, widget in enumerate((title, state, remove)):
            self._rows.addWidget(widget, row, column)

    def _change_service(self) -> None:
        """Forget the key that was typed: it belongs to the service that was chosen before."""
        self.key.clear()
        self._show_key()

    def _show_key(self) -> None:
        """Ask for a key only where one is wanted."""
        name = self.choice.currentData()
        takes_key = name is not None and service_of(name).backend.takes_key
        self.key.setVisible(takes_key)
        if takes_key:
            self.key.setPlaceholderText(f"Key from {service_of(name).key_source}")

    def _add(self) -> None:
        name = self.choice.currentData()
        if name is None:
            return
        key = self.key.text().strip()
        if service_of(name).backend.takes_key and not key:
            self.said.emit(f"Type or paste the key of {service_of(name).title} first.")
            self.key.setFocus()
            return
        self._run("add", name, given=key)

    def _run(self, *arguments: str, given: str = "") -> None:
        if self._command is None:
            return
        self.said.emit("")
        self._set_enabled(is_enabled=False)
        threading.Thread(
            target=self._work, args=(arguments, given), name="offramp-backend", daemon=True
        ).start()

    def _work(self, arguments: tuple[str, ...], given: str) -> None:
        assert self._command is not None
        ended = self._command.run("backend", *arguments, "--json", given=given, limit_s=_LIMIT_S)
        problem = "" if ended.code == 0 else f"{ended.error} {ended.hint}".strip()
        with contextlib.suppress(RuntimeError):  # the dialog has gone meanwhile
            self._ended.emit(problem)

    def _finish(self, problem: str) -> None:
        if not problem:
            self.key.clear()
        self._fill()
        self.said.emit(problem)
        if not problem:
            self.changed.emit()

    def _set_enabled(self, *, is_enabled: bool) -> None:
        can_add = is_enabled and self._command is not None
        for widget in (self.choice, self.key, self.add_button):
            widget.setEnabled(can_add)
        if not is_enabled:
            for button in self.remove_buttons.values():
                button.setEnabled(False)
