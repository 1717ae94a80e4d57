"""The button with the projects: which of them every page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from offramp_dashboard import plain_tooltips
from offramp_dashboard.views.style import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from offramp_dashboard.data.snapshot import ProjectOption

_ALL = "All projects"
_WIDEST_PX = 150
_WIDEST_ENTRY_PX = 480


class ProjectFilter(QToolButton):
    """Its menu has every project; ticked are those that are shown, and no tick at all shows all.

    Signals:
        toggled_project(str, bool): show that project too, or no longer.
        all_asked(): show every project.
    """

    toggled_project = Signal(str, bool)
    all_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hidden, until there are projects."""
        super().__init__(parent)
        self.setProperty("look", "button")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._projects: Sequence[ProjectOption] = ()
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.fill_menu)
        self.setMenu(self._menu)
        self.hide()

    def show_projects(self, projects: Sequence[ProjectOption], since: datetime | None) -> None:
        """Offer these; what they used before `since` is not known."""
        self._projects = projects
        chosen = self._chosen()
        name = _ALL
        if len(chosen) == 1:
            name = chosen[0].name
        elif chosen:
            name = f"{len(chosen)} projects"
        self.setText(self._fitting(name, _WIDEST_PX))
        self.setAccessibleName(f"Projects: {name}")
        lines = [*(one.name for one in chosen)] or [_ALL]
        lines.append("Choose projects to show only these")
        if since is not None:
            lines.append(
                f"Of projects, only what came after {number_text.full_date(since)} is kept"
            )
        self.setToolTip(plain_tooltips.tip("\n".join(lines)))
        self.setVisible(bool(projects))

    def fill_menu(self) -> None:
        """Make its menu of what there is now."""
        self._menu.clear()
        chosen = self._chosen()
        everything = self._menu.addAction(_ALL, self.all_asked.emit)
        everything.setCheckable(True)
        everything.setChecked(not chosen)
        self._menu.addSeparator()
        group = QActionGroup(self._menu)
        group.setExclusionPolicy(QActionGroup.ExclusionPolicy.None_)
        for project in self._projects:
            action = self._menu.addAction(self._fitting(project.name, _WIDEST_ENTRY_PX))
            action.setCheckable(True)
            action.setChecked(project in chosen)
            action.triggered.connect(
                lambda is_on, key=project.key: self.toggled_project.emit(key, is_on)
            )

    def _chosen(self) -> list[ProjectOption]:
        """Those that are shown, if there are others that are not."""
        chosen = [project for project in self._projects if project.is_on]
        return [] if len(chosen) == len(self._projects) else chosen

    def _fitting(self, name: str, width_px: int) -> str:
        elided = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, width_px)
        return elided.replace("&", "&&")
