"""Toggles of providers and models: the picture says how they are, the user what he wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from offramp_dashboard.data.snapshot import FilterOption
from offramp_dashboard.models.choices import CHOICE_ROLE, ChoicesModel

if TYPE_CHECKING:
    from pytestqt.modeltest import ModelTester
    from pytestqt.qtbot import QtBot

CHECK = Qt.ItemDataRole.CheckStateRole


def choice(key: str, *, is_on: bool = True) -> FilterOption:
    return FilterOption(key=key, name=key.title(), backend=key, is_on=is_on)


def test_choices_are_shown_with_their_marks(qtmodeltester: ModelTester) -> None:
    model = ChoicesModel()
    model.show([choice("zai"), choice("anthropic", is_on=False)])
    qtmodeltester.check(model, force_py=True)
    first, second = model.index(0), model.index(1)
    assert (first.data(), first.data(CHECK)) == ("Zai", Qt.CheckState.Checked)
    assert second.data(CHECK) == Qt.CheckState.Unchecked
    assert second.data(Qt.ItemDataRole.AccessibleTextRole) == "Anthropic, hidden"
    assert second.data(int(CHOICE_ROLE)) == choice("anthropic", is_on=False)
    assert model.flags(first) & Qt.ItemFlag.ItemIsUserCheckable


def test_checking_tells_what_is_wanted_and_waits_for_the_picture(qtbot: QtBot) -> None:
    model = ChoicesModel()
    model.show([choice("zai")])
    with qtbot.waitSignal(model.toggled) as told:
        assert model.setData(model.index(0), Qt.CheckState.Unchecked.value, CHECK)
    assert told.args == ["zai", False]
    assert model.index(0).data(CHECK) == Qt.CheckState.Checked
    with qtbot.waitSignal(model.dataChanged):
        model.show([choice("zai", is_on=False)])
    assert model.index(0).data(CHECK) == Qt.CheckState.Unchecked


def test_names_are_not_to_be_edited() -> None:
    model = ChoicesModel()
    model.show([choice("zai")])
    assert not model.setData(model.index(0), "other", Qt.ItemDataRole.EditRole)
    assert model.index(0).data() == "Zai"


def test_same_choices_again_disturb_no_view(qtbot: QtBot) -> None:
    model = ChoicesModel()
    model.show([choice("zai")])
    with qtbot.assertNotEmitted(model.modelReset), qtbot.assertNotEmitted(model.dataChanged):
        model.show([choice("zai")])
    with qtbot.waitSignal(model.modelReset):
        model.show([choice("anthropic"), choice("zai")])


def test_name_that_looks_like_html_is_no_html_in_a_tip() -> None:
    model = ChoicesModel()
    model.show([choice("<img src='a.png'>&")])
    told = model.index(0).data(Qt.ItemDataRole.ToolTipRole)
    assert told == "<span>&lt;img src=&#x27;a.png&#x27;&gt;&amp;</span>"
