"""Drives the real window on the display that it is started on, against the demo's daemon.

Runs as a process of its own (the tests' own Qt has no display): charts_driver.py PICTURE. Prints
one JSON object that says what it saw; ends with 1 if something did not come within its time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from patience import PATIENCE_S
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from offramp_core.paths import Paths
from offramp_dashboard.controller import ChartsController
from offramp_dashboard.data.snapshot import DaemonCondition, FeedState
from offramp_dashboard.theme import ThemeChoice
from offramp_dashboard.window.styling import Styling

if TYPE_CHECKING:
    from collections.abc import Callable


class Driver:
    """The window, and what a user does with it."""

    def __init__(self, snapshot: Path) -> None:
        self.application = QApplication([])
        paths = Paths.for_user(os.environ, is_demo=True)
        styling = Styling(self.application, ThemeChoice.DARK)
        self.controller = ChartsController(paths, os.environ, styling, is_demo=True)
        self.window = self.controller.window
        self.snapshot = snapshot
        self.daemon = DaemonCondition.UNKNOWN
        self.controller.watch.changed.connect(self.see)
        self.seen: dict[str, object] = {"platform": self.application.platformName()}

    def see(self, daemon: object) -> None:
        self.daemon = daemon.state  # type: ignore[attr-defined]  # a Daemon

    def run(self) -> None:
        window = self.window
        window.resize(1280, 800)
        self.controller.start()
        window.show()
        self.until("shown", window.isVisible)
        self.until("picture", lambda: self.state() is FeedState.READY)
        self.until("running", lambda: self.daemon is DaemonCondition.RUNNING)
        before = self.requests()
        self.until("traffic", lambda: self.requests() > before)
        self.until("rows", lambda: window.requests.table.model().rowCount() > 0)
        self.pause_and_resume()
        self.drag()
        window.grab().save(str(self.snapshot))
        window.close()
        self.controller.stop()

    def pause_and_resume(self) -> None:
        self.window.menus.pause_actions[0].trigger()
        self.until("paused", lambda: self.daemon is DaemonCondition.PAUSED)
        self.seen["words"] = self.window.toolbar.state.full_text
        self.click(self.window.toolbar.resume_button)
        self.until("resumed", lambda: self.daemon is DaemonCondition.RUNNING)

    def drag(self) -> None:
        chart = self.window.overview.day
        view = chart.viewport()
        left, right = (QPoint(view.width() * part // 8, view.height() // 2) for part in (5, 7))
        QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=left)
        QTest.mouseMove(view, (left + right) / 2)
        QTest.mouseMove(view, right)
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=right)
        self.until("range", lambda: self.has_range() is True)
        # Without a window manager no window is active, so that shortcuts would not be heard.
        QTest.keyClick(chart, Qt.Key.Key_Backspace)
        self.until("back", lambda: self.has_range() is False)

    def click(self, button: object) -> None:
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]  # a button

    def state(self) -> FeedState | None:
        return self.window.snapshot.log_status.state if self.window.snapshot else None

    def has_range(self) -> bool | None:
        return self.window.snapshot.chosen is not None if self.window.snapshot else None

    def requests(self) -> int:
        snapshot = self.window.snapshot
        return sum(part.requests for part in snapshot.week_summary.parts) if snapshot else 0

    def until(self, name: str, is_so: Callable[[], object]) -> None:
        started_s = time.monotonic()
        while not is_so():
            if time.monotonic() - started_s > PATIENCE_S:
                raise TimeoutError(name)
            self.application.processEvents()
            time.sleep(0.005)
        self.seen[name] = round(time.monotonic() - started_s, 3)


def main() -> int:
    driver = Driver(Path(sys.argv[1]))
    try:
        driver.run()
    except TimeoutError as error:
        driver.seen["missing"] = str(error)
    sys.stdout.write(json.dumps(driver.seen))
    return 1 if "missing" in driver.seen else 0


if __name__ == "__main__":
    sys.exit(main())
