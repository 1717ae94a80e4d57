"""The window's button starts the daemon, and says why it did not start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from offramp_dashboard.daemon_start import DaemonStarter

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot


def starter(*words: str) -> DaemonStarter:
    return DaemonStarter(words=words)


def test_command_that_fails_is_told_with_what_it_said(qtbot: QtBot) -> None:
    script = "import sys; print('There is no login item.', file=sys.stderr); sys.exit(1)"
    made = starter(sys.executable, "-c", script)
    with qtbot.waitSignal(made.failed) as failed:
        made.start()
    assert failed.args == ["The daemon could not be started. There is no login item."]


def test_command_that_is_not_there_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    made = starter(str(tmp_path / "missing"))
    with qtbot.waitSignal(made.failed) as failed:
        made.start()
    assert failed.args[0].startswith("The daemon could not be started: ")


def test_command_that_succeeds_is_run_once_at_a_time(qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "runs"
    script = f"open({str(file)!r}, 'a').write('x'); input()"
    made = starter(sys.executable, "-c", script)
    with qtbot.assertNotEmitted(made.failed):
        made.start()
        made.start()
        qtbot.waitUntil(lambda: file.exists() and file.read_text() == "x")
    made.stop()


def test_window_that_closes_waits_for_nothing(qtbot: QtBot) -> None:
    made = starter(sys.executable, "-c", "input()")
    with qtbot.assertNotEmitted(made.failed):
        made.start()
        made.stop()
