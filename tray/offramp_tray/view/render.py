"""Makes the view of a state: icon, words and menu together. Pure, but for a cache of pictures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Condition
from offramp_tray.view import icon, menu, wording
from offramp_tray.view.view_model import ViewModel

if TYPE_CHECKING:
    from offramp_tray.state.tray_state import TrayState

_URGENT = frozenset({Condition.NOT_RUNNING, Condition.TROUBLE})


def render(state: TrayState, *, platform: str = sys.platform) -> ViewModel:
    """All that the tray shows of `state`."""
    # Elsewhere nobody would colour it.
    is_template = platform == "darwin" and state.settings.icon != "color"
    return ViewModel(
        icon=icon.images(icon.look_of(state, is_template=is_template)),
        title=wording.title(state),
        tooltip=wording.tooltip(state),
        label=wording.label(state),
        rows=menu.rows(state),
        needs_attention=bool(state.unseen) or tray_state.condition(state) in _URGENT,
    )
