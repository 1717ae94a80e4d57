"""Walks through the real set-up window, as a process of its own: setup_driver.py STEP...

A step is `key=NAME` (paste the key that the variable NAME holds), `models`, `login`, `connect`,
`try`, `try-claude`, and each of them with `undo-` before it. Prints one JSON object: what each step
said in the end. With the variable PICTURES a picture of each is kept in that folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from offramp_core.paths import Paths
from offramp_dashboard.data.setup.steps import steps_for
from offramp_dashboard.setup_page.pages import KeyPage, TestPage
from offramp_dashboard.setup_page.window import SetupWindow
from offramp_dashboard.theme import ThemeChoice
from offramp_dashboard.window.styling import Styling

if TYPE_CHECKING:
    from offramp_dashboard.setup_page.step_page import StepPage

PLACES = ("key", "models", "login", "connect", "try")
_PATIENCE_S = 100.0


class Driver:
    """The window, and what a user does with it."""

    def __init__(self) -> None:
        self.application = QApplication([])
        self.styling = Styling(self.application, ThemeChoice.LIGHT)
        self.window = SetupWindow(steps_for(Paths.for_user(os.environ), os.environ))
        self.window.show()

    def do(self, step: str) -> str:
        """Do one step with the mouse, and return what it says then."""
        name, _, variable = step.removeprefix("undo-").partition("=")
        self.window.show_step(PLACES.index(name.removesuffix("-claude")))
        page = self.window.page
        self.until_idle(page)
        if step.startswith("undo-"):
            page.undo_button.click()
        else:
            if isinstance(page, KeyPage):
                QTest.keyClicks(page.field, os.environ[variable])
            if isinstance(page, TestPage):
                page.claude_box.setChecked(name.endswith("-claude"))
            page.action_button.click()
        self.until_idle(page)
        if "PICTURES" in os.environ:
            self.window.grab().save(str(Path(os.environ["PICTURES"]) / f"{name}.png"))
        return f"{page.outcome.standing}: {page.result.text()}"

    def until_idle(self, page: StepPage) -> None:
        """Wait for what is being done."""
        over_s = time.monotonic() + _PATIENCE_S
        while page.is_busy:
            if time.monotonic() > over_s:
                sys.exit(f"{page.name} took too long")
            QTest.qWait(20)


if __name__ == "__main__":
    driver = Driver()
    sys.stdout.write(json.dumps({step: driver.do(step) for step in sys.argv[1:]}))
