"""The set-up window with the real commands, and with scripted ones for what takes a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import OFFRAMP, environment, free_port
from keyring_harness import NONE
from proxy_harness import ZAI_KEY
from PySide6.QtCore import Qt

from offramp_core.login_item.service import NoServiceManagerError
from offramp_core.paths import Paths
from offramp_core.setup import model_choices
from offramp_dashboard.data.setup.offramp_command import OfframpCommand
from offramp_dashboard.data.setup.outcome import Way
from offramp_dashboard.data.setup.steps import SetupSteps
from offramp_dashboard.setup_page.pages import ConnectPage, KeyPage, LoginPage, ModelsPage, TestPage
from offramp_dashboard.setup_page.window import SetupWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from offramp_core.login_item.service import LoginItemManager
    from offramp_dashboard.window.styling import Styling

KEY, MODELS, LOGIN, CONNECT, TRY = range(5)

SCRIPT = """
import json, os, sys, time
answers = json.load(open(os.environ["ANSWERS"]))
name = " ".join(sys.argv[1:])
with open(os.environ["ANSWERS"] + ".asked", "a") as asked:
    asked.write(json.dumps([name, sys.stdin.read()]) + "\\n")
code, out, err = answers[name]
if out == "wait":
    time.sleep(60)
sys.stdout.write(out if isinstance(out, str) else json.dumps(out))
sys.stderr.write(err)
sys.exit(code)
"""


def no_manager(_environ: Mapping[str, str]) -> LoginItemManager:
    raise NoServiceManagerError("Offramp can't start at login here.", hint="Type: offramp serve")


class Desk:
    """A user in front of the window."""

    def __init__(self, qtbot: QtBot, home: Path) -> None:
        self.qtbot, self.home, self.paths = qtbot, home, Paths.under(home)
        self.environ = environment(
            home, ZAI_BASE_URL=f"http://127.0.0.1:{free_port()}", PYTHON_KEYRING_BACKEND=NONE
        )
        self.words: tuple[str, ...] = OFFRAMP
        self.opened: SetupWindow | None = None

    def script(self, answers: Mapping[str, Any]) -> None:
        """Have commands answer so, by their words: exit code, output and errors."""
        file = self.home / "answers.json"
        file.write_text(json.dumps(answers))
        program = self.home / "scripted.py"
        program.write_text(SCRIPT)
        self.environ["ANSWERS"] = str(file)
        self.words = (sys.executable, str(program))

    @property
    def asked(self) -> list[list[str]]:
        file = self.home / "answers.json.asked"
        return [json.loads(line) for line in file.read_text().splitlines()]

    @property
    def window(self) -> SetupWindow:
        if self.opened is None:
            command = OfframpCommand(self.environ, self.home, words=self.words)
            steps = SetupSteps(self.paths, self.environ, command, find_manager=no_manager)
            self.opened = SetupWindow(steps)
            self.opened.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
            self.qtbot.addWidget(self.opened)
            self.opened.show()
        return self.opened

    def settle(self) -> str:
        """Wait until nothing is being done; what the step then says."""
        self.qtbot.waitUntil(lambda: not self.window.page.is_busy)
        return self.window.page.result.text()

    def at(self, step: int) -> Any:
        self.window.show_step(step)
        self.settle()
        return self.window.page

    def act(self) -> str:
        self.qtbot.mouseClick(self.window.page.action_button, Qt.MouseButton.LeftButton)
        return self.settle()

    def undo(self) -> str:
        self.qtbot.mouseClick(self.window.page.undo_button, Qt.MouseButton.LeftButton)
        return self.settle()

    def go(self) -> str:
        self.qtbot.mouseClick(self.window.page.way_button, Qt.MouseButton.LeftButton)
        return self.settle()


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path, styling: Styling) -> Iterator[Desk]:
    del styling
    made = Desk(qtbot, tmp_path)
    yield made
    if made.opened is not None:
        made.opened.reject()


def test_every_step_can_be_skipped_and_come_back_to(desk: Desk) -> None:
    kinds = []
    for step in range(5):
        desk.settle()
        kinds.append(type(desk.window.page))
        assert desk.window.next_button.text() == ("Finish" if step == TRY else "Skip")
        assert desk.window.back_button.isEnabled() == (step > 0)
        if step < TRY:
            desk.qtbot.mouseClick(desk.window.next_button, Qt.MouseButton.LeftButton)
    assert kinds == [KeyPage, ModelsPage, LoginPage, ConnectPage, TestPage]
    for _ in range(TRY):
        desk.qtbot.mouseClick(desk.window.back_button, Qt.MouseButton.LeftButton)
        desk.settle()
    assert desk.window.step == KEY
    assert not desk.paths.config_dir.exists()


def test_finish_closes_the_window(desk: Desk) -> None:
    desk.at(TRY)
    with desk.qtbot.waitSignal(desk.window.finished):
        desk.qtbot.mouseClick(desk.window.next_button, Qt.MouseButton.LeftButton)


def test_key_without_a_network_is_stored_and_removed_again(desk: Desk) -> None:
    page = desk.at(KEY)
    page.field.setText(ZAI_KEY)
    said = desk.act()
    assert said.startswith("The key for Z.ai could not be checked.")
    assert ZAI_KEY not in said
    assert (page.field.text(), desk.window.next_button.text()) == ("", "Next")
    assert desk.paths.keys_file.exists()
    assert "was deleted" in desk.undo()
    assert desk.window.next_button.text() == "Skip"
    assert not page.undo_button.isVisible()


@pytest.mark.parametrize("text", ["", "   "])
def test_empty_field_is_told_and_nothing_is_run(desk: Desk, text: str) -> None:
    desk.at(KEY).field.setText(text)
    assert "no key in the field" in desk.act()


def test_what_is_no_key_is_refused_in_words(desk: Desk) -> None:
    page = desk.at(KEY)
    page.field.setText("sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee")
    said = desk.act()
    assert said
    assert page.outcome.standing == "failed"
    assert "Xk3vP9aQw7" not in said
    assert not desk.paths.keys_file.exists()


def test_refused_key_can_be_stored_all_the_same(desk: Desk) -> None:
    refusal = "offramp: Z.ai refuses this key.\n  Copy it.\n"
    stored = {"check": "skipped", "says": ["Stored."], "notes": []}
    desk.script(
        {
            "key set --json": [1, {"check": "refused"}, refusal],
            "key set --json --no-check": [0, stored, ""],
        }
    )
    page = desk.at(KEY)
    page.field.setText("a-key-that-is-refused")
    assert desk.act() == "Z.ai refuses this key.\nCopy it again from https://z.ai, under API keys."
    assert page.way_button.text() == Way.STORE_UNCHECKED.value
    assert desk.go() == "Stored."
    assert [given for _, given in desk.asked] == ["a-key-that-is-refused"] * 2
    assert all("refused" not in name for name, _ in desk.asked)


def test_step_that_takes_long_can_be_cancelled(desk: Desk) -> None:
    desk.script({"key set --json": [0, "wait", ""]})
    page = desk.at(KEY)
    page.field.setText(ZAI_KEY)
    desk.qtbot.mouseClick(page.action_button, Qt.MouseButton.LeftButton)
    desk.qtbot.waitUntil((desk.home / "answers.json.asked").exists)
    assert not desk.window.next_button.isEnabled()
    desk.qtbot.mouseClick(page.cancel_button, Qt.MouseButton.LeftButton)
    assert desk.settle() == "Cancelled. You can try it again."
    assert page.field.text() == ZAI_KEY


def test_models_are_written_and_put_back(desk: Desk) -> None:
    page = desk.at(MODELS)
    box = page.boxes["sonnet"]
    assert box.currentData() == "GLM-4.7"
    box.setCurrentIndex(box.findData("GLM-5.4"))
    assert "Sonnet: GLM-5.4, Haiku: GLM-4.5-Air" in desk.act()
    in_force = model_choices.in_force(desk.paths, desk.environ)
    assert in_force.by_tier["sonnet"] == "GLM-5.4"
    desk.undo()
    assert model_choices.in_force(desk.paths, desk.environ).by_tier["sonnet"] == "GLM-4.7"
    assert box.currentData() == "GLM-4.7"


def test_models_of_settings_that_are_wrong_are_told(desk: Desk) -> None:
    desk.paths.config_dir.mkdir()
    desk.paths.config_file.write_text("port = 'many'\n")
    assert "port" in desk.at(MODELS).result.text()
    desk.act()
    assert desk.window.page.outcome.standing == "failed"


def test_login_item_that_is_not_possible_is_told_with_what_to_type(desk: Desk) -> None:
    said = desk.at(LOGIN).result.text()
    assert said == "Offramp can't start at login here.\nType: offramp serve"


def test_connecting_needs_the_daemon(desk: Desk) -> None:
    page = desk.at(CONNECT)
    assert page.shown.text().count("ANTHROPIC_BASE_URL") == 1
    assert "The daemon is not running" in desk.act()
    assert page.way_button.text() == Way.START.value
    assert "Offramp can't start at login here" in desk.go()
    assert not (desk.home / ".claude").exists()


def test_settings_with_comments_are_told_with_the_place(desk: Desk) -> None:
    file = desk.home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text('{\n  // mine\n  "env": {}\n}\n')
    said = desk.at(CONNECT).result.text()
    assert f"{file}, line 2" in said
    assert file.read_text().startswith("{\n  // mine")


def test_address_of_somebody_else_is_replaced_only_if_asked(desk: Desk) -> None:
    file = desk.home / ".claude" / "settings.json"
    file.parent.mkdir()
    text = '{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example.com"}}\n'
    file.write_text(text)
    page = desk.at(CONNECT)
    assert "https://gateway.example.com" in page.result.text()
    assert page.way_button.text() == Way.REPLACE.value
    assert file.read_text() == text


def test_trial_without_a_daemon_and_without_claude_is_told(desk: Desk) -> None:
    desk.environ["PATH"] = os.fspath(desk.home)
    page = desk.at(TRY)
    page.claude_box.setChecked(True)
    said = desk.act()
    assert "The daemon is not running." in said
    assert "Claude Code is not installed" in said
    assert page.way_button.text() == Way.START.value


def test_claude_is_tried_only_if_the_user_agrees(desk: Desk) -> None:
    trial = {"of": "zai", "outcome": "ok", "text": "Z.ai answered.", "hint": ""}
    desk.script({"try --json": [0, {"trials": [trial]}, ""]})
    desk.at(TRY)
    assert desk.act() == "Z.ai answered."
    assert [name for name, _ in desk.asked] == ["try --json"]


def test_way_out_of_a_failed_trial_leads_to_its_step(desk: Desk) -> None:
    trial = {"of": "zai", "outcome": "failed", "text": "No key.", "hint": "offramp key set"}
    desk.script({"try --json": [1, {"trials": [trial]}, ""]})
    desk.at(TRY)
    desk.act()
    desk.go()
    assert desk.window.step == KEY


def test_missing_key_of_another_service_leads_to_no_step_for_the_usual_one(desk: Desk) -> None:
    hint = "Store one: offramp key set kimi"
    trial = {"of": "kimi", "outcome": "failed", "text": "No key.", "hint": hint}
    desk.script({"try --json": [1, {"trials": [trial]}, ""]})
    desk.at(TRY)
    assert hint in desk.act()
    assert not desk.window.page.way_button.isVisible()


def test_command_that_can_not_be_started_is_told(desk: Desk) -> None:
    desk.words = (str(desk.home / "missing"),)
    desk.at(TRY)
    assert "can't be started" in desk.act()


def test_window_that_is_closed_ends_what_runs(desk: Desk) -> None:
    desk.script({"key set --json": [0, "wait", ""]})
    page = desk.at(KEY)
    page.field.setText(ZAI_KEY)
    desk.qtbot.keyClick(page.field, Qt.Key.Key_Return)
    desk.qtbot.waitUntil((desk.home / "answers.json.asked").exists)
    desk.qtbot.keyClick(desk.window, Qt.Key.Key_Escape)
    assert not desk.window.isVisible()
    assert not page.is_busy


@pytest.fixture
def daemon(desk: Desk) -> Iterator[None]:
    """A daemon of the same home and settings, without services behind it."""
    desk.environ["PORT"] = str(free_port())
    process = subprocess.Popen(
        [*OFFRAMP, "serve"],
        env=desk.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("Claude Code:" in line for line in process.stderr)
    yield
    process.terminate()
    process.communicate()


@pytest.mark.usefixtures("daemon")
def test_claude_code_is_connected_and_let_go_again(desk: Desk) -> None:
    file = desk.home / ".claude" / "settings.json"
    file.parent.mkdir()
    before = '{\n  "env": {\n    "A": "1"\n  }\n}\n'
    file.write_text(before)
    page = desk.at(CONNECT)
    assert page.shown.text().splitlines()[-1].strip("+ ").startswith('"ANTHROPIC_BASE_URL"')
    assert desk.act().startswith("Claude Code uses Offramp.")
    assert "ANTHROPIC_BASE_URL" in file.read_text()
    assert desk.window.next_button.text() == "Next"
    # Now the daemon must not be taken away from under it.
    desk.at(LOGIN)
    assert "Disconnect it first" in desk.window.pages[LOGIN].steps.remove_login().text
    desk.at(CONNECT)
    assert "earlier settings are back" in desk.undo()
    assert file.read_text() == before


@pytest.mark.usefixtures("daemon")
def test_models_reach_a_running_daemon(desk: Desk) -> None:
    box = desk.at(MODELS).boxes["haiku"]
    box.setCurrentIndex(box.findData("GLM-5.3-Flash"))
    assert "daemon" not in desk.act()


@pytest.mark.usefixtures("daemon")
def test_service_that_can_not_be_reached_is_told_by_the_trial(desk: Desk) -> None:
    page = desk.at(KEY)
    page.field.setText(ZAI_KEY)
    assert "The running daemon has a key for zai." in desk.act()
    desk.at(TRY)
    assert desk.act().startswith("Z.ai did not answer through Offramp")


@pytest.mark.usefixtures("daemon")
def test_claude_code_is_not_pointed_at_a_port_where_nobody_answers(desk: Desk) -> None:
    desk.environ["PORT"] = str(free_port())  # changed in the settings, and not restarted since
    desk.at(CONNECT)
    assert "Nothing answers at" in desk.act()
    assert not (desk.home / ".claude" / "settings.json").exists()
