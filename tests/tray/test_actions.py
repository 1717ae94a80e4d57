"""What a click does: at once, in its own thread, with its outcome shown."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from patience import PATIENCE_S
from tray_states import NOW, FakeDesktop, FakeHost, error_of, running, status_of

from offramp_core.config import loader
from offramp_core.control import api
from offramp_core.control.api import CommandAnswer, Pause, ReloadAnswer
from offramp_core.control.client import NotRunningError
from offramp_core.errors import OfframpError
from offramp_core.paths import Paths
from offramp_tray.actions import Actions
from offramp_tray.choices import Choices
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Presence
from offramp_tray.store import Store
from offramp_tray.view import menu
from offramp_tray.view.view_model import RowKind

FOREVER = status_of(pause=Pause(since=NOW))


class FakeCommands:
    """A daemon that does what it is asked, once it is let."""

    def __init__(self):
        self.asked = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.refusal = None
        self.notes = ()
        self.mode = "always"
        self.problem = None
        self.reloads = 0

    def reload(self):
        self.reloads += 1
        if self.refusal is not None:
            raise self.refusal
        return ReloadAnswer(problem=self.problem)

    def status(self):
        return status_of(delegation=self.mode)

    def pause(self, until=None):
        return self._answer(("pause", until), status_of(pause=Pause(since=NOW, until=until)))

    def resume(self):
        return self._answer(("resume",), status_of())

    def _answer(self, asked, status):
        self.asked.append(asked)
        assert self.may_answer.wait(PATIENCE_S)
        if self.refusal is not None:
            raise self.refusal
        return CommandAnswer(status=status, notes=self.notes)


class FakeLogin:
    def __init__(self):
        self.value: bool | None = False
        self.refusal = None

    def is_on(self):
        if self.refusal is not None:
            raise self.refusal
        return self.value

    def switch(self, *, on):
        if self.refusal is not None:
            raise self.refusal
        self.value = on


class World:
    def __init__(self, home, *, is_demo=False, state=None, can_copy=True, environ=None):
        self.paths = Paths.under(home)
        self.host = FakeHost()
        self.commands = FakeCommands()
        self.desktop = FakeDesktop(can_copy=can_copy)
        self.login = FakeLogin()
        self.wanted = threading.Event()
        self.changed = threading.Event()
        self.quit = threading.Event()
        self.store = Store(
            state or running(), clock=lambda: NOW, show=self.host.show, notify=self.host.notify
        )
        self.host.show(self.store.view)
        self.actions = Actions(
            self.store,
            self.commands,
            self.desktop,
            self.paths,
            is_demo=is_demo,
            login_item=self.login,
            choices=Choices(self.paths, environ or {}, self.commands, on_changed=self.changed.set),
            notify=self.host.notify,
            on_daemon_wanted=self.wanted.set,
            quit_tray=self.quit.set,
        )

    def click(self, key):
        """Click, and wait until it is done."""
        self.actions.click(key)
        self.host.until(lambda: key not in self.store.state.pending)
        self.store.change()  # waits until the change that ended it is shown as well


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_click_is_seen_at_once_and_its_outcome_when_it_is_there(world):
    world.commands.may_answer.clear()
    world.actions.click(menu.PAUSE)
    assert world.host.row(menu.PAUSE).text == "Pause delegation…"
    assert not world.host.row(menu.PAUSE).is_checked
    world.commands.may_answer.set()
    world.host.until(lambda: world.host.row(menu.PAUSE).is_checked)
    world.host.until(lambda: world.host.row(menu.PAUSE).text == "Pause delegation")
    assert world.host.row("headline").text.startswith("Delegation paused until you resume it")


def test_a_second_click_meanwhile_is_none(world):
    world.commands.may_answer.clear()
    for _ in range(5):
        world.actions.click(menu.PAUSE)
    world.commands.may_answer.set()
    world.host.until(lambda: not world.store.state.pending)
    assert world.commands.asked == [("pause", None)]


def test_a_click_while_paused_resumes(tmp_path):
    world = World(tmp_path, state=running(FOREVER))
    world.click(menu.PAUSE)
    assert world.commands.asked == [("resume",)]
    assert not world.host.row(menu.PAUSE).is_checked


@pytest.mark.parametrize(
    ("key", "length"),
    [
        (menu.PAUSE_HOUR, timedelta(hours=1)),
        (menu.PAUSE_TOMORROW, timedelta(hours=18)),
        (menu.PAUSE_RESET, timedelta(hours=32)),
    ],
)
def test_pause_for_ends_when_its_row_says(world, key, length):
    world.click(key)
    assert world.commands.asked == [("pause", NOW + length)]


def test_a_refusal_is_shown_and_said_with_its_cure(world):
    world.commands.refusal = NotRunningError("It is not running.", hint="Start it.")
    world.click(menu.PAUSE)
    refusal = world.host.row("said.refusal.0")
    assert (refusal.text, refusal.is_visible) == ("It is not running.", True)
    [message] = world.host.messages
    assert (message.title, message.body) == ("It is not running.", "Start it.")
    assert world.host.row("said.cure.0").text == "Start it."


def test_the_next_action_takes_the_refusal_away(world):
    world.commands.refusal = NotRunningError("It is not running.")
    world.click(menu.PAUSE)
    world.commands.refusal = None
    world.click(menu.PAUSE)
    assert not world.host.row("said.refusal.0").is_visible


def refused_to_start(world, key):
    world.store.change(presence=Presence.NOT_RUNNING)
    world.desktop.refusal = OfframpError("It can't start here.", hint="Log in.")
    world.click(key)
    assert world.host.row("said.refusal.0").is_visible


def test_why_the_daemon_did_not_start_goes_once_it_runs(world):
    refused_to_start(world, menu.DAEMON)
    world.store.update(lambda state: tray_state.with_daemon(state, status_of()))
    assert not world.host.row("said.refusal.0").is_visible
    assert not world.host.row("said.cure.0").is_visible
    assert not world.store.state.unseen


def test_another_refusal_stays_when_the_daemon_comes(world):
    refused_to_start(world, menu.LOGS)
    world.store.update(lambda state: tray_state.with_daemon(state, status_of()))
    assert world.host.row("said.refusal.0").is_visible


def test_why_a_running_daemon_was_not_restarted_stays(world):
    refused_to_start(world, menu.DAEMON)
    world.store.change(presence=Presence.RUNNING)
    world.store.update(lambda state: tray_state.with_daemon(state, status_of()))
    assert world.host.row("said.refusal.0").is_visible


def test_the_daemons_notes_are_said(world):
    world.commands.notes = ("It could not be saved.",)
    world.click(menu.PAUSE)
    assert [message.body for message in world.host.messages] == ["It could not be saved."]
    assert world.host.row("said.note.0").text == "It could not be saved."


def test_each_word_of_a_long_note_is_in_the_menu(world):
    world.commands.notes = (f"{'A long story. ' * 15}Its end.", "And another.")
    world.click(menu.PAUSE)
    lines = [world.host.row(f"said.note.{place}") for place in range(4)]
    assert " ".join(line.text for line in lines if line.is_visible).endswith("end. And another.")
    assert all(len(line.text) <= 72 for line in lines)


def test_message_marks_the_icon_until_the_next_click(world):
    plain = world.host.view
    world.commands.notes = ("It could not be saved.",)
    world.click(menu.PAUSE)
    marked = world.host.view
    assert marked.needs_attention
    assert marked.title.endswith("new message in the menu")
    world.commands.notes = ()
    world.click(menu.PAUSE)
    assert not world.host.view.needs_attention
    assert not world.host.row("said.note.0").is_visible
    assert world.host.view.icon == plain.icon


def test_an_action_that_breaks_is_logged_and_done_with(world, caplog):
    world.commands.refusal = RuntimeError("a mistake")
    world.click(menu.PAUSE)
    assert "log folder" in world.host.row("said.refusal.0").text
    assert "An action failed" in caplog.text


def test_charts_are_a_process_of_their_own(world):
    world.click(menu.CHARTS)
    assert world.desktop.launched == [("charts",)]


def test_the_demos_charts_are_the_demos(tmp_path):
    world = World(tmp_path, is_demo=True)
    world.click(menu.CHARTS)
    assert world.desktop.launched == [("charts", "--demo")]


def test_charts_that_cannot_be_shown_say_what_to_install(world):
    world.desktop.refusal = OfframpError("PySide6 is missing.", hint="pip install it")
    world.click(menu.CHARTS)
    assert world.host.row("said.refusal.0").text == "PySide6 is missing."
    assert world.host.messages[0].body == "pip install it"


def test_the_line_for_claude_code_is_copied(world):
    world.click(menu.COPY)
    assert world.desktop.copied == ["export ANTHROPIC_BASE_URL=http://localhost:3001"]
    assert world.host.row(menu.COPY).text == "Copy terminal command for Claude Code (copied)"
    assert not world.host.messages


def test_line_for_claude_code_is_connect_where_the_daemon_asks_for_a_token(tmp_path):
    world = World(tmp_path)
    world.store.change(has_client_token=True)
    world.click(menu.COPY)
    assert world.desktop.copied == ["offramp connect"]


def test_without_a_clipboard_the_line_is_shown(tmp_path):
    world = World(tmp_path, can_copy=False)
    world.click(menu.COPY)
    line = "export ANTHROPIC_BASE_URL=http://localhost:3001"
    assert world.host.messages[0].body == line
    assert line in world.host.row("said.note.0").text
    assert world.host.row(menu.COPY).text == "Copy terminal command for Claude Code"


def test_settings_are_the_windows_where_there_is_one(world):
    world.click(menu.SETTINGS)
    assert world.desktop.launched == [("charts", "--settings")]
    assert not world.desktop.opened


def test_without_the_window_a_settings_file_is_made_and_opened(tmp_path):
    world = World(tmp_path, state=running(has_charts=False))
    world.click(menu.SETTINGS)
    file = world.paths.config_file
    assert world.desktop.opened == [file]
    assert "#zai_api_key" in file.read_text(encoding="utf-8")


def test_without_the_window_settings_that_are_there_are_opened_as_they_are(tmp_path):
    world = World(tmp_path, state=running(has_charts=False))
    world.paths.config_file.parent.mkdir(parents=True)
    world.paths.config_file.write_text("port = 4001\n", encoding="utf-8")
    world.click(menu.SETTINGS)
    assert world.desktop.opened == [world.paths.config_file]
    assert world.paths.config_file.read_text(encoding="utf-8") == "port = 4001\n"


def test_the_log_folder_is_opened(world):
    world.click(menu.LOGS)
    assert world.desktop.opened == [world.paths.diagnostics_dir]
    assert world.paths.diagnostics_dir.is_dir()


def test_a_folder_that_cannot_be_made_is_named(world):
    world.paths.diagnostics_dir.write_bytes(b"")
    world.click(menu.LOGS)
    lines = [world.host.row(f"said.refusal.{place}").text for place in range(5)]
    assert "can't be created" in " ".join(lines)


def test_start_at_login_is_switched_and_shown(world):
    world.actions.refresh_menu_facts()
    assert not world.host.row(menu.LOGIN).is_checked
    world.click(menu.LOGIN)
    assert world.login.value is True
    assert world.host.row(menu.LOGIN).is_checked
    world.click(menu.LOGIN)
    assert world.login.value is False


def test_a_login_item_that_cannot_be_read_has_no_row(world):
    world.login.refusal = OfframpError("It can't be read.")
    world.actions.refresh_menu_facts()
    assert not world.host.row(menu.LOGIN).is_visible


@pytest.mark.parametrize(
    ("presence", "command"), [(Presence.RUNNING, "restart"), (Presence.NOT_RUNNING, "start")]
)
def test_the_daemon_is_restarted_or_started_by_its_own_command(tmp_path, presence, command):
    world = World(tmp_path, state=running(presence=presence))
    world.click(menu.DAEMON)
    assert world.desktop.commands == [(command,)]
    assert world.wanted.is_set()


def test_a_restart_that_fails_says_why(world):
    world.desktop.refusal = OfframpError("This daemon runs in the foreground.", hint="End it.")
    world.click(menu.DAEMON)
    assert world.host.row("said.refusal.0").text == "This daemon runs in the foreground."
    assert not world.wanted.is_set()


def test_the_demos_daemon_is_not_restarted(tmp_path):
    world = World(tmp_path, is_demo=True)
    world.click(menu.DAEMON)
    assert not world.desktop.commands
    assert "demo" in world.host.row("said.refusal.0").text


def test_quit_ends_the_tray(world):
    world.actions.click(menu.QUIT)
    assert world.quit.is_set()


@pytest.mark.parametrize(
    ("key", "page"),
    [
        ("headline", "overview"),
        ("backend.zai", "overview"),
        ("quota.anthropic.7d", "quota"),
        ("quota.zai", "quota"),
        ("error.2", "requests"),
        ("trouble.0.cure", "requests"),
    ],
)
def test_a_click_on_a_fact_opens_the_page_that_has_more(world, key, page):
    world.click(key)
    assert world.desktop.launched == [("charts", "--page", page)]


@pytest.mark.parametrize(
    ("status", "key", "options"),
    [
        (status_of(zai_key="missing"), "error", ("--settings",)),
        (status_of(errors={"zai": error_of(api.KEY_REFUSED)}), "error", ("--settings",)),
        (status_of(errors={"zai": error_of(api.KEY_REFUSED)}), "error.more1", ("--settings",)),
        (
            status_of(errors={"anthropic": error_of(api.LIMIT)}, zai_key="missing"),
            "error.1",
            ("--settings",),
        ),
        (
            status_of(errors={"anthropic": error_of(api.LIMIT)}, zai_key="missing"),
            "error",
            ("--page", "requests"),
        ),
        (status_of(errors={"zai": error_of(api.LIMIT)}), "error", ("--page", "requests")),
        (status_of(zai_key="missing"), "error.1", ("--page", "requests")),
    ],
)
def test_a_click_on_a_key_that_is_missing_or_refused_opens_the_settings(
    world, status, key, options
):
    world.store.change(presence=Presence.RUNNING, status=status)
    world.click(key)
    assert world.desktop.launched == [("charts", *options)]


def test_every_row_that_says_something_can_be_read_and_clicked(world):
    rows = [each for top in world.store.view.rows for each in (top, *top.rows)]
    facts = [each for each in rows if each.kind is RowKind.TEXT]
    assert facts
    for fact in facts:
        assert fact.is_enabled
        assert menu.page_of(fact.key) or fact.key in menu.ABOUT or fact.key.startswith("said.")


def test_a_click_on_the_version_copies_it(world):
    world.click("about.version")
    assert world.desktop.copied == [menu.ABOUT["about.version"]]


def test_a_click_on_what_was_said_takes_it_away(world):
    world.commands.refusal = NotRunningError("It is not running.")
    world.click(menu.PAUSE)
    world.click("said.refusal.0")
    assert not world.host.row("said.refusal.0").is_visible
    assert not world.desktop.launched


def test_the_mode_is_written_and_the_daemon_reads_it_at_once(world):
    world.commands.mode = "auto"
    world.click("mode.auto")
    assert world.paths.config_file.read_text(encoding="utf-8") == 'delegation = "auto"\n'
    assert world.commands.reloads == 1
    assert world.changed.is_set()
    assert not world.host.row("said.refusal.0").is_visible


def test_a_model_is_written_with_its_limits_and_what_else_is_there_stays(world):
    world.paths.config_file.parent.mkdir(parents=True)
    world.paths.config_file.write_text("# mine\nport = 4001\n", encoding="utf-8")
    world.click("model.sonnet.zai.GLM-5.4")
    text = world.paths.config_file.read_text(encoding="utf-8")
    assert text.startswith("# mine\nport = 4001\n")
    sonnet, haiku = loader.load(world.paths, {}).settings.routes
    assert (sonnet.match, sonnet.send_model, sonnet.context_tokens) == (
        "sonnet",
        "GLM-5.4",
        1_000_000,
    )
    assert haiku.send_model == "GLM-4.5-Air"
    assert world.commands.reloads == 1


def test_without_a_daemon_a_choice_waits_for_its_start(world):
    world.commands.refusal = NotRunningError("It is not running.")
    world.click("model.haiku.anthropic.")
    assert loader.load(world.paths, {}).settings.routes[1].backend == "anthropic"
    assert not world.host.row("said.refusal.0").is_visible


def test_a_choice_that_is_in_force_writes_nothing(world):
    world.click("model.sonnet.zai.GLM-4.7")
    assert not world.paths.config_file.exists()


@pytest.mark.parametrize(
    ("environ", "mode", "problem", "said"),
    [
        ({"OFFRAMP_DELEGATION": "never"}, "always", None, "OFFRAMP_DELEGATION"),
        ({}, "never", None, "a variable in its environment"),
        ({}, "always", "port is wrong.", "port is wrong"),
    ],
)
def test_a_choice_that_has_no_effect_says_why(tmp_path, environ, mode, problem, said):
    world = World(tmp_path, environ=environ)
    world.commands.mode, world.commands.problem = mode, problem
    world.click("mode.auto")
    lines = [world.host.row(f"said.refusal.{place}") for place in range(3)]
    assert said in " ".join(line.text for line in lines)


def test_a_choice_for_settings_that_are_wrong_says_so_and_writes_nothing(world):
    world.paths.config_file.parent.mkdir(parents=True)
    world.paths.config_file.write_text("port = 0\n", encoding="utf-8")
    world.click("model.sonnet.zai.GLM-5.4")
    assert world.paths.config_file.read_text(encoding="utf-8") == "port = 0\n"
    assert world.host.row("said.refusal.0").is_visible


def test_a_click_on_what_only_tells_does_nothing(world):
    world.actions.click("headline")
    assert not world.store.state.pending


def test_the_menu_opens_the_set_up_window(world):
    world.click(menu.SETUP)
    assert world.desktop.launched == [("setup",)]


def test_set_up_is_offered_once_where_nothing_is_set_up(world):
    for _ in range(2):
        world.actions.offer_setup({})
        world.host.until(lambda: not world.store.state.pending)
    assert world.desktop.launched == [("setup",)]
    assert not world.host.messages


def test_set_up_that_is_offered_leaves_what_a_click_had_to_say(world):
    world.commands.refusal = NotRunningError("It is not running.")
    world.click(menu.PAUSE)
    world.actions.offer_setup({})
    assert world.desktop.launched == [("setup",)]
    assert world.host.row("said.refusal.0").is_visible


def test_set_up_is_not_offered_where_something_is_set_up(world):
    world.paths.config_dir.mkdir()
    world.paths.config_file.write_text("")
    world.actions.offer_setup({})
    assert not world.store.state.pending
    assert world.desktop.launched == []


def test_set_up_is_not_offered_to_the_demo(tmp_path):
    world = World(tmp_path, is_demo=True)
    world.actions.offer_setup({})
    assert not world.store.state.pending
    assert world.desktop.launched == []


def test_without_the_charts_the_command_that_sets_up_is_named_once(world, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    for _ in range(2):
        world.actions.offer_setup({})
    assert world.desktop.launched == []
    (message,) = world.host.messages
    assert (message.title, message.body) == (
        "Set up Offramp",
        "Type in a terminal: offramp install",
    )
    noted = [world.host.row(f"said.note.{place}").text for place in range(3)]
    assert " ".join(noted).strip() == "Set up Offramp. Type in a terminal: offramp install"


def test_set_up_window_that_can_not_open_is_told_with_the_command(world):
    world.desktop.refusal = OfframpError("Qt can't be loaded.", hint="Type: offramp install")
    world.actions.offer_setup({})
    world.host.until(lambda: world.host.row("said.refusal.0").is_visible)
    assert world.host.row("said.cure.0").text == "Type: offramp install"
