"""Puts a theme on the application; keeps to the desktop's colour scheme unless told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFontDatabase, QPalette

from offramp_dashboard.theme import DARK, LIGHT, Theme, ThemeChoice

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

_STYLE = "Fusion"


class Styling(QObject):
    """Dresses the application.

    Signals:
        changed(Theme): everything that paints for itself should use this one.
    """

    changed = Signal(object)

    def __init__(self, application: QApplication, choice: ThemeChoice = ThemeChoice.SYSTEM) -> None:
        """Dress `application` at once."""
        super().__init__(application)
        self._application = application
        self._choice = choice
        self._theme: Theme | None = None
        application.setStyle(_STYLE)
        application.styleHints().colorSchemeChanged.connect(self._follow)
        self._follow()

    @property
    def choice(self) -> ThemeChoice:
        """What the user chose."""
        return self._choice

    @property
    def theme(self) -> Theme:
        """What is in force."""
        return self._theme or LIGHT

    def choose(self, choice: ThemeChoice) -> None:
        """Take what the user chose."""
        self._choice = choice
        self._follow()

    def _follow(self, *_scheme: object) -> None:
        theme = self._wanted()
        if theme is self._theme:
            return
        self._theme = theme
        self._application.setPalette(_palette(theme))
        self._application.setStyleSheet(_style_sheet(theme))
        self.changed.emit(theme)

    def _wanted(self) -> Theme:
        match self._choice:
            case ThemeChoice.LIGHT:
                return LIGHT
            case ThemeChoice.DARK:
                return DARK
            case ThemeChoice.SYSTEM:
                scheme = self._application.styleHints().colorScheme()
                return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def _palette(theme: Theme) -> QPalette:
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.card,
        QPalette.ColorRole.AlternateBase: theme.window,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.BrightText: theme.danger,
        QPalette.ColorRole.Link: theme.focus,
        QPalette.ColorRole.Highlight: theme.selected,
        QPalette.ColorRole.HighlightedText: theme.text,
        QPalette.ColorRole.Light: theme.raised,
        QPalette.ColorRole.Midlight: theme.border,
        QPalette.ColorRole.Mid: theme.border,
        QPalette.ColorRole.Dark: theme.border,
        QPalette.ColorRole.Shadow: theme.border,
        QPalette.ColorRole.Accent: theme.focus,
    }
    palette = QPalette()
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (
        QPalette.ColorRole.WindowText,
        QPalette.ColorRole.Text,
        QPalette.ColorRole.ButtonText,
    ):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.muted))
    return palette


def _style_sheet(theme: Theme) -> str:
    """Only what palettes can't say: corners, paddings, and the states of buttons."""
    t = theme
    # By its name: Qt would go through all fonts of a Mac to find out what "monospace" is there.
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
    return f"""
    QToolTip {{
        color: {t.text}; background: {t.raised}; border: 1px solid {t.border}; padding: 4px; }}
    QFrame#card {{ background: {t.card}; border: 1px solid {t.border}; border-radius: 8px; }}
    QFrame#notice {{ background: {t.raised}; border: 1px solid {t.border}; border-radius: 8px; }}
    QLabel[rank="muted"] {{ color: {t.muted}; }}
    QLabel[rank="danger"] {{ color: {t.danger}; }}
    QLabel[rank="good"] {{ color: {t.good}; }}
    QLabel[rank="warning"] {{ color: {t.warning}; }}
    QLabel#command {{
        color: {t.text}; background: {t.card}; border: 1px solid {t.border}; border-radius: 6px;
        padding: 6px 12px; font-family: "{fixed}"; }}
    QPushButton, QToolButton[look="button"] {{
        color: {t.text}; background: {t.raised}; border: 1px solid {t.border};
        border-radius: 6px; padding: 4px 12px; }}
    QToolButton[look="button"] {{ padding: 4px 10px; }}
    QToolButton[look="button"][popupMode="2"] {{ padding-right: 22px; }}
    QPushButton:hover, QToolButton[look="button"]:hover {{ background: {t.hovered}; }}
    QPushButton:pressed, QToolButton[look="button"]:pressed {{ background: {t.selected}; }}
    QPushButton:disabled, QToolButton[look="button"]:disabled {{ color: {t.muted}; }}
    QPushButton:focus, QToolButton[look="button"]:focus {{
        border: 2px solid {t.focus}; padding: 3px 11px; }}
    QToolButton[look="button"]:focus {{ padding: 3px 9px; }}
    QToolButton[look="button"][popupMode="2"]:focus {{ padding-right: 21px; }}
    QToolButton::menu-indicator {{
        subcontrol-position: center right; subcontrol-origin: padding; right: 6px; }}
    QPushButton[look="main"] {{ background: {t.text}; color: {t.card}; border-color: {t.text}; }}
    QPushButton[look="main"]:hover {{ background: {t.muted}; border-color: {t.muted}; }}
    QPushButton[look="main"]:disabled {{
        background: {t.selected}; color: {t.muted}; border-color: {t.border}; }}
    QPushButton[look="main"]:focus {{ border: 2px solid {t.focus}; }}
    QPushButton[look="page"] {{
        border: none; border-radius: 6px; background: transparent;
        color: {t.muted}; padding: 5px 12px; }}
    QPushButton[look="page"]:hover {{ background: {t.hovered}; color: {t.text}; }}
    QPushButton[look="page"]:checked {{
        background: {t.selected}; color: {t.text};
        border-bottom: 2px solid {t.text}; padding-bottom: 3px; }}
    QPushButton[look="page"]:focus {{ border: 2px solid {t.focus}; padding: 3px 10px; }}
    QPushButton[look="segment"] {{ border-radius: 0; padding: 4px 12px; color: {t.muted}; }}
    QPushButton[look="segment"][end="first"] {{
        border-top-left-radius: 6px; border-bottom-left-radius: 6px; border-right: none; }}
    QPushButton[look="segment"][end="last"] {{
        border-top-right-radius: 6px; border-bottom-right-radius: 6px; }}
    QPushButton[look="segment"]:checked {{
        background: {t.selected}; color: {t.text};
        border-bottom: 2px solid {t.text}; padding-bottom: 3px; }}
    QPushButton[look="segment"]:focus {{ border: 2px solid {t.focus}; padding: 3px 11px; }}
    QLineEdit, QComboBox, QSpinBox {{
        color: {t.text}; background: {t.card}; border: 1px solid {t.outline}; border-radius: 6px;
        padding: 4px 8px; selection-background-color: {t.focus}; selection-color: {t.card}; }}
    QComboBox {{ padding-right: 20px; combobox-popup: 0; }}
    QComboBox::drop-down, QSpinBox::up-button, QSpinBox::down-button {{
        border: none; width: 18px; }}
    QLineEdit:focus, QComboBox:focus, QSpinBox:focus {{
        border: 2px solid {t.focus}; padding: 3px 7px; }}
    QComboBox:focus {{ padding-right: 19px; }}
    QLineEdit[is_wrong="true"], QComboBox[is_wrong="true"], QSpinBox[is_wrong="true"] {{
        border-color: {t.danger}; }}
    QComboBox QAbstractItemView {{
        background: {t.raised}; border: 1px solid {t.border}; outline: none; }}
    QComboBox QAbstractItemView::item {{ padding: 3px 8px; color: {t.text}; }}
    QComboBox QAbstractItemView::item:selected {{ background: {t.selected}; }}
    QMenuBar {{ background: {t.window}; color: {t.text}; }}
    QMenuBar::item {{ padding: 4px 10px; border-radius: 4px; background: transparent; }}
    QMenuBar::item:selected {{ background: {t.selected}; }}
    QMenu {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; padding: 4px; }}
    QMenu::item {{ padding: 5px 28px 5px 24px; border-radius: 4px; }}
    QMenu::item:selected {{ background: {t.selected}; }}
    QMenu::item:disabled {{ color: {t.muted}; }}
    QMenu::separator {{ height: 1px; background: {t.border}; margin: 4px 8px; }}
    QProgressBar {{ background: {t.grid}; border: none; border-radius: 2px; }}
    QProgressBar::chunk {{ background: {t.focus}; border-radius: 2px; }}
    QScrollArea, QScrollArea > QWidget > QWidget#page {{ background: {t.window}; border: none; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; margin: 2px; }}
    QScrollBar:horizontal {{ background: transparent; height: 12px; margin: 2px; }}
    QScrollBar::handle {{
        background: {t.border}; border-radius: 4px; min-height: 32px; min-width: 32px; }}
    QScrollBar::handle:hover {{ background: {t.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QTableView {{ background: {t.card}; border: none; gridline-color: {t.grid}; outline: none; }}
    QFrame#ring {{ border: 2px solid transparent; border-radius: 4px; }}
    QFrame#ring[is_focused="true"] {{ border-color: {t.focus}; }}
    QTableView::item {{ padding: 0 8px; border: none; border-bottom: 1px solid {t.grid}; }}
    QTableView::item:selected {{ background: {t.selected}; color: {t.text}; }}
    QAbstractScrollArea::corner {{ background: transparent; border: none; }}
    QHeaderView {{ background: {t.card}; }}
    QHeaderView::section {{
        background: {t.card}; color: {t.muted}; border: none; border-bottom: 1px solid {t.border};
        padding: 6px 11px; }}
    QHeaderView::section:hover {{ color: {t.text}; }}
    """
