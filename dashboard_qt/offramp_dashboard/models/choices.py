"""The providers or models that can be toggled, as a list that is checked and unchecked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from offramp_dashboard.plain_tooltips import tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_dashboard.data.snapshot import FilterOption

CHOICE_ROLE = Qt.ItemDataRole.UserRole + 1
"""The whole `FilterOption`."""

_Index = QModelIndex | QPersistentModelIndex


class ChoicesModel(QAbstractListModel):
    """Choices with a check mark each. It decides nothing: what is checked comes by `show`.

    Signals:
        toggled(str, bool): the user wants the choice of that key shown or hidden.
    """

    toggled = Signal(str, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        """Nothing to choose from yet."""
        super().__init__(parent)
        self._choices: tuple[FilterOption, ...] = ()

    def show(self, choices: Sequence[FilterOption]) -> None:
        """Take over the `Snapshot`'s choices; rows keep their place if only their marks changed."""
        new = tuple(choices)
        if new == self._choices:
            return
        if [choice.key for choice in new] != [choice.key for choice in self._choices]:
            self.beginResetModel()
            self._choices = new
            self.endResetModel()
            return
        self._choices = new
        self.dataChanged.emit(self.index(0), self.index(len(new) - 1))

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's signature
        """How many there are."""
        return 0 if parent.isValid() else len(self._choices)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A choice's name and mark."""
        if not index.isValid() or not index.row() < len(self._choices):
            return None
        choice = self._choices[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return choice.name
            case Qt.ItemDataRole.CheckStateRole:
                return Qt.CheckState.Checked if choice.is_on else Qt.CheckState.Unchecked
            case Qt.ItemDataRole.ToolTipRole:
                return tip(choice.key or choice.name)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{choice.name}, {'shown' if choice.is_on else 'hidden'}"
        return choice if role == int(CHOICE_ROLE) else None

    def setData(  # noqa: N802 - Qt's name
        self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Pass on what the user checked; the mark itself changes with the next snapshot."""
        if role != Qt.ItemDataRole.CheckStateRole or not index.isValid():
            return False
        is_on = Qt.CheckState(value) == Qt.CheckState.Checked
        self.toggled.emit(self._choices[index.row()].key, is_on)
        return True

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Each can be checked."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return (
            Qt.ItemFlag.ItemIsEnabled
            | Qt.ItemFlag.ItemIsSelectable
            | Qt.ItemFlag.ItemIsUserCheckable
            | Qt.ItemFlag.ItemNeverHasChildren
        )
