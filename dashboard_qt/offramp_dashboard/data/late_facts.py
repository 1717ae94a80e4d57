"""What takes so long to find out that the first picture does not wait for it: prices and projects.

No Qt, no threads of its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from offramp_core.usage.prices import PriceList
from offramp_core.usage.sessions import price_of
from offramp_dashboard.data.sessions.project_watch import ProjectWatch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from offramp_core.usage.aggregation import UsageCells
    from offramp_core.usage.prices import Savings
    from offramp_core.usage.sessions import Session
    from offramp_dashboard.data.sessions.session_rows import Price

_PRICES_AFTER_S: Final = 0.5
"""The price list, which takes 0.3 s, is imported so long after the first snapshot, or when all is
read: a short log is there before it, and a long one does not keep it waiting."""


class LateFacts:
    """Prices and projects, once there is a snapshot to look at. Use it from one thread."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._prices = PriceList()
        self._may_price = False
        self._presented_s: float | None = None
        self._projects: ProjectWatch | None = None

    def watch(self, claude_folder: Path | None, home: Path) -> None:
        """Look for projects there from now on; None finds none."""
        self._projects = ProjectWatch(claude_folder, home)

    def projects(self) -> Mapping[str, str]:
        """Return the project of every session that has a file, as far as is known."""
        if self._projects is None or self._presented_s is None:
            return {}
        return self._projects.look()

    def savings(self, usage: UsageCells) -> Savings | None:
        """Estimate what `usage` would have cost; None while there is no price list."""
        return self._prices.savings(usage) if self._may_price else None

    @property
    def price(self) -> Price | None:
        """Return what prices a session; None while there is no price list."""
        return self._price if self._may_price else None

    def improve(self, *, is_loaded: bool) -> bool:
        """Find more out, now that a snapshot was shown; whether there is something new to show."""
        now_s = time.monotonic()
        is_first = self._presented_s is None
        if self._presented_s is None:
            self._presented_s = now_s
        if self._may_price or not (is_loaded or now_s - self._presented_s >= _PRICES_AFTER_S):
            return is_first
        self._prices.priced_on()
        self._may_price = True
        return True

    def _price(self, session: Session) -> float | None:
        return price_of(session, self._prices)
