"""The combo box: the list that it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offramp_dashboard.views.widgets.choice_box import ChoiceBox

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from offramp_dashboard.window.styling import Styling


@pytest.mark.parametrize("count", [2, 11, 20])
def test_list_shows_every_choice_as_a_whole(qtbot: QtBot, styling: Styling, count: int) -> None:
    del styling
    box = ChoiceBox()
    qtbot.addWidget(box)
    box.addItems([f"GLM-{number}: 200k tokens of context" for number in range(count)])
    box.show()

    box.showPopup()

    view = box.view()
    qtbot.waitUntil(view.isVisible)
    last = view.visualRect(box.model().index(count - 1, 0))
    assert view.viewport().rect().contains(last)
    box.hidePopup()
