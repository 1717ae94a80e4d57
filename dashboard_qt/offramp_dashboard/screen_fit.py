"""Keeps windows within their screens: none opens larger than what is free of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect
from PySide6.QtGui import QGuiApplication

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_TITLE_BAR_PX = 32
"""What a title bar takes where the window manager has not told yet."""


def fit(window: QWidget, width: int, height: int) -> None:
    """Give `window` that size, or as much of it as its screen has, and move it wholly there."""
    screen = window.screen().availableGeometry()
    frame = window.frameGeometry()
    extra_w = frame.width() - window.geometry().width()
    extra_h = max(frame.height() - window.geometry().height(), _TITLE_BAR_PX)
    room_w, room_h = screen.width() - extra_w, screen.height() - extra_h
    least = window.minimumSize()
    window.setMinimumSize(min(least.width(), room_w), min(least.height(), room_h))
    window.resize(min(width, room_w), min(height, room_h))


def is_on_screen(window: QWidget, x: int | None, y: int | None) -> bool:
    """Whether the title bar of `window`, moved there, can be grasped on some screen."""
    if x is None or y is None:
        return False
    bar = QRect(x, y, window.frameGeometry().width(), _TITLE_BAR_PX)
    return any(s.availableGeometry().intersects(bar) for s in QGuiApplication.screens())
