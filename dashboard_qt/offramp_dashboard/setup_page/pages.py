"""The four steps and the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFormLayout, QLabel, QLineEdit

from offramp_core.errors import OfframpError
from offramp_core.services import DELEGATE
from offramp_core.setup import model_choices
from offramp_dashboard.data.setup.outcome import StepOutcome, Way
from offramp_dashboard.setup_page.step_page import StepPage
from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.widgets.choice_box import ChoiceBox
from offramp_dashboard.views.widgets.tick_box import TickBox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_dashboard.data.setup.steps import SetupSteps


class KeyPage(StepPage):
    """Takes the delegate's key, has it checked, and stores it."""

    name = f"Your {DELEGATE.title} key"
    purpose = (
        f"With this key {DELEGATE.title} serves Sonnet and Haiku, and your Claude plan keeps "
        f"Opus. You get one from {DELEGATE.key_source}. The check is free. Without a key, Claude "
        "serves everything, as before."
    )
    action_text = "Check and store"
    undo_text = "Remove the key"

    def __init__(self, steps: SetupSteps) -> None:
        """An empty field."""
        super().__init__(steps)
        self.field = QLineEdit()
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setPlaceholderText("Paste the key here")
        self.field.setAccessibleName(self.name)
        self.field.returnPressed.connect(self.act)
        self.body.addWidget(self.field)

    def enter(self) -> None:
        """Say whether there is one already, and take the keyboard."""
        self.field.setFocus()
        if not self.is_busy and not self.outcome.text:
            self.run(self.steps.look_at_key)

    def look(self) -> StepOutcome:
        """Say whether there is a key."""
        return self.steps.look_at_key()

    def act(self) -> None:
        """Check and store what is in the field."""
        self._store(is_checked=True)

    def undo(self) -> None:
        """Delete the stored key."""
        self.run(self.steps.remove_key)

    def follow(self, way: Way) -> bool:
        """Store a key that was refused."""
        if way is not Way.STORE_UNCHECKED:
            return super().follow(way)
        self._store(is_checked=False)
        return True

    def show_outcome(self, outcome: StepOutcome) -> None:
        """Keep the key in the field only while it is not stored."""
        if outcome.standing == "done":
            self.field.clear()
        super().show_outcome(outcome)

    def _store(self, *, is_checked: bool) -> None:
        key = self.field.text()
        self.run(lambda: self.steps.store_key(key, is_checked=is_checked))


class ModelsPage(StepPage):
    """Chooses what serves Sonnet and Haiku."""

    name = "Which models"
    purpose = (
        "Claude Code still asks for Sonnet and Haiku. Choose what serves them. You can change it "
        "at any time; it applies to new conversations."
    )
    action_text = "Use these models"
    undo_text = "Restore the old models"

    def __init__(self, steps: SetupSteps) -> None:
        """Offer what the service has."""
        super().__init__(steps)
        self.boxes: dict[str, ChoiceBox] = {}
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID_PX)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for tier in model_choices.TIERS:
            box = ChoiceBox()
            box.setAccessibleName(f"What serves {tier.capitalize()}")
            box.setSizeAdjustPolicy(
                ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            for choice in model_choices.choices(tier):
                box.addItem(str(choice), choice.key)
            self.boxes[tier] = box
            label = QLabel(tier.capitalize())
            label.setBuddy(box)
            label.setFixedHeight(box.sizeHint().height())  # its middle is on the box's
            form.addRow(label, box)
        self.body.addLayout(form)

    def enter(self) -> None:
        """Show what serves them now."""
        if self.is_busy:
            return
        try:
            self._select(self.steps.models_in_force())
        except OfframpError as error:
            self.show_outcome(StepOutcome(standing="failed", text=str(error)))

    def act(self) -> None:
        """Save the choice; what is not one of the list stays as it is."""
        wanted = {tier: box.currentData() for tier, box in self.boxes.items()}
        chosen = {tier: key for tier, key in wanted.items() if key is not None}
        self.run(lambda: self.steps.save_models(chosen))

    def undo(self) -> None:
        """Put back what was there before."""
        self.run(self.steps.put_models_back)

    def show_outcome(self, outcome: StepOutcome) -> None:
        """Show what serves them after an undoing, too."""
        super().show_outcome(outcome)
        if outcome.standing == "open":
            self.enter()

    def _select(self, by_tier: Mapping[str, str | None]) -> None:
        for tier, key in by_tier.items():
            box = self.boxes[tier]
            place = box.findData(key)
            if place < 0:
                box.insertItem(0, "As in your settings: another model or service", None)
                place = 0
            box.setCurrentIndex(place)


class LoginPage(StepPage):
    """Has daemon and tray start at login."""

    name = "Start at login"
    purpose = (
        "Claude Code works through Offramp only while the daemon runs. This starts it now and "
        "whenever you log in, together with the icon in the panel or menu bar."
    )
    action_text = "Start at login"
    undo_text = "Don't start at login"

    def enter(self) -> None:
        """Find out how it stands."""
        if not self.is_busy:
            self.run(self.steps.look_at_login)

    def look(self) -> StepOutcome:
        """Find out how it stands."""
        return self.steps.look_at_login()

    def act(self) -> None:
        """Install the login items."""
        self.run(self.steps.install)

    def undo(self) -> None:
        """Take them away."""
        self.run(self.steps.remove_login)


class ConnectPage(StepPage):
    """Points Claude Code at Offramp."""

    name = "Connect Claude Code"
    purpose = (
        "Claude Code gets one line in its settings, with Offramp's address on this machine. A "
        "copy of the file is kept. Disconnecting removes the line."
    )
    action_text = "Connect"
    undo_text = "Disconnect"

    def enter(self) -> None:
        """Show the line that would change."""
        if not self.is_busy:
            self.run(self.steps.look_at_connection)

    def look(self) -> StepOutcome:
        """Show the line that would change."""
        return self.steps.look_at_connection()

    def act(self) -> None:
        """Write it."""
        self.run(self.steps.connect)

    def undo(self) -> None:
        """Take it out."""
        self.run(self.steps.disconnect)

    def follow(self, way: Way) -> bool:
        """Replace another's address."""
        if way is not Way.REPLACE:
            return super().follow(way)
        self.run(lambda: self.steps.connect(is_forced=True))
        return True


class TestPage(StepPage):
    """Tries the whole path."""

    __test__ = False  # for pytest, which takes the name for a test's

    name = "Try it"
    purpose = (
        f"This sends a free request to {DELEGATE.title} through the daemon, which counts the "
        "tokens of one word. If you like, Claude Code also runs once, with your own login, and "
        "uses a little of your Claude plan. Offramp does not read that login."
    )
    action_text = "Try it"

    def __init__(self, steps: SetupSteps) -> None:
        """Claude is not tried unless the user agrees."""
        super().__init__(steps)
        self.claude_box = TickBox("Also run Claude Code once")
        self.body.addWidget(self.claude_box)

    def act(self) -> None:
        """Try it."""
        is_with_claude = self.claude_box.isChecked()
        self.run(lambda: self.steps.try_it(is_with_claude=is_with_claude))


def make_pages(steps: SetupSteps) -> list[StepPage]:
    """Return all of them in their order."""
    return [kind(steps) for kind in (KeyPage, ModelsPage, LoginPage, ConnectPage, TestPage)]
