"""The menu bar: every command of the window with its shortcut, so that the keyboard reaches all."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QActionGroup, QKeySequence

from offramp_core.usage.measure import Measure
from offramp_dashboard.data.pause_choices import PauseChoice
from offramp_dashboard.data.snapshot import DaemonCondition
from offramp_dashboard.theme import ThemeChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QMainWindow, QMenu

_PAGES = ("Overview", "History", "Requests", "Quota", "Sessions")
_THEMES = {
    ThemeChoice.SYSTEM: "As the System",
    ThemeChoice.LIGHT: "Light",
    ThemeChoice.DARK: "Dark",
}


class Table(Enum):
    """What can be exported as CSV."""

    BARS = "Last 24 Hours, or Your Range"
    RECENT = "Last 3 Hours"
    WEEKS = "Weeks"
    SPLIT = "Split over Time"
    TOKENS = "Tokens by Kind"
    QUOTA = "Quota"
    REQUESTS = "Requests"
    SESSIONS = "Sessions"


class Menus(QObject):
    """The window's actions, in its menu bar.

    Signals:
        page_asked(int), back_asked(), filter_asked(), refresh_asked(): of the view.
        shift_asked(int): look at so many ranges, or weeks, later.
        shortcuts_asked(), about_asked(): tell of the window itself.
        measure_chosen(Measure), theme_chosen(ThemeChoice): from their menus.
        export_asked(): open the export menu; image_asked(), table_asked(Table): what it offers.
        settings_asked(), setup_asked(): open the settings; open the set-up window.
        pause_asked(PauseChoice), resume_asked(): of delegation.
    """

    page_asked = Signal(int)
    back_asked = Signal()
    shift_asked = Signal(int)
    shortcuts_asked = Signal()
    about_asked = Signal()
    filter_asked = Signal()
    refresh_asked = Signal()
    measure_chosen = Signal(object)
    theme_chosen = Signal(object)
    export_asked = Signal()
    image_asked = Signal()
    table_asked = Signal(object)
    settings_asked = Signal()
    setup_asked = Signal()
    pause_asked = Signal(object)
    resume_asked = Signal()

    def __init__(self, window: QMainWindow) -> None:
        """Fill the menu bar of `window`."""
        super().__init__(window)
        self._window = window
        self._measures: dict[Measure, QAction] = {}
        self._themes: dict[ThemeChoice, QAction] = {}
        self._pages: list[QAction] = []
        self.all_actions: list[QAction] = []
        self.export_actions: list[QAction] = []
        self.pause_actions: list[QAction] = []
        self._make_file()
        self._make_view()
        self._make_delegation()
        self._make_help()

    def show_page(self, page: int) -> None:
        """Mark the page that is shown."""
        self._pages[page].setChecked(True)

    def show_measure(self, measure: Measure) -> None:
        """Mark what is counted."""
        self._measures[measure].setChecked(True)

    def show_theme(self, choice: ThemeChoice) -> None:
        """Mark the theme that was chosen."""
        self._themes[choice].setChecked(True)

    def show_range(self, *, has_range: bool) -> None:
        """Offer the way back only where there is one."""
        self._back.setEnabled(has_range)

    def show_daemon(self, state: DaemonCondition) -> None:
        """Offer what the daemon can do now."""
        for action in self.pause_actions:
            action.setEnabled(state.can_pause)
        self._resume.setEnabled(state is DaemonCondition.PAUSED)

    def _make_file(self) -> None:
        menu = self._window.menuBar().addMenu("&File")
        image = self._add(menu, "Page as &Image (PNG)…", self.image_asked.emit, "Ctrl+Shift+E")
        tables = menu.addMenu("Export &Table")
        self.export_actions.append(image)
        for table in Table:
            action = self._add(
                tables, f"{table.value} (CSV)…", lambda _=False, t=table: self.table_asked.emit(t)
            )
            self.export_actions.append(action)
        opening = QAction("Export", self._window)
        opening.setShortcut(QKeySequence("Ctrl+E"))
        opening.triggered.connect(self.export_asked)
        self._window.addAction(opening)
        menu.addSeparator()
        settings = self._add(menu, "&Settings…", self.settings_asked.emit, "Ctrl+,")
        settings.setMenuRole(QAction.MenuRole.PreferencesRole)
        self._add(menu, "Set &Up Offramp…", self.setup_asked.emit)
        menu.addSeparator()
        self._add(menu, "Close &Window", self._window.close, "Ctrl+W")
        leave = self._add(menu, "&Quit", self._window.close, "Ctrl+Q")
        leave.setMenuRole(QAction.MenuRole.QuitRole)

    def _make_view(self) -> None:
        menu = self._window.menuBar().addMenu("&View")
        pages = QActionGroup(self)
        for index, name in enumerate(_PAGES):
            action = self._add(
                menu, name, lambda _=False, i=index: self.page_asked.emit(i), f"Ctrl+{index + 1}"
            )
            action.setCheckable(True)
            pages.addAction(action)
            self._pages.append(action)
        menu.addSeparator()
        measures = QActionGroup(self)
        for measure in (Measure.TOKENS, Measure.REQUESTS):
            action = self._add(
                menu,
                f"Count {measure.value.capitalize()}",
                lambda _=False, m=measure: self.measure_chosen.emit(m),
                "Ctrl+T" if measure is Measure.TOKENS else "Ctrl+Shift+T",
            )
            action.setCheckable(True)
            measures.addAction(action)
            self._measures[measure] = action
        menu.addSeparator()
        self._add(menu, "&Filter", self.filter_asked.emit, "Ctrl+F")
        self._add(menu, "&Refresh", self.refresh_asked.emit, "Ctrl+R")
        self._back = self._add(menu, "&Leave the Range", self.back_asked.emit, "Ctrl+[")
        self._back.setEnabled(False)
        self._add(menu, "&Earlier Range, or Week", lambda: self.shift_asked.emit(-1), "Alt+Left")
        self._add(menu, "&Later Range, or Week", lambda: self.shift_asked.emit(1), "Alt+Right")
        menu.addSeparator()
        self._make_themes(menu.addMenu("&Appearance"))

    def _make_themes(self, menu: QMenu) -> None:
        group = QActionGroup(self)
        for choice, name in _THEMES.items():
            action = self._add(menu, name, lambda _=False, c=choice: self.theme_chosen.emit(c))
            action.setCheckable(True)
            group.addAction(action)
            self._themes[choice] = action

    def _make_delegation(self) -> None:
        menu = self._window.menuBar().addMenu("&Delegation")
        pause = menu.addMenu("&Pause")
        for choice in PauseChoice:
            action = self._add(
                pause, choice.value, lambda _=False, c=choice: self.pause_asked.emit(c)
            )
            action.setEnabled(False)
            self.pause_actions.append(action)
        self._resume = self._add(menu, "&Resume", self.resume_asked.emit)
        self._resume.setEnabled(False)

    def _make_help(self) -> None:
        menu = self._window.menuBar().addMenu("&Help")
        self._add(menu, "&Keyboard Shortcuts", self.shortcuts_asked.emit, "F1")
        about = self._add(menu, "&About Offramp", self.about_asked.emit)
        about.setMenuRole(QAction.MenuRole.AboutRole)

    def _add(self, menu: QMenu, text: str, do: Callable[..., object], keys: str = "") -> QAction:
        action = menu.addAction(text)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(do)
        self.all_actions.append(action)
        return action
