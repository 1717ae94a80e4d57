"""The menu's rows that change what is delegated, and to which model: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from offramp_core.config import tier_models
from offramp_core.services.anthropic import EXECUTION_TIERS
from offramp_core.wording.formatting import printable
from offramp_core.wording.quota_text import family_name
from offramp_tray.state import tray_state
from offramp_tray.view.view_model import MenuRow, RowKind

if TYPE_CHECKING:
    from offramp_core.config.tier_models import ServingModel
    from offramp_core.settings import DelegationMode
    from offramp_tray.state.tray_state import TrayState

MODES: Final[tuple[tuple[DelegationMode, str, str], ...]] = (
    ("always", "always", "Always"),
    ("auto", "auto", "Auto (only as much as the Claude plan needs)"),
    ("never", "never", "Never"),
)
"""Each mode of delegation, behind `Delegate:`, and as a choice."""

ARROW: Final = "\N{RIGHTWARDS ARROW}"


def rows(state: TrayState) -> tuple[MenuRow, ...]:
    """A submenu for the mode, and one for each tier that does execution work."""
    mode = tray_state.mode(state)
    shown = next((short for value, short, _ in MODES if value == mode), printable(mode))
    return (
        _submenu(
            "mode",
            f"Delegate: {shown}",
            tuple(
                _choice(mode_key(value), text, is_checked=value == mode) for value, _, text in MODES
            ),
        ),
        *(_tier_row(state, tier) for tier in EXECUTION_TIERS),
    )


def mode_key(mode: DelegationMode) -> str:
    """Names the row that chooses `mode`."""
    return f"mode.{mode}"


def model_key(tier: str, choice: ServingModel) -> str:
    """Names the row that has `choice` serve `tier`."""
    return f"model.{tier}.{choice.backend}.{choice.model}"


def _tier_row(state: TrayState, tier: str) -> MenuRow:
    serving = tier_models.serving(state.routes, tier)
    choices = tier_models.choices(state.backends)
    is_listed = any(choice.is_same(serving) for choice in choices)
    own = () if is_listed else (_choice(f"model.{tier}", serving.title, is_checked=True),)
    return _submenu(
        f"tier.{tier}",
        f"{family_name(tier)} {ARROW} {serving.title}",
        (
            *own,
            *(
                _choice(model_key(tier, choice), choice.title, is_checked=choice.is_same(serving))
                for choice in choices
            ),
        ),
    )


def _submenu(key: str, text: str, rows: tuple[MenuRow, ...]) -> MenuRow:
    return MenuRow(key=key, kind=RowKind.SUBMENU, text=text, rows=rows)


def _choice(key: str, text: str, *, is_checked: bool) -> MenuRow:
    return MenuRow(key=key, kind=RowKind.CHECK, text=text, is_checked=is_checked)
