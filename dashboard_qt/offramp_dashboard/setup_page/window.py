"""The window around the steps: back, skip, next, and an end at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard import screen_fit
from offramp_dashboard.data.setup.outcome import Way
from offramp_dashboard.setup_page import pages
from offramp_dashboard.setup_page.pages import ConnectPage, KeyPage, LoginPage
from offramp_dashboard.theme import GRID_PX

if TYPE_CHECKING:
    from offramp_dashboard.data.setup.steps import SetupSteps
    from offramp_dashboard.setup_page.step_page import StepPage

_WIDTH_PX, _HEIGHT_PX = 640, 480
_PAGES = {Way.KEY: KeyPage, Way.INSTALL: LoginPage, Way.CONNECT: ConnectPage}


class SetupWindow(QDialog):
    """Walks through the steps; each can be skipped, undone, and come back to."""

    def __init__(self, steps: SetupSteps, parent: QWidget | None = None) -> None:
        """Begin with the first step; nothing is asked or done before it is shown."""
        super().__init__(parent)
        self.setWindowTitle("Set up Offramp")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._steps = steps
        self.pages = pages.make_pages(steps)
        self.stack = QStackedWidget()
        for page in self.pages:
            page.changed.connect(self._refresh)
            page.way_chosen.connect(self.go)
            self.stack.addWidget(page)
        self.place = QLabel()
        self.place.setProperty("rank", "muted")
        self.back_button = QPushButton("Back")
        self.back_button.clicked.connect(lambda: self.show_step(self.step - 1))
        self.next_button = QPushButton("Next")
        self.next_button.clicked.connect(self._go_on)
        self._lay_out()
        screen_fit.fit(self, _WIDTH_PX, _HEIGHT_PX)
        self.show_step(0)

    @property
    def step(self) -> int:
        """Which step is shown, from 0."""
        return self.stack.currentIndex()

    @property
    def page(self) -> StepPage:
        """The step that is shown."""
        return self.pages[self.step]

    def show_step(self, step: int) -> None:
        """Show a step, from 0."""
        self.stack.setCurrentIndex(step)
        self._refresh()
        self.page.enter()

    def go(self, way: Way) -> None:
        """Show the step where that can be done."""
        for step, page in enumerate(self.pages):
            if way in _PAGES and isinstance(page, _PAGES[way]):
                self.show_step(step)

    def bring_to_front(self) -> None:
        """Show it over the others."""
        self.showNormal() if self.isMinimized() else self.show()
        self.raise_()
        self.activateWindow()

    def done(self, result: int) -> None:
        """Close; what is being done is ended, and what was done stays."""
        self._steps.cancel()
        for page in self.pages:
            page.runner.forget()
        super().done(result)

    def _go_on(self) -> None:
        if self.step == len(self.pages) - 1:
            self.accept()
        else:
            self.show_step(self.step + 1)

    def _refresh(self) -> None:
        """Offer what can be done now."""
        last = len(self.pages) - 1
        page = self.page
        self.place.setText("" if self.step == last else f"Step {self.step + 1} of {last}")
        self.back_button.setEnabled(self.step > 0 and not page.is_busy)
        self.next_button.setEnabled(not page.is_busy)
        is_done = page.outcome.standing == "done"
        self.next_button.setText("Finish" if self.step == last else "Next" if is_done else "Skip")

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("page")
        inner = QVBoxLayout(content)
        inner.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        inner.addWidget(self.stack)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        foot = QHBoxLayout()
        foot.setContentsMargins(3 * GRID_PX, GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        foot.addWidget(self.place, 1)
        for button in (self.back_button, self.next_button):
            button.setAutoDefault(False)
            foot.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area, 1)
        layout.addLayout(foot)
