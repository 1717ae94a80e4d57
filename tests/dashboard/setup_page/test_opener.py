"""Where the daemon can't be started, the charts lead to what sets it up, or say why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from offramp_core.login_item.service import LoginItemState, NoServiceManagerError
from offramp_core.paths import Paths
from offramp_dashboard.data.setup.offramp_command import OfframpCommand
from offramp_dashboard.data.setup.outcome import Way
from offramp_dashboard.data.setup.steps import SetupSteps
from offramp_dashboard.setup_page.opener import SetupOpener
from offramp_dashboard.setup_page.pages import LoginPage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from pytestqt.qtbot import QtBot

    from offramp_dashboard.window.main_window import ChartsWindow


class FakeManager:
    """A service manager with a login item, or without one."""

    def __init__(self, *, is_installed: bool, is_running: bool = False) -> None:
        self.is_installed, self.is_running = is_installed, is_running

    def state(self) -> LoginItemState:
        return LoginItemState(
            manager="systemd",
            files=(),
            is_installed=self.is_installed,
            is_enabled=self.is_installed,
            is_listening=self.is_running,
            is_running=self.is_running,
        )


def none_at_all(_environ: Mapping[str, str]) -> Any:
    raise NoServiceManagerError("Offramp can't start at login here.", hint="Type: offramp serve")


def steps(home: Path, find_manager: Callable[[Mapping[str, str]], Any]) -> SetupSteps:
    command = OfframpCommand({}, home, words=(str(home / "missing"),))
    return SetupSteps(Paths.under(home), {}, command, find_manager=find_manager)


def opener(window: ChartsWindow, home: Path, find_manager: Callable[..., Any]) -> SetupOpener:
    return SetupOpener(lambda: steps(home, find_manager), window)


def test_daemon_that_was_never_installed_leads_to_the_login_step(
    qtbot: QtBot, window: ChartsWindow, tmp_path: Path
) -> None:
    made = opener(window, tmp_path, lambda _: FakeManager(is_installed=False))
    made.explain_failed_start("No login item is installed.")
    qtbot.waitUntil(lambda: made.window is not None)
    assert made.window is not None
    assert isinstance(made.window.page, LoginPage)
    with qtbot.waitSignal(made.changed):
        made.stop()
    assert made.window is None


@pytest.mark.parametrize("find_manager", [none_at_all, lambda _: FakeManager(is_installed=True)])
def test_installed_or_impossible_says_what_went_wrong(
    qtbot: QtBot, window: ChartsWindow, tmp_path: Path, find_manager: Callable[..., Any]
) -> None:
    made = opener(window, tmp_path, find_manager)
    with qtbot.waitSignal(made.failed) as failed:
        made.explain_failed_start("The port is taken.")
    assert failed.args == ["The port is taken."]
    assert made.window is None


def test_asked_for_twice_is_one_window(qtbot: QtBot, window: ChartsWindow, tmp_path: Path) -> None:
    made = opener(window, tmp_path, none_at_all)
    made.open()
    first = made.window
    made.open()
    assert made.window is first
    assert first is not None
    with qtbot.waitSignal(made.changed):
        qtbot.keyClick(first, Qt.Key.Key_Escape)


def test_daemon_that_is_not_installed_is_not_started_but_offered(tmp_path: Path) -> None:
    outcome = steps(tmp_path, lambda _: FakeManager(is_installed=False)).start_daemon()
    assert (outcome.standing, outcome.way) == ("failed", Way.INSTALL)


@pytest.mark.parametrize(("is_running", "way"), [(True, None), (False, Way.START)])
def test_login_item_that_is_there_is_told(
    tmp_path: Path, is_running: bool, way: Way | None
) -> None:
    manager = FakeManager(is_installed=True, is_running=is_running)
    outcome = steps(tmp_path, lambda _: manager).look_at_login()
    assert (outcome.standing, outcome.can_undo, outcome.way) == ("done", True, way)
