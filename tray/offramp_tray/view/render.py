"""Makes the face that shows a state: icon, words and menu together. Pure, but for pictures kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from offramp_tray.state import state as states
from offramp_tray.state.state import Condition
from offramp_tray.view import icon as icon_art
from offramp_tray.view import menu, wording
from offramp_tray.view.view_model import Face

if TYPE_CHECKING:
    from offramp_tray.state.state import State

_URGENT = frozenset({Condition.NOT_RUNNING, Condition.TROUBLE})


def face_of(state: State, *, platform: str = sys.platform) -> Face:
    """All that the tray shows of `state`."""
    icon = state.settings.icon
    is_mac = platform == "darwin"
    is_template = is_mac and icon != "color"  # elsewhere nobody would colour it
    return Face(
        icon=icon_art.images(icon_art.look_of(state, is_template=is_template)),
        title=wording.title(state),
        tooltip=wording.tooltip(state),
        label=wording.label(state),
        rows=menu.rows(state),
        needs_attention=states.condition(state) in _URGENT,
    )
