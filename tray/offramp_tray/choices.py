"""Changes in the settings file what the menu lets choose: who serves a tier, and the mode.

The daemon reads the file at once, so that a choice applies to the next conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.config import loader, tier_models
from offramp_core.control.client import NotRunningError
from offramp_core.errors import OfframpError
from offramp_core.services.anthropic import EXECUTION_TIERS
from offramp_tray.view import choice_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from offramp_core.config.tier_models import ServingModel
    from offramp_core.control.client import ControlClient
    from offramp_core.paths import Paths
    from offramp_core.settings import DelegationMode
    from offramp_tray.state.tray_state import TrayState

_FORCED = ("environment ", ".env ")


class Choices:
    """The settings file of one user, changed by choices of the menu."""

    def __init__(
        self,
        paths: Paths,
        environ: Mapping[str, str],
        client: ControlClient,
        *,
        is_demo: bool = False,
        on_changed: Callable[[], None],
    ) -> None:
        """Change the file of `paths`; `on_changed` is told once it is another."""
        self._paths = paths
        self._environ = environ
        self._client = client
        self._is_demo = is_demo
        self._on_changed = on_changed

    def work_of(self, key: str) -> Callable[[TrayState], None] | None:
        """What a click on the row `key` does; None if it chooses nothing."""
        modes = (mode for mode, _, _ in choice_rows.MODES if key == choice_rows.mode_key(mode))
        if (wanted := next(modes, None)) is not None:
            return lambda _state: self._choose_mode(wanted)
        if key.startswith("model."):
            return lambda state: self._choose_by_key(key, state)
        return None

    def _choose_by_key(self, key: str, state: TrayState) -> None:
        for tier in EXECUTION_TIERS:
            for choice in tier_models.choices(state.backends):
                if key == choice_rows.model_key(tier, choice):
                    self._choose_model(tier, choice)

    def _choose_model(self, tier: str, choice: ServingModel) -> None:
        routes = self._load().settings.routes
        if tier_models.serving(routes, tier).is_same(choice):
            return
        chosen = tier_models.with_choice(routes, tier, choice)
        self._save({"route": [tier_models.table_of(route) for route in chosen]})

    def _choose_mode(self, mode: DelegationMode) -> None:
        origin = self._load().origins["delegation"]
        if origin.startswith(_FORCED):
            variable = origin.rpartition(" ")[2]
            raise OfframpError(
                f"The variable {variable} sets delegation, and wins over the settings file.",
                hint=f"To choose it here, remove {variable} ({origin}).",
            )
        if self._save({"delegation": mode}) and self._client.status().delegation != mode:
            raise OfframpError(
                "The daemon ignores this choice, because a variable in its environment sets "
                "delegation.",
                hint="Remove OFFRAMP_DELEGATION from its environment, and restart it.",
            )

    def _load(self) -> loader.LoadedSettings:
        return loader.load(self._paths, self._environ, is_demo=self._is_demo)

    def _save(self, changes: Mapping[str, Any]) -> bool:
        """Write them, and have the daemon take them now; whether there is one.

        Raises:
            OfframpError: the file can't be changed, or the daemon did not take it.
        """
        from offramp_core.config import editor  # only for clicks: its library takes memory

        editor.save(self._paths, self._environ, changes, is_demo=self._is_demo)
        self._on_changed()
        try:
            problem = self._client.reload().problem
        except NotRunningError:
            return False
        if problem:
            raise OfframpError(
                f"The daemon rejected the settings: {problem}",
                hint="Fix that. Until then the old settings stay in force.",
            )
        return True
