"""The settings page: it shows what holds, changes the file alone, and blames the right field."""

from __future__ import annotations

import threading
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from layout_checks import without_name
from patience import PATIENCE_S
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit

from offramp_core.config import example, loader
from offramp_core.errors import OfframpError
from offramp_core.paths import Paths
from offramp_dashboard.settings_page import form
from offramp_dashboard.settings_page.dialog import SettingsDialog
from offramp_dashboard.settings_page.routes_editor import RoutesEditor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from offramp_core.settings import Secret
    from offramp_dashboard.window.styling import Styling

KEY = "0123456789abcdef0123456789abcdef.NotARealKey"


class FakeStore:
    """Keeps keys in memory, or refuses them."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.problem = ""

    def set(self, backend: str, key: Secret) -> None:
        if self.problem:
            raise OfframpError(self.problem)
        self.kept[backend] = key.reveal()


class FakeLoginItem:
    """A login item that is a flag, or can't be told of."""

    def __init__(self) -> None:
        self.is_at_login: bool | None = False
        self.is_broken = False

    def is_on(self) -> bool | None:
        if self.is_broken:
            raise OfframpError("The folder can't be read.")
        return self.is_at_login

    def switch(self, *, on: bool) -> None:
        self.is_at_login = on


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths.under(tmp_path)
    example.create_if_missing(found.config_file)
    return found


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def open_page(
    paths: Paths, store: FakeStore, qtbot: QtBot, styling: Styling
) -> Callable[..., SettingsDialog]:
    """Open the page: `open_page(environ, login_item=...)`."""

    def start(environ: Mapping[str, str] | None = None, **more: Any) -> SettingsDialog:
        dialog = SettingsDialog(paths, environ or {}, store=store, **more)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, on=False)
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    del styling
    return start


def _combo(dialog: SettingsDialog, name: str) -> QComboBox:
    editor = dialog.fields[name].editor
    assert isinstance(editor, QComboBox)
    return editor


def _box(dialog: SettingsDialog, name: str) -> QCheckBox:
    editor = dialog.fields[name].editor
    assert isinstance(editor, QCheckBox)
    return editor


def _routes(dialog: SettingsDialog) -> RoutesEditor:
    editor = dialog.fields[form.ROUTES].editor
    assert isinstance(editor, RoutesEditor)
    return editor


def _key(dialog: SettingsDialog) -> QLineEdit:
    editor = dialog.fields[form.KEY].editor
    assert isinstance(editor, QLineEdit)
    return editor


def _save(dialog: SettingsDialog, qtbot: QtBot) -> None:
    with qtbot.waitSignal(dialog.accepted):
        dialog.save_button.click()


def test_page_shows_what_holds(open_page: Callable[..., SettingsDialog]) -> None:
    dialog = open_page()

    assert _combo(dialog, "week_start_day").currentText() == "Thursday"
    assert _combo(dialog, "week_start_hour").currentText() == "22:00"
    assert _combo(dialog, "thinking").currentData() == "own"
    assert _box(dialog, "tray.notify_quota").isChecked()
    assert [row.match.text() for row in _routes(dialog).rows] == ["sonnet", "haiku"]
    assert dialog.fields[form.KEY].hint.startswith("There is no key yet")
    assert without_name(dialog) == []


