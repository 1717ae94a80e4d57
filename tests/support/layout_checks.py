"""What must hold of a window's layout at every size: nothing overlaps, nothing is cut off."""

from __future__ import annotations

from itertools import combinations

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QWidget

from offramp_dashboard.views.charts.chart import Chart
from offramp_dashboard.views.widgets.card import ElidedLabel
from offramp_dashboard.views.widgets.split_bar import SplitBar

_SEEN = (QLabel, QAbstractButton, QLineEdit, QComboBox, Chart, SplitBar)


def overlaps(window: QWidget) -> list[str]:
    """Pairs of widgets that stand in each other's way."""
    found = _seen(window)
    return [
        f"{_name(one)} {_place(one, window)} and {_name(other)} {_place(other, window)}"
        for one, other in combinations(found, 2)
        if not (one.isAncestorOf(other) or other.isAncestorOf(one))
        and _place(one, window).intersects(_place(other, window))
    ]


def cut_off(window: QWidget) -> list[str]:
    """Texts that have less room than they need, and may not give way."""
    return [
        f"{_name(widget)}: {widget.width()} of {widget.sizeHint().width()}"
        for widget in _seen(window)
        if isinstance(widget, QLabel | QAbstractButton)
        and not isinstance(widget, ElidedLabel)
        and not (isinstance(widget, QLabel) and widget.wordWrap())
        and (
            widget.width() < widget.sizeHint().width()
            or widget.height() < widget.sizeHint().height()
        )
    ]


def overlapping_labels(chart: Chart) -> list[str]:
    """Labels of a chart's axes that touch."""
    found = []
    for axis in chart.axes():
        placed = axis.shown_labels()
        found += [
            f"{one} and {other}"
            for (first, one), (second, other) in combinations(placed, 2)
            if first.intersects(second)
        ]
    return found


def without_name(window: QWidget) -> list[str]:
    """Widgets that the keyboard reaches and a screen reader can't name."""
    return [
        f"{type(widget).__name__} {widget.objectName()}"
        for widget in window.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.isVisibleTo(window)
        and widget.focusProxy() is None
        and not widget.accessibleName()
        and not (isinstance(widget, QAbstractButton) and widget.text())
    ]


def _seen(window: QWidget) -> list[QWidget]:
    return [
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, _SEEN)
        and widget.isVisibleTo(window)
        and not widget.visibleRegion().isEmpty()
        and not widget.objectName().startswith("qt_")
    ]


def _place(widget: QWidget, window: QWidget) -> QRect:
    return QRect(widget.mapTo(window, QPoint()), widget.size())


def _name(widget: QWidget) -> str:
    text = getattr(widget, "text", str)()
    return f"{type(widget).__name__} {widget.accessibleName() or text!r}"
