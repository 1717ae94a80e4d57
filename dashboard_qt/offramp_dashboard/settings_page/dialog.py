"""The settings page: the form, its checks, and saving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from offramp_core.config import backend_list, editor, loader
from offramp_core.config.values import ConfigError
from offramp_core.control.client import ControlClient
from offramp_core.errors import OfframpError
from offramp_core.keys import key_input
from offramp_core.keys.key_store import KeyStore
from offramp_core.services import DELEGATE
from offramp_dashboard import screen_fit
from offramp_dashboard.data.setup.offramp_command import OfframpCommand
from offramp_dashboard.settings_page import editors, form
from offramp_dashboard.settings_page.fields import Field
from offramp_dashboard.settings_page.form_area import FormArea
from offramp_dashboard.settings_page.key_writer import KeyWriter
from offramp_dashboard.settings_page.routes_editor import RoutesEditor
from offramp_dashboard.settings_page.services_editor import ServicesEditor
from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.widgets.tick_box import TickBox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offramp_core.config.backend_list import BackendEntry
    from offramp_core.login_item.autostart import TraySwitch
    from offramp_core.paths import Paths
    from offramp_core.settings import Secret
    from offramp_dashboard.settings_page.form import FormValues

_THINKING = (
    ("own", "Each service gets its own thinking blocks back"),
    ("strip", "No service gets any thinking blocks back"),
)
_DELEGATION = (
    ("always", "Always: everything that the routes name"),
    ("auto", "Auto: only as much as the Claude plan needs"),
    ("never", "Never: everything goes to Claude"),
)
_AUTO_NOTE = (
    "Auto looks at how much of Claude's week and 5 hours is used, and decides for each new "
    "conversation. While it knows too little it delegates, as Always does."
)
_WEEK_NOTE = "Unless you choose a time, Offramp learns it from Claude's weekly reset."
_FLAGS = (
    ("tray.notify_delegation", "When delegation stops working"),
    ("tray.notify_key", "When a key is refused"),
    ("tray.notify_daemon", "When the daemon does not come back"),
    ("tray.notify_quota", "When a quota is nearly used up, or will not last"),
)
_LOGIN = "login item"
_SERVICES = "services"
_SERVICES_NOTE = (
    "Added and removed at once. A service gets requests once a route above leads to it."
)


class SettingsDialog(QDialog):
    """Shows the settings and changes them.

    Signals:
        saved(): the file, or the stored key, is another now.
    """

    saved = Signal()

    def __init__(
        self,
        paths: Paths,
        environ: Mapping[str, str],
        parent: QWidget | None = None,
        *,
        is_demo: bool = False,
        login_item: TraySwitch | None = None,
        store: KeyStore | None = None,
        command: OfframpCommand | None = None,
    ) -> None:
        """Read the settings; where they are refused as they stand, say so and offer nothing."""
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._paths = paths
        self._environ = environ
        self._is_demo = is_demo
        self._login_item = login_item
        self._command = command or OfframpCommand(environ, Path.home())
        self._is_writing = False
        self._is_untold = False
        self._writer = KeyWriter(
            store or KeyStore(paths), ControlClient(paths.control_socket), self
        )
        self._writer.done.connect(self._finish)
        self._area = FormArea()
        self.fields = self._area.fields
        self.problem = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.problem.setProperty("rank", "danger")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.save_button = QPushButton("Save")
        self.save_button.setProperty("look", "main")
        self.save_button.setDefault(True)
        self.save_button.clicked.connect(self.save)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.reject)
        self._lay_out()
        self._before = self._read()
        if self._before is not None:
            self._fill(self._before)
            self._area.order_focus((self.cancel_button, self.save_button))
        screen_fit.fit(self, 660, 640)

    @Slot()
    def save(self) -> None:
        """Check everything, write the file, then the key; close once all is done."""
        if self._before is None:
            return
        self._clear_errors()
        key = self._typed_key()
        if key is None and self.fields[form.KEY].error:
            return
        changes = self._before.changes_to(self._shown_values())
        try:
            if changes and not self._write(self._before, changes):
                return
            self._switch_login_item()
        except ConfigError as error:
            found = form.problems(self._check, changes, self._before.values)
            self._blame(found or [error])
            return
        except OfframpError as error:
            self._say(str(error))
            return
        self._set_writing(is_writing=True)
        self._writer.write(DELEGATE.name, key)

    def reject(self) -> None:
        """Close, but not while a key is being stored: what became of it must be told."""
        if not self._is_writing:
            super().reject()

    def done(self, result: int) -> None:
        """Close; what was written counts, though something else failed after it."""
        if self._is_untold:
            self._report_saved()
        super().done(result)

    # How it is written.

    def _write(self, before: FormValues, changes: dict[str, Any]) -> bool:
        """Change the file; not where somebody else has changed the same there meanwhile."""
        now = form.read(self._paths, self._environ, is_demo=self._is_demo)
        overtaken = before.overtaken(changes, now)
        for name in overtaken:
            self.fields[name].set_error(form.OVERTAKEN)
        if overtaken:
            return False
        editor.save(self._paths, self._environ, changes, is_demo=self._is_demo)
        # What is taken back after this, as where the key was refused, is a change again.
        self._before = before.with_changes(changes)
        self._is_untold = True
        return True

    def _check(self, changes: Mapping[str, Any]) -> None:
        """Raise what saving `changes` would, and save nothing."""
        editor.check(self._paths, self._environ, changes, is_demo=self._is_demo)

    def _report_saved(self) -> None:
        self._is_untold = False
        self.saved.emit()

    def _set_writing(self, *, is_writing: bool) -> None:
        self._is_writing = is_writing
        self.save_button.setEnabled(not is_writing)
        self.cancel_button.setEnabled(not is_writing)

    # How it is filled.

    def _lay_out(self) -> None:
        foot = QHBoxLayout()
        foot.setContentsMargins(3 * GRID_PX, 0, 3 * GRID_PX, 2 * GRID_PX)
        foot.addWidget(self.problem, 1)
        foot.addStretch(0)
        foot.addWidget(self.cancel_button)
        foot.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area, 1)
        layout.addLayout(foot)

    def _read(self) -> FormValues | None:
        try:
            return form.read(self._paths, self._environ, is_demo=self._is_demo)
        except ConfigError as error:
            self._say(f"{error} Until this is fixed, nothing can be changed here.")
            self.save_button.setEnabled(False)
            return None

    def _fill(self, found: FormValues) -> None:
        values = found.values
        self._area.add_heading(DELEGATE.title)
        key = QLineEdit()
        key.setEchoMode(QLineEdit.EchoMode.Password)
        key.setPlaceholderText("Type or paste a new key")
        self._area.add("Key", form.KEY, Field(f"{DELEGATE.title} key", key, found.key_note))
        if self._is_demo:
            key.setEnabled(False)
            self.fields[form.KEY].set_hint("The demo has a key of its own.")
        quota = TickBox("Ask how much of the plan is used")
        note = "At most every 5 minutes, while requests go there."
        self._area.add("Quota", "zai_quota", Field(quota.text(), quota, note))
        self._area.add_heading("Routing")
        routes = RoutesEditor(found.backends, values[form.ROUTES])
        note = "The first route that matches decides. Everything else goes to Anthropic."
        self._area.add("Routes", form.ROUTES, Field("Routes", routes, note))
        self._add_services(routes)
        self._add_delegation(found)
        self._area.add("Thinking", "thinking", Field("Thinking blocks", editors.combo(_THINKING)))
        finish = TickBox("Conversations finish where they are")
        self._area.add("On pause", "let_conversations_finish", Field(finish.text(), finish))
        self._area.add_heading("Week")
        note = "" if found.is_week_set else _WEEK_NOTE
        self._area.add(
            "Begins on",
            "week_start_day",
            Field("Week begins on", editors.combo(editors.days()), note),
        )
        hours = tuple((hour, f"{hour:02}:00") for hour in range(24))
        self._area.add("At", "week_start_hour", Field("Week begins at", editors.combo(hours)))
        self._area.add_heading("Notifications")
        for name, text in _FLAGS:
            self._area.add("", name, Field(text, TickBox(text)))
        self._add_login_item()
        for name, field in self.fields.items():
            if name in values:
                editors.show(field.editor, values[name])
            if name in found.forced and name != form.KEY:
                field.force(found.forced[name])

    def _add_services(self, routes: RoutesEditor) -> None:
        command = None if self._is_demo else self._command
        editor = ServicesEditor(command, self._services)
        field = Field("Other services", editor, _SERVICES_NOTE)
        editor.said.connect(field.set_error)
        editor.changed.connect(lambda: routes.offer(self._backend_names()))
        editor.changed.connect(self.saved)
        self._area.add("Services", _SERVICES, field)
        if (label := self.label_of(field)) is not None:
            label.setFixedHeight(editor.add_button.sizeHint().height())

    def _services(self) -> Sequence[BackendEntry]:
        loaded = loader.load(self._paths, self._environ, is_demo=self._is_demo)
        return backend_list.entries(loaded)

    def _backend_names(self) -> tuple[str, ...]:
        return form.read(self._paths, self._environ, is_demo=self._is_demo).backends

    def _add_delegation(self, found: FormValues) -> None:
        mode = Field("Delegation", editors.combo(_DELEGATION), _AUTO_NOTE)
        self._area.add("Delegation", "delegation", mode)
        failover = TickBox("If the other service fails, send the request to Claude")
        note = "Only before the answer has begun, and not while the Claude plan is used up."
        self._area.add("On trouble", "failover", Field(failover.text(), failover, note))
        if chain := found.failover_note:
            failover.setText("If the other service fails, send the request to the next one")
            self.fields["failover"].set_hint(chain)
        overflow = TickBox("If the Claude plan is used up, send its requests to the other service")
        note = "Opus is then answered by another model, until the plan's reset."
        self._area.add("", "overflow", Field(overflow.text(), overflow, note))

    def _add_login_item(self) -> None:
        is_on = self._is_at_login()
        if is_on is not None:
            self._area.add_heading("Login")
            box = TickBox("Start the tray at login")
            box.setChecked(is_on)
            self._area.add("", _LOGIN, Field(box.text(), box))
        self._was_at_login = is_on

    def _is_at_login(self) -> bool | None:
        try:
            return self._login_item.is_on() if self._login_item else None
        except OfframpError:
            return None  # what can't be told can't be switched either

    def label_of(self, field: Field) -> QLabel | None:
        """The label that stands beside `field`."""
        return self._area.label_of(field)

    # How it is read.

    def _shown_values(self) -> dict[str, Any]:
        assert self._before is not None
        shown = {name: editors.value_of(self.fields[name].editor) for name in self._before.values}
        chain = self._before.values["failover"]
        if shown["failover"] and not isinstance(chain, bool):
            shown["failover"] = chain  # the box says only whether; the file says to whom
        return shown

    def _typed_key(self) -> Secret | None:
        """The new key; None, with an error at its field, where it can't be one."""
        editor = self.fields[form.KEY].editor
        assert isinstance(editor, QLineEdit)
        if not editor.text().strip():
            return None
        try:
            return key_input.parse(editor.text(), DELEGATE.name)
        except OfframpError as error:
            self.fields[form.KEY].set_error(str(error))
            editor.setFocus()
            return None

    def _switch_login_item(self) -> None:
        field = self.fields.get(_LOGIN)
        if self._login_item is not None and field is not None:
            is_on = editors.value_of(field.editor)
            if is_on != self._was_at_login:
                self._login_item.switch(on=is_on)
                self._was_at_login = is_on

    # What is wrong.

    def _blame(self, errors: Sequence[ConfigError]) -> None:
        """Mark every field that is wrong, and go to the first of them."""
        for error in self._area.blame(errors):
            self._say(str(error))

    def _say(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _clear_errors(self) -> None:
        self._say("")
        self._area.clear_errors()

    @Slot(str)
    def _finish(self, problem: str) -> None:
        self._set_writing(is_writing=False)
        self._report_saved()
        if problem:
            self.fields[form.KEY].set_error(problem)
            return
        self.accept()
