"""Windows open within their screen, whatever was asked for, and can be reached again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from offramp_dashboard import screen_fit

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.mark.parametrize("size", [(100_000, 300), (300, 100_000), (9_000, 9_000)])
def test_window_never_gets_larger_than_its_screen(qtbot: QtBot, size: tuple[int, int]) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.setMinimumSize(5_000, 5_000)
    screen_fit.fit(window, *size)
    room = window.screen().availableGeometry()
    assert window.width() <= room.width()
    assert window.height() < room.height()


def test_window_that_fits_gets_what_it_asks_for(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    screen_fit.fit(window, 400, 300)
    assert (window.width(), window.height()) == (400, 300)


def test_place_without_a_screen_is_no_place(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    screen = QGuiApplication.primaryScreen().availableGeometry()
    assert screen_fit.is_on_screen(window, screen.x() + 10, screen.y() + 10)
    assert not screen_fit.is_on_screen(window, screen.right() + 5_000, 10)
    assert not screen_fit.is_on_screen(window, 10, screen.bottom() + 5_000)
    assert not screen_fit.is_on_screen(window, None, 10)
