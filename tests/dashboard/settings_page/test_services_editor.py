"""The services in the settings: what is shown, what is run for a change, and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from layout_checks import without_name
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from offramp_core.config import editor as file_editor
from offramp_core.config import loader
from offramp_core.paths import Paths
from offramp_core.services import service_of
from offramp_dashboard.data.setup.offramp_command import CommandEnding, OfframpCommand
from offramp_dashboard.settings_page import form
from offramp_dashboard.settings_page.dialog import SettingsDialog
from offramp_dashboard.settings_page.routes_editor import RoutesEditor
from offramp_dashboard.settings_page.services_editor import ServicesEditor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from offramp_dashboard.window.styling import Styling

KEY = "pk-0123456789abcdef0123456789abcdef"
BEFORE = """\
failover = ["kimi", "anthropic"]

[backend.kimi]

[backend.ollama]
"""


class FakeCommand(OfframpCommand):
    """Does to the file what the command would, or fails with `problem`."""

    def __init__(self, paths: Paths) -> None:
        super().__init__({}, paths.config_dir)
        self._paths = paths
        self.ran: list[tuple[str, ...]] = []
        self.given: list[str] = []
        self.problem = ""

    def run(self, *arguments: str, given: str = "", limit_s: float) -> CommandEnding:
        del limit_s
        self.ran.append(arguments)
        self.given.append(given)
        if self.problem:
            return CommandEnding(code=1, err=f"offramp: {self.problem}\n  Copy it again.\n")
        _, do, name, _ = arguments
        table = {"base_url": service_of(name).backend.base_url} if do == "add" else None
        file_editor.save(self._paths, {}, {f"backend.{name}": table})
        return CommandEnding(code=0, out="{}")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths.under(tmp_path)
    found.config_dir.mkdir(parents=True, exist_ok=True)
    found.config_file.write_text(BEFORE)
    return found


@pytest.fixture
def command(paths: Paths) -> FakeCommand:
    return FakeCommand(paths)


@pytest.fixture
def open_page(
    paths: Paths, command: FakeCommand, qtbot: QtBot, styling: Styling
) -> Callable[..., SettingsDialog]:
    def start(*, is_demo: bool = False) -> SettingsDialog:
        dialog = SettingsDialog(paths, {}, command=command, is_demo=is_demo)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    del styling
    return start


def services(dialog: SettingsDialog) -> ServicesEditor:
    editor = dialog.fields["services"].editor
    assert isinstance(editor, ServicesEditor)
    return editor


def choose(editor: ServicesEditor, name: str) -> None:
    editor.choice.setCurrentIndex(editor.choice.findData(name))


def texts(editor: ServicesEditor) -> list[str]:
    return [label.text() for label in editor.findChildren(QLabel) if label.isVisible()]


def test_services_are_shown_with_their_state(open_page: Callable[..., SettingsDialog]) -> None:
    dialog = open_page()
    editor = services(dialog)

    assert texts(editor) == [
        "Kimi",
        "key missing, used by failover",
        "Ollama",
        "key not needed, not used yet",
    ]
    enabled = {name: button.isEnabled() for name, button in editor.remove_buttons.items()}
    assert enabled == {"kimi": False, "ollama": True}
    assert editor.choice.findData("kimi") == -1
    assert without_name(dialog) == []


def test_key_is_asked_for_only_where_one_is_wanted(
    open_page: Callable[..., SettingsDialog],
) -> None:
    editor = services(open_page())
    choose(editor, "llamacpp")
    assert not editor.key.isVisible()
    choose(editor, "deepseek")
    assert editor.key.isVisible()
    assert "platform.deepseek.com" in editor.key.placeholderText()


def test_added_service_can_be_chosen_by_routes_at_once(
    open_page: Callable[..., SettingsDialog], command: FakeCommand, paths: Paths, qtbot: QtBot
) -> None:
    dialog = open_page()
    editor = services(dialog)
    choose(editor, "deepseek")
    editor.key.setText(f" {KEY} ")
    with qtbot.waitSignal(editor.changed):
        editor.add_button.click()

    # The key goes through standard input, where nobody sees it.
    assert command.ran == [("backend", "add", "deepseek", "--json")]
    assert command.given == [KEY]
    assert editor.key.text() == ""
    assert "[backend.deepseek]" in paths.config_file.read_text()
    qtbot.waitUntil(lambda: "DeepSeek" in texts(editor))
    routes = dialog.fields[form.ROUTES].editor
    assert isinstance(routes, RoutesEditor)
    assert routes.rows[0].backend.findText("deepseek") >= 0
    assert routes.rows[0].backend.currentText() == "zai"


def test_removed_service_is_gone_from_the_file(
    open_page: Callable[..., SettingsDialog], command: FakeCommand, paths: Paths, qtbot: QtBot
) -> None:
    editor = services(open_page())
    with qtbot.waitSignal(editor.changed):
        editor.remove_buttons["ollama"].click()

    assert command.ran == [("backend", "remove", "ollama", "--json")]
    assert paths.config_file.read_text() == BEFORE.replace("\n[backend.ollama]\n", "")
    assert editor.choice.findData("ollama") >= 0


def test_refused_key_is_said_and_stays_to_be_corrected(
    open_page: Callable[..., SettingsDialog], command: FakeCommand, qtbot: QtBot
) -> None:
    dialog = open_page()
    editor = services(dialog)
    choose(editor, "minimax")
    editor.key.setText(KEY)
    command.problem = "minimax refuses this key."
    with qtbot.waitSignal(editor.said, check_params_cb=bool):
        editor.add_button.click()

    assert dialog.fields["services"].error == "minimax refuses this key. Copy it again."
    assert editor.key.text() == KEY
    assert editor.choice.currentData() == "minimax"
    assert editor.add_button.isEnabled()


@pytest.mark.parametrize("other", ["deepseek", "llamacpp"])
def test_key_that_was_typed_for_one_service_goes_to_no_other(
    open_page: Callable[..., SettingsDialog], command: FakeCommand, other: str
) -> None:
    editor = services(open_page())
    choose(editor, "minimax")
    editor.key.setText(KEY)
    choose(editor, other)
    assert editor.key.text() == ""
    choose(editor, "minimax")
    editor.add_button.click()
    assert command.ran == []


def test_missing_key_runs_nothing(
    open_page: Callable[..., SettingsDialog], command: FakeCommand
) -> None:
    dialog = open_page()
    choose(services(dialog), "minimax")
    services(dialog).add_button.click()
    assert command.ran == []
    assert "key of MiniMax" in dialog.fields["services"].error


def test_demo_changes_no_service(open_page: Callable[..., SettingsDialog]) -> None:
    editor = services(open_page(is_demo=True))
    assert not editor.add_button.isEnabled()
    assert not any(button.isEnabled() for button in editor.remove_buttons.values())


def test_list_for_failover_is_said_and_survives_a_save(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    dialog = open_page()
    box = dialog.fields["failover"].editor
    assert box.isChecked()  # type: ignore[attr-defined]
    assert dialog.fields["failover"].hint == "In this order, by config.toml: Kimi, Claude."
    thinking = dialog.fields["thinking"].editor
    thinking.setCurrentIndex(1)  # type: ignore[attr-defined]
    with qtbot.waitSignal(dialog.accepted):
        dialog.save_button.click()

    found = loader.load(paths, {}).settings
    assert (found.failover, found.thinking) == (("kimi", "anthropic"), "strip")
