"""Tokens by kind, a column for each backend, and how much of the input came from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from offramp_core.wording.formatting import backend_name, format_percent
from offramp_dashboard.theme import GRID_PX, LIGHT
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.brushes import paint_fill
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.widgets.split_bar import SplitBar

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from offramp_dashboard.data.snapshot import TokenKinds, Tokens
    from offramp_dashboard.theme import Fill, Theme

_KINDS = (("Input", 0), ("Output", 3), ("Cache read", 1), ("Cache written", 2))
"""Each kind's name and the shade that stands for it."""
_SWATCH_PX = 11


class TokensView(QWidget):
    """Draws `Tokens`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing is shown yet."""
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._tokens: Tokens | None = None
        self._backends: tuple[str, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, GRID_PX, 0, GRID_PX)
        self._grid.setHorizontalSpacing(3 * GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX)
        self._empty = QLabel("No tokens in this time")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setProperty("rank", "muted")
        self.setAccessibleName("Tokens by kind")

    def show_tokens(self, tokens: Tokens, backends: tuple[str, ...]) -> None:
        """Show these; `backends` are all there are, for their colours."""
        is_same_shape = self._tokens is not None and [k.backend for k in self._tokens.kinds] == [
            k.backend for k in tokens.kinds
        ]
        self._tokens, self._backends = tokens, backends
        if not is_same_shape:
            self._rebuild()
        self._fill()

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        if self._tokens is not None:
            self._rebuild()
            self._fill()

    def texts(self) -> list[str]:
        """All that it says, row by row."""
        found = []
        for row in range(self._grid.rowCount()):
            for column in range(self._grid.columnCount()):
                item = self._grid.itemAtPosition(row, column)
                label = item.widget() if item else None
                if isinstance(label, QLabel):
                    found.append(label.text())
        return found

    def _rebuild(self) -> None:
        self._clear()
        tokens = self._tokens
        assert tokens is not None
        if not tokens.kinds:
            self._grid.addWidget(self._empty, 0, 0)
            self._empty.show()
            return
        self._cells: list[list[QLabel]] = []
        self._bars = []
        for column, kinds in enumerate(tokens.kinds, start=1):
            head = QLabel(backend_name(kinds.backend), textFormat=Qt.TextFormat.PlainText)
            head.setFont(scaled(self.font(), 1.0, is_bold=True))
            bar = SplitBar(2 * GRID_PX)
            self._bars.append(bar)
            self._add(head, 0, column)
            self._grid.addWidget(bar, 1, column)
            self._grid.setColumnStretch(column, 1)
            self._cells.append([self._number(row, column) for row in range(2, 4 + len(_KINDS))])
        for row, (name, shade) in enumerate(_KINDS, start=2):
            self._grid.addWidget(_Key(name, self._theme.fill(None, shade), self), row, 0)
        for row, name in ((2 + len(_KINDS), "Together"), (3 + len(_KINDS), "Cache hit rate")):
            label = QLabel(name)
            label.setProperty("rank", "muted")
            self._grid.addWidget(label, row, 0)
        self._grid.setRowStretch(4 + len(_KINDS), 1)

    def _clear(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                if widget is not self._empty:
                    widget.deleteLater()
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, 0)

    def _number(self, row: int, column: int) -> QLabel:
        label = QLabel()
        is_summary = row >= 2 + len(_KINDS)
        label.setFont(scaled(self.font(), 1.0, is_bold=is_summary))
        self._add(label, row, column)
        return label

    def _add(self, label: QLabel, row: int, column: int) -> None:
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(label, row, column)

    def _fill(self) -> None:
        tokens = self._tokens
        if tokens is None or not tokens.kinds:
            return
        widest = max(sum(_values(kinds)) for kinds in tokens.kinds)
        for kinds, cells, bar in zip(tokens.kinds, self._cells, self._bars, strict=True):
            values = _values(kinds)
            fills = [self._theme.fill(kinds.backend, shade, self._backends) for _, shade in _KINDS]
            bar.show_parts(list(zip(values, fills, strict=True)), self._theme, widest)
            rate = kinds.cache_hit_rate
            texts = [number_text.exact(value) for value in (*values, sum(values))]
            texts.append(number_text.DASH if rate is None else format_percent(rate))
            name = backend_name(kinds.backend)
            for cell, text, what in zip(cells, texts, _ROWS, strict=True):
                cell.setText(text)
                cell.setAccessibleName(f"{name}, {what}: {text}")


class _Key(QWidget):
    """A kind's name with the swatch that stands for it in every backend's colour."""

    def __init__(self, name: str, fill: Fill, parent: QWidget) -> None:
        super().__init__(parent)
        self._name = name
        self._fill = fill
        self.setAccessibleName(name)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        metrics = self.fontMetrics()
        return QSize(
            _SWATCH_PX + GRID_PX + metrics.horizontalAdvance(self._name) + 2, metrics.height()
        )

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        del event
        painter = QPainter(self)
        top = round((self.height() - _SWATCH_PX) / 2)
        paint_fill(painter, QRectF(0, top, _SWATCH_PX, _SWATCH_PX), self._fill)
        painter.setPen(self.palette().placeholderText().color())
        left = _SWATCH_PX + GRID_PX
        painter.drawText(
            QRectF(left, 0, self.width() - left, self.height()),
            Qt.AlignmentFlag.AlignVCenter,
            self._name,
        )
        painter.end()


_ROWS = (*(name for name, _ in _KINDS), "together", "cache hit rate")


def _values(kinds: TokenKinds) -> tuple[int, int, int, int]:
    return kinds.input, kinds.output, kinds.cache_read, kinds.cache_write
