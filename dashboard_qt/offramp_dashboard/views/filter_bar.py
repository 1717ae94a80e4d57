"""The row of projects, providers and models: legend and filter in one, for every chart at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from offramp_core.wording.formatting import backend_name
from offramp_dashboard import plain_tooltips
from offramp_dashboard.theme import GRID_PX, LIGHT
from offramp_dashboard.views.project_filter import ProjectFilter
from offramp_dashboard.views.style.brushes import paint_fill
from offramp_dashboard.views.style.series_fills import SeriesFills

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import (
        QContextMenuEvent,
        QKeyEvent,
        QMouseEvent,
        QPaintEvent,
        QResizeEvent,
    )

    from offramp_dashboard.data.snapshot import FilterOption, Snapshot
    from offramp_dashboard.theme import Fill, Theme

_SWATCH_PX = 11
_SEAM_PX = 2
_ICON_PX = 16
_PADDING_PX = 9
_LONGEST_PX = 168
_CONTROL = "Cmd" if sys.platform == "darwin" else "Ctrl"


class FilterChip(QAbstractButton):
    """Swatches and a name, on or off; off is struck through and empty, not only paler.

    Signals:
        chosen(bool): show only this one, or all again (True); show or hide it (False).

    A provider's swatch is round. A model has a square one for each provider that served it: as it
    is drawn in that provider's part of the bars.
    """

    chosen = Signal(bool)

    def __init__(
        self, choice: FilterOption, fills: Sequence[Fill], theme: Theme, *, is_provider: bool
    ) -> None:
        """Stand for `choice`, filled so."""
        super().__init__()
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._is_held = False
        """Whether Ctrl or Shift is, while a click is being handled."""
        self.clicked.connect(lambda: self.chosen.emit(not self._is_held))
        self.key = choice.key
        self._is_provider = is_provider
        self.show_choice(choice, fills, theme)

    def show_choice(self, choice: FilterOption, fills: Sequence[Fill], theme: Theme) -> None:
        """Take up a new state or theme."""
        self._fills, self._theme = tuple(fills), theme
        self.setText(choice.name)
        self.setChecked(choice.is_on)
        state = "shown" if choice.is_on else "hidden"
        what = "provider" if self._is_provider else "model"
        self.setAccessibleName(f"{what} {choice.name}, {state}")
        doing = "hide" if choice.is_on else "show"
        tip = f"{choice.key or choice.name}\nClick: only this one, or all again"
        tip += f"\n{_CONTROL}+click: {doing} it"
        if choice.also:
            places = (choice.backend, *choice.also)
            tip += f"\nIts swatches: {', '.join(map(backend_name, places))}"
        self.setToolTip(plain_tooltips.tip(tip))
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing more: the first click of the two has done it."""
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Click, with the keys that are held now."""
        self._is_held = _holds_key(event)
        super().mouseReleaseEvent(event)
        self._is_held = False

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Click by the space bar, with the keys that are held now."""
        self._is_held = _holds_key(event)
        super().keyReleaseEvent(event)
        self._is_held = False

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 - Qt's name
        """Offer in words what clicks do."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Show Only This, or All Again", lambda: self.chosen.emit(True))
        doing = "Hide" if self.isChecked() else "Show"
        menu.addAction(f"{doing} This", lambda: self.chosen.emit(False))
        menu.popup(event.globalPos())

    def nextCheckState(self) -> None:  # noqa: N802 - Qt's name
        """Stay as it is: the next snapshot says what is on."""

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Swatch, name and padding."""
        metrics = self.fontMetrics()
        text = min(metrics.horizontalAdvance(self.text()), _LONGEST_PX)
        return QSize(text + self._swatches_px() + 3 * _PADDING_PX - 4, metrics.height() + 10)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it."""
        del event
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        ring = QPen(QColor(theme.focus), 2) if self.hasFocus() else QPen(QColor(theme.border), 1)
        painter.setPen(ring)
        ground = theme.hovered if self.underMouse() else theme.raised
        painter.setBrush(QColor(ground if self.isChecked() else theme.window))
        painter.drawRoundedRect(area, 6, 6)
        top = round((self.height() - _SWATCH_PX) / 2)
        for place, fill in enumerate(self._fills):
            left = _PADDING_PX + place * (_SWATCH_PX + _SEAM_PX)
            self._paint_swatch(painter, QRectF(left, top, _SWATCH_PX, _SWATCH_PX), fill)
        font = self.font()
        font.setStrikeOut(not self.isChecked())
        painter.setFont(font)
        painter.setPen(QColor(theme.text if self.isChecked() else theme.muted))
        left = _PADDING_PX + self._swatches_px() + _PADDING_PX - 3
        room = self.width() - left - _PADDING_PX + 2
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(
            QRectF(left, 0, room + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, text
        )
        painter.end()

    def swatch_icon(self) -> QIcon:
        """Its swatches in one square, for a menu, which would shrink anything wider."""
        ratio = self.devicePixelRatioF()
        image = QPixmap(round(_ICON_PX * ratio), round(_ICON_PX * ratio))
        image.setDevicePixelRatio(ratio)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        count = len(self._fills)
        width = (_ICON_PX - (count - 1)) / count
        for place, fill in enumerate(self._fills):
            self._paint_swatch(painter, QRectF(place * (width + 1), 0, width, _ICON_PX), fill)
        painter.end()
        return QIcon(image)

    def _paint_swatch(self, painter: QPainter, area: QRectF, fill: Fill) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self._is_provider)
        if self.isChecked() and self._is_provider:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(fill.colour))
            painter.drawEllipse(area)
        elif self.isChecked():
            paint_fill(painter, area, fill)
        else:
            painter.setPen(QPen(QColor(self._theme.muted), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            outline = area.adjusted(0, 0, -1, -1)
            painter.drawEllipse(outline) if self._is_provider else painter.drawRect(outline)

    def _swatches_px(self) -> int:
        return len(self._fills) * (_SWATCH_PX + _SEAM_PX) - _SEAM_PX


def _holds_key(event: QKeyEvent | QMouseEvent) -> bool:
    """Ask the event: what the application holds may be of an earlier one, or of another window."""
    return bool(
        event.modifiers()
        & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    )


class FilterBar(QWidget):
    """Chips for providers, then for models; those without room are in a menu at the end.

    Signals:
        provider_toggled(str, bool): show or hide that provider.
        model_toggled(str, bool): show or hide that model.
        provider_soloed(str), model_soloed(str): show only that one of its kind, or all again.
        project_toggled(str, bool): show that project too, or no longer.
        all_projects_asked(): show every project.
    """

    project_toggled = Signal(str, bool)
    all_projects_asked = Signal()
    provider_toggled = Signal(str, bool)
    model_toggled = Signal(str, bool)
    provider_soloed = Signal(str)
    model_soloed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing to choose from yet."""
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._snapshot: Snapshot | None = None
        self._chips: list[FilterChip] = []
        self._shape: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self.projects = ProjectFilter()
        self.projects.toggled_project.connect(self.project_toggled)
        self.projects.all_asked.connect(self.all_projects_asked)
        self._rule = QFrame()
        self._rule.setFixedSize(1, 2 * GRID_PX)
        self._more = QToolButton()
        self._more.setProperty("look", "button")
        self._more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self._more)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._more.setMenu(self._menu)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GRID_PX - 2)
        self._row.addWidget(self.projects)
        self._row.addStretch(1)
        self._row.addWidget(self._more)
        self._more.hide()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Filters: projects, providers and models")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Take up its choices."""
        self._snapshot = snapshot
        self._show_projects(snapshot)
        shape = (
            tuple(choice.key for choice in snapshot.providers),
            tuple(choice.key for choice in snapshot.models),
        )
        if shape != self._shape:
            self._shape = shape
            self._rebuild()
        self._dress()

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        self._rule.setStyleSheet(f"background: {theme.border};")
        self._dress()

    def _show_projects(self, snapshot: Snapshot) -> None:
        before = self._projects_px()
        self.projects.show_projects(snapshot.projects, snapshot.sessions_since)
        if self._projects_px() != before:
            self._fit()

    def _projects_px(self) -> int:
        if self.projects.isHidden():
            return 0
        return self.projects.sizeHint().width() + self._row.spacing()

    @property
    def chips(self) -> tuple[FilterChip, ...]:
        """All of them, those without room too."""
        return tuple(self._chips)

    @property
    def more(self) -> QToolButton:
        """The menu's button, shown only where it is needed."""
        return self._more

    def focus_first(self) -> None:
        """Give the keyboard to the first chip."""
        if self._chips:
            self._chips[0].setFocus(Qt.FocusReason.ShortcutFocusReason)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Any width will do; as high as a chip, and as the menu's button where one is needed."""
        height = (
            self._chips[0].sizeHint().height() if self._chips else self.fontMetrics().height() + 10
        )
        return QSize(0, max(height, self._more.sizeHint().height()))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """All chips in a row."""
        width = sum(chip.sizeHint().width() + GRID_PX for chip in self._chips)
        return QSize(width + self._projects_px(), self.minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """See which have room."""
        super().resizeEvent(event)
        self._fit()

    def _choices(self) -> list[tuple[FilterOption, bool]]:
        """Each choice, and whether it is a provider."""
        snapshot = self._snapshot
        if snapshot is None:
            return []
        return [(each, True) for each in snapshot.providers] + [
            (each, False) for each in snapshot.models
        ]

    def _rebuild(self) -> None:
        focused = next((i for i, chip in enumerate(self._chips) if chip.hasFocus()), None)
        for chip in self._chips:
            self._row.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._row.removeWidget(self._rule)
        self._chips = []
        for choice, is_provider in self._choices():
            fills = self._fills(choice, is_provider)
            chip = FilterChip(choice, fills, self._theme, is_provider=is_provider)
            chip.chosen.connect(
                lambda is_solo, c=chip, p=is_provider: (
                    self._solo(c.key, p) if is_solo else self._toggle(c.key, p)
                )
            )
            self._chips.append(chip)
        place = 1  # behind the projects
        providers = len(self._shape[0])
        for index, chip in enumerate(self._chips):
            if index == providers and index:
                self._row.insertWidget(place, self._rule)
                place += 1
            self._row.insertWidget(place, chip)
            place += 1
        if focused is not None and focused < len(self._chips):
            self._chips[focused].setFocus()
        self._fit()

    def _dress(self) -> None:
        for chip, (choice, is_provider) in zip(self._chips, self._choices(), strict=True):
            chip.show_choice(choice, self._fills(choice, is_provider), self._theme)

    def _fills(self, choice: FilterOption, is_provider: bool) -> list[Fill]:
        assert self._snapshot is not None
        series_fills = SeriesFills.of(self._snapshot)
        if is_provider:
            return [series_fills.fill(self._theme, choice.key or None)]
        places = (choice.backend, *choice.also)
        return [series_fills.fill(self._theme, backend, choice.key) for backend in places]

    def _fit(self) -> None:
        """Show as many as there is room for; the rest go into the menu."""
        widths = [chip.sizeHint().width() + self._row.spacing() for chip in self._chips]
        rule = self._rule.width() + self._row.spacing() if len(self._shape[1]) else 0
        room = self.width() - rule - self._projects_px()
        fitting = len(widths)
        if sum(widths) > room:
            room -= self._more.sizeHint().width() + self._row.spacing()
            used, fitting = 0, 0
            for width in widths:
                used += width
                if used > room:
                    break
                fitting += 1
        for index, chip in enumerate(self._chips):
            chip.setVisible(index < fitting)
        self._rule.setVisible(fitting > len(self._shape[0]) > 0)
        hidden = len(widths) - fitting
        self._more.setText(f"{hidden} more")
        self._more.setAccessibleName(f"{hidden} more filters")
        self._more.setVisible(hidden > 0)

    def _fill_menu(self) -> None:
        self._menu.clear()
        for chip, (choice, is_provider) in zip(self._chips, self._choices(), strict=True):
            if chip.isHidden():
                name = choice.name if choice.is_on else f"{choice.name} (hidden)"
                action = self._menu.addAction(chip.swatch_icon(), name)
                action.setCheckable(True)
                action.setChecked(choice.is_on)
                action.triggered.connect(
                    lambda _, key=choice.key, p=is_provider: self._toggle(key, p)
                )

    def _solo(self, key: str, is_provider: bool) -> None:
        signal = self.provider_soloed if is_provider else self.model_soloed
        signal.emit(key)

    def _toggle(self, key: str, is_provider: bool) -> None:
        choice = next(
            (each for each, p in self._choices() if each.key == key and p is is_provider), None
        )
        if choice is None:
            return
        signal = self.provider_toggled if is_provider else self.model_toggled
        signal.emit(key, not choice.is_on)
