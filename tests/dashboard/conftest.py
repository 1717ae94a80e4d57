"""Qt without a display, for every test of the window; whatever Qt warns of fails the test.

Qt is imported where it is used, for some tests here do without it, and run where there is none.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import pytest
import qt_presence
from patience import PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.models.requests import RequestsModel
    from offramp_dashboard.models.sessions import SessionsModel
    from offramp_dashboard.theme import Theme
    from offramp_dashboard.window.main_window import ChartsWindow
    from offramp_dashboard.window.styling import Styling

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_HERE = "tests/dashboard"
_OFFSCREEN = (
    r"This plugin does not support (propagateSizeHints\(\)|raise\(\)|grabbing the keyboard)"
)
"""What Qt says of windows and popups without a display, whatever they do."""
_FONTS = "Populating font family aliases took"
"""What Qt says on macOS of any style that names a generic family, as its own dialogs may."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Qt's own messages fail the tests here, as warnings of Python do everywhere."""
    if qt_presence.PROBLEM is not None:
        return
    for item in items:
        if _HERE in item.path.as_posix():
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            item.add_marker(pytest.mark.qt_log_ignore(_OFFSCREEN, _FONTS, extend=True))


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """The usual one, which is patient unless a test says otherwise."""
    for name in ("waitUntil", "waitSignal", "waitExposed"):
        patient = functools.partial(getattr(qtbot, name), timeout=PATIENCE_MS)
        setattr(qtbot, name, patient)
    return qtbot


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """An empty folder for a request log."""
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture
def theme() -> Theme:
    """The window's colours on light ground."""
    from offramp_dashboard.theme import LIGHT

    return LIGHT


@pytest.fixture(autouse=True)
def _british_locale() -> Iterator[None]:
    """The same words and numbers on every machine."""
    if qt_presence.PROBLEM is not None:
        yield
        return
    from PySide6.QtCore import QLocale

    before = QLocale()
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
    yield
    QLocale.setDefault(before)


@pytest.fixture
def styling(qapp: QApplication) -> Iterator[Styling]:
    """The window's style, on the application while a test runs."""
    from offramp_dashboard.theme import ThemeChoice
    from offramp_dashboard.window.styling import Styling

    dressed = Styling(qapp, ThemeChoice.LIGHT)
    yield dressed
    qapp.setStyleSheet("")
    dressed.deleteLater()


@pytest.fixture
def requests_model() -> RequestsModel:
    """An empty table at the time of the sample pictures."""
    import sample_snapshots

    from offramp_dashboard.models.requests import RequestsModel

    return RequestsModel(sample_snapshots.ZONE, lambda: sample_snapshots.NOW)


@pytest.fixture
def sessions_model() -> SessionsModel:
    """The same of the sessions."""
    import sample_snapshots

    from offramp_dashboard.models.sessions import SessionsModel

    return SessionsModel(sample_snapshots.ZONE, lambda: sample_snapshots.NOW)


@pytest.fixture
def window(
    qtbot: QtBot, styling: Styling, requests_model: RequestsModel, sessions_model: SessionsModel
) -> ChartsWindow:
    """The window, shown, with nothing in it yet."""
    from offramp_dashboard.window.main_window import ChartsWindow

    made = ChartsWindow(requests_model, sessions_model, styling.theme)
    styling.changed.connect(made.set_theme)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    qtbot.waitExposed(made)
    return made
