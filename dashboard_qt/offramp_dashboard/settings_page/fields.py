"""One row of the form: a name, an editor, and below it why a value can't be taken."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from offramp_dashboard.theme import CAPTION
from offramp_dashboard.views.style.fonts import scaled


class Field(QWidget):
    """An editor with its hint and its error."""

    def __init__(self, name: str, editor: QWidget, hint: str = "") -> None:
        """`name` is what a screen reader calls the editor."""
        super().__init__()
        self.editor = editor
        editor.setAccessibleName(name)
        self._hint = QLabel(hint)
        self._error = QLabel()
        for label, rank in ((self._hint, "muted"), (self._error, "danger")):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setProperty("rank", rank)
            label.setFont(scaled(self.font(), CAPTION))
            label.setWordWrap(True)
        self._hint.setVisible(bool(hint))
        self._error.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        is_wide = isinstance(editor, QLineEdit) or editor.layout() is not None
        layout.addWidget(editor, 0, Qt.AlignmentFlag(0) if is_wide else Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._hint)
        layout.addWidget(self._error)

    def first_line_px(self) -> int:
        """How high the line is that the label stands beside."""
        head = self.editor.layout()
        if head is None:
            return self.editor.sizeHint().height()
        return self.fontMetrics().height()

    def set_hint(self, hint: str) -> None:
        """Say a line below."""
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))

    def force(self, variable: str) -> None:
        """Show that `variable` of the environment sets this, so that it can't be edited here."""
        self.editor.setEnabled(False)
        self.set_hint(f"Set by {variable} in the environment, which wins over this form.")

    def set_error(self, text: str) -> None:
        """Say what is wrong; nothing takes it back."""
        self._error.setText(text)
        self._error.setVisible(bool(text))
        # QFormLayout gives a row that has grown what it hints at, and not what its lines take at
        # this width: without this the editors above them are squeezed.
        lines_px = self._error.heightForWidth(self.width()) if text else 0
        self._error.setMinimumHeight(max(0, lines_px))
        mark_wrong(self.editor, is_wrong=bool(text))
        self.editor.setAccessibleDescription(text)

    @property
    def error(self) -> str:
        """What is said to be wrong."""
        return self._error.text()

    @property
    def hint(self) -> str:
        """The line below."""
        return self._hint.text()


def mark_wrong(editor: QWidget, *, is_wrong: bool) -> None:
    """Give an editor the border of a wrong value, or take it away."""
    editor.setProperty("is_wrong", "true" if is_wrong else "false")
    editor.style().unpolish(editor)
    editor.style().polish(editor)