def test_delegation_and_what_happens_on_trouble_can_be_set(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    dialog = open_page()
    mode = _combo(dialog, "delegation")
    assert mode.currentData() == "always"
    assert [mode.itemData(i) for i in range(mode.count())] == ["always", "auto", "never"]
    assert all(mode.itemText(i).partition(": ")[2] for i in range(mode.count()))
    assert _box(dialog, "failover").isChecked()
    assert not _box(dialog, "overflow").isChecked()
    mode.setCurrentIndex(1)
    for name in ("failover", "overflow", "zai_quota"):
        _box(dialog, name).toggle()

    _save(dialog, qtbot)

    found = loader.load(paths, {}).settings
    assert (found.delegation, found.failover, found.overflow, found.zai_quota) == (
        "auto",
        False,
        True,
        False,
    )


def test_only_what_changed_is_written_and_comments_stay(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    before = paths.config_file.read_text()
    dialog = open_page()
    _combo(dialog, "week_start_day").setCurrentIndex(1)
    _box(dialog, "tray.notify_quota").setChecked(False)

    _save(dialog, qtbot)

    after = paths.config_file.read_text()
    assert tomllib.loads(after) == {"week_start_day": 1, "tray": {"notify_quota": False}}
    changed = {line for line in before.splitlines() if line not in after.splitlines()}
    assert changed <= {"#week_start_day = 4"}


def test_saving_nothing_leaves_the_file_alone(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    before = paths.config_file.stat().st_mtime_ns

    _save(open_page(), qtbot)

    assert paths.config_file.stat().st_mtime_ns == before


def test_value_of_the_environment_is_shown_and_not_editable(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    dialog = open_page({"WEEK_START_DAY": "2"})

    assert _combo(dialog, "week_start_day").currentText() == "Tuesday"
    assert not _combo(dialog, "week_start_day").isEnabled()
    assert "WEEK_START_DAY" in dialog.fields["week_start_day"].hint
    _save(dialog, qtbot)
    assert tomllib.loads(paths.config_file.read_text()) == {}


def test_routes_are_edited_added_moved_and_removed(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    dialog = open_page()
    routes = _routes(dialog)
    routes.rows[1].remove.click()
    routes.add_button.click()
    routes.rows[1].match.setText("opus")
    routes.rows[1].backend.setCurrentText("zai")
    routes.rows[1].up.click()

    _save(dialog, qtbot)

    assert tomllib.loads(paths.config_file.read_text())["route"] == [
        {"match": "opus", "backend": "zai"},
        {"match": "sonnet", "backend": "zai", "context_tokens": 200000},
    ]


def test_wrong_value_in_a_route_is_said_at_the_routes(
    open_page: Callable[..., SettingsDialog], paths: Paths
) -> None:
    before = paths.config_file.read_bytes()
    dialog = open_page()
    routes = _routes(dialog)
    routes.rows[1].context_tokens.setText("many")

    dialog.save_button.click()

    error = dialog.fields[form.ROUTES].error
    assert "not a whole number" in error
    assert routes.rows[1].context_tokens.property("is_wrong") == "true"
    assert routes.rows[0].context_tokens.property("is_wrong") == "false"
    assert paths.config_file.read_bytes() == before
    assert dialog.isVisible()


def test_errors_of_several_lines_squeeze_no_editor(
    open_page: Callable[..., SettingsDialog], qtbot: QtBot
) -> None:
    dialog = open_page()
    routes = _routes(dialog)
    field = dialog.fields[form.ROUTES]
    before = field.height()
    routes.rows[0].match.setText("")
    routes.rows[1].context_tokens.setText("-5")

    dialog.save_button.click()

    qtbot.waitUntil(lambda: field.height() > before)
    assert field.height() >= field.heightForWidth(field.width())
    for row in routes.rows:
        for widget in row.widgets():
            assert widget.height() >= widget.sizeHint().height()


def test_corrected_value_is_taken(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    dialog = open_page()
    routes = _routes(dialog)
    routes.rows[0].match.setText("")
    dialog.save_button.click()
    assert "empty" in dialog.fields[form.ROUTES].error

    routes.rows[0].match.setText("sonnet-4")
    _save(dialog, qtbot)

    assert dialog.fields[form.ROUTES].error == ""
    assert tomllib.loads(paths.config_file.read_text())["route"][0]["match"] == "sonnet-4"


def test_key_goes_to_its_store_and_not_into_the_file(
    open_page: Callable[..., SettingsDialog], paths: Paths, store: FakeStore, qtbot: QtBot
) -> None:
    dialog = open_page()
    _key(dialog).setText(f" {KEY} ")
    assert _key(dialog).echoMode() is QLineEdit.EchoMode.Password

    with qtbot.waitSignal(dialog.saved):
        _save(dialog, qtbot)

    assert store.kept == {"zai": KEY}
    assert KEY not in paths.config_file.read_text()


def test_text_that_is_no_key_is_refused_at_its_field(
    open_page: Callable[..., SettingsDialog], store: FakeStore
) -> None:
    dialog = open_page()
    _key(dialog).setText("sk-ant-api03-not-a-real-key-0000")

    dialog.save_button.click()

    assert dialog.fields[form.KEY].error
    assert "sk-ant" not in dialog.fields[form.KEY].error
    assert store.kept == {}


def test_store_that_fails_is_said_at_the_key(
    open_page: Callable[..., SettingsDialog], store: FakeStore, qtbot: QtBot
) -> None:
    store.problem = "The keyring is locked."
    dialog = open_page()
    _key(dialog).setText(KEY)

    with qtbot.waitSignal(dialog.saved):
        dialog.save_button.click()

    assert dialog.fields[form.KEY].error == "The keyring is locked."
    assert dialog.isVisible()
    assert dialog.save_button.isEnabled()


def test_file_that_is_wrong_already_is_not_touched(
    open_page: Callable[..., SettingsDialog], paths: Paths
) -> None:
    paths.config_file.write_text("week_start_day = 9\n")
    dialog = open_page()

    assert "week_start_day = 9 is out of range" in dialog.problem.text()
    assert not dialog.save_button.isEnabled()
    dialog.save()
    assert paths.config_file.read_text() == "week_start_day = 9\n"


def test_login_item_is_switched(open_page: Callable[..., SettingsDialog], qtbot: QtBot) -> None:
    item = FakeLoginItem()
    dialog = open_page(login_item=item)
    _box(dialog, "login item").setChecked(True)

    _save(dialog, qtbot)

    assert item.is_at_login is True
    _save(open_page(login_item=item), qtbot)
    assert item.is_at_login is True


def test_login_item_that_cannot_be_told_is_not_offered(
    open_page: Callable[..., SettingsDialog],
) -> None:
    untold, broken = FakeLoginItem(), FakeLoginItem()
    untold.is_at_login = None
    broken.is_broken = True

    for item in (untold, broken):
        assert "login item" not in open_page(login_item=item).fields


def test_value_taken_back_after_a_refused_key_is_written(
    open_page: Callable[..., SettingsDialog], paths: Paths, store: FakeStore, qtbot: QtBot
) -> None:
    store.problem = "The keyring is locked."
    item = FakeLoginItem()
    dialog = open_page(login_item=item)
    _key(dialog).setText(KEY)
    _combo(dialog, "week_start_day").setCurrentIndex(1)
    _box(dialog, "login item").setChecked(True)
    with qtbot.waitSignal(dialog.saved):
        dialog.save_button.click()
    assert tomllib.loads(paths.config_file.read_text())["week_start_day"] == 1
    assert item.is_at_login is True

    _key(dialog).clear()
    _combo(dialog, "week_start_day").setCurrentIndex(4)
    _box(dialog, "login item").setChecked(False)
    _save(dialog, qtbot)

    assert tomllib.loads(paths.config_file.read_text())["week_start_day"] == 4
    assert item.is_at_login is False


def test_what_was_written_counts_though_the_login_item_failed(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    class Stubborn(FakeLoginItem):
        def switch(self, *, on: bool) -> None:
            raise OfframpError("The folder can't be written.")

    dialog = open_page(login_item=Stubborn())
    _box(dialog, "login item").setChecked(True)
    _combo(dialog, "week_start_day").setCurrentIndex(1)
    dialog.save_button.click()
    assert dialog.problem.text() == "The folder can't be written."
    assert tomllib.loads(paths.config_file.read_text())["week_start_day"] == 1

    with qtbot.waitSignal(dialog.saved):
        dialog.cancel_button.click()


def test_routes_that_somebody_else_changed_are_not_written_over(
    open_page: Callable[..., SettingsDialog], paths: Paths
) -> None:
    dialog = open_page()
    theirs = '[[route]]\nmatch = "opus"\nbackend = "zai"\n'
    paths.config_file.write_text(theirs)
    _routes(dialog).rows[1].send_model.setText("GLM-5-Air")

    dialog.save_button.click()

    assert dialog.fields[form.ROUTES].error == form.OVERTAKEN
    assert paths.config_file.read_text() == theirs
    assert dialog.isVisible()


def test_other_setting_that_somebody_else_changed_stays_theirs(
    open_page: Callable[..., SettingsDialog], paths: Paths, store: FakeStore, qtbot: QtBot
) -> None:
    dialog = open_page()
    paths.config_file.write_text("week_start_hour = 6\n")
    _combo(dialog, "week_start_day").setCurrentIndex(1)
    store.problem = "The keyring is locked."
    _key(dialog).setText(KEY)
    with qtbot.waitSignal(dialog.saved):
        dialog.save_button.click()
    _key(dialog).clear()
    _combo(dialog, "week_start_day").setCurrentIndex(2)

    _save(dialog, qtbot)

    assert tomllib.loads(paths.config_file.read_text()) == {
        "week_start_hour": 6,
        "week_start_day": 2,
    }


def test_store_that_fails_in_an_unforeseen_way_is_told_without_the_key(
    open_page: Callable[..., SettingsDialog], store: FakeStore, qtbot: QtBot
) -> None:
    def fail(_backend: str, key: Secret) -> None:
        raise RuntimeError(key.reveal())

    store.set = fail  # type: ignore[method-assign] - the fake breaks here alone
    dialog = open_page()
    _key(dialog).setText(KEY)
    with qtbot.waitSignal(dialog.saved):
        dialog.save_button.click()

    assert "RuntimeError" in dialog.fields[form.KEY].error
    assert KEY not in dialog.fields[form.KEY].error
    assert dialog.save_button.isEnabled()


def test_page_stays_until_it_is_known_what_became_of_the_key(
    open_page: Callable[..., SettingsDialog], store: FakeStore, qtbot: QtBot
) -> None:
    unlocked = threading.Event()

    def wait(_backend: str, _key: Secret) -> None:
        assert unlocked.wait(PATIENCE_S)
        raise OfframpError("The keyring is locked.")

    store.set = wait  # type: ignore[method-assign] - the fake breaks here alone
    dialog = open_page()
    _key(dialog).setText(KEY)
    dialog.save_button.click()
    dialog.reject()
    assert dialog.isVisible()
    assert not dialog.cancel_button.isEnabled()

    with qtbot.waitSignal(dialog.saved):
        unlocked.set()

    assert dialog.fields[form.KEY].error == "The keyring is locked."
    dialog.cancel_button.click()
    assert not dialog.isVisible()


def test_every_wrong_field_is_marked_and_the_first_gets_the_keyboard(
    open_page: Callable[..., SettingsDialog], paths: Paths, qtbot: QtBot
) -> None:
    before = paths.config_file.read_bytes()
    dialog = open_page()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    routes = _routes(dialog)
    routes.rows[0].match.setText("")
    routes.rows[0].context_tokens.setText("-5")
    routes.rows[1].context_tokens.setText("many")

    dialog.save_button.click()

    wrong = [
        [editor.property("is_wrong") == "true" for editor in row.editors().values()]
        for row in routes.rows[:2]
    ]
    assert wrong == [[True, False, False, True], [False, False, False, True]]
    assert routes.rows[0].match.hasFocus()
    error = dialog.fields[form.ROUTES].error
    assert "Route 1: " in error
    assert "Route 2: " in error
    for word in ("quotes", "Remove it", "[[", '"'):
        assert word not in error
    assert paths.config_file.read_bytes() == before


@pytest.mark.parametrize(
    ("field", "text"),
    [("match", " "), ("context_tokens", "0"), ("context_tokens", "1e6")],
)
def test_wrong_field_is_blamed_in_the_words_of_a_form(
    open_page: Callable[..., SettingsDialog], field: str, text: str
) -> None:
    dialog = open_page()
    editor = _routes(dialog).rows[0].editors()[field]
    assert isinstance(editor, QLineEdit)
    editor.setText(text)
    dialog.save_button.click()
    assert editor.property("is_wrong") == "true"
    assert "quotes" not in dialog.fields[form.ROUTES].error
    assert "Type " in dialog.fields[form.ROUTES].error


def test_page_opens_with_the_keyboard_in_its_first_field(
    open_page: Callable[..., SettingsDialog], qtbot: QtBot
) -> None:
    dialog = open_page()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    assert _key(dialog).hasFocus()
    demo = open_page(is_demo=True)
    demo.activateWindow()
    qtbot.waitUntil(demo.isActiveWindow)
    assert _box(demo, "zai_quota").hasFocus()


def test_labels_stand_on_the_middle_of_their_controls(
    open_page: Callable[..., SettingsDialog],
) -> None:
    dialog = open_page()
    for field in dialog.fields.values():
        label = dialog.label_of(field)
        if label is None or not label.text() or isinstance(field.editor, RoutesEditor):
            continue
        label_middle = label.mapTo(dialog, label.rect().center()).y()
        editor_middle = field.editor.mapTo(dialog, field.editor.rect().center()).y()
        assert abs(label_middle - editor_middle) <= 2, label.text()
