"""The conversations of execution work that Claude answers at present, and what they have taken."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_daemon.autopilot.work.history import tier_of
from offramp_daemon.routing.affinity import WARM_S

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_daemon.autopilot.costs.cost_model import CostModel
    from offramp_daemon.autopilot.work.history import Tier
    from offramp_daemon.routing.affinity import Conversation

_MOST = 1000


@dataclass(slots=True)
class _Running:
    tier: Tier
    last: datetime
    weight: float


class RunningWork:
    """Those of one daemon; the oldest are dropped where there are too many."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: OrderedDict[Conversation, _Running] = OrderedDict()
        """The latest one last; cold ones may be among them."""

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._known)

    def add(self, conversation: Conversation, now: datetime, amount: float) -> None:
        """Count a request of that weight that Claude answers."""
        running = self._known.pop(conversation, None)
        if running is None:
            running = _Running(tier_of(conversation.model), now, 0.0)
        if (now - running.last).total_seconds() > WARM_S:
            running.weight = 0.0
        running.last = now
        running.weight += amount
        self._known[conversation] = running
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def drop(self, conversation: Conversation) -> None:
        """Forget one that another service answers now."""
        self._known.pop(conversation, None)

    def taken(
        self, now: datetime, cost: CostModel, *, but: Conversation | None = None
    ) -> list[float]:
        """Return what each warm one has taken of Claude's week, `but` left out."""
        if not cost.is_known:
            return []
        left_out = self._known.get(but) if but is not None else None
        cold = now - timedelta(seconds=WARM_S)
        found = []
        for each in reversed(self._known.values()):  # the latest one is the last
            if each.last < cold:
                break
            if each is not left_out:
                found.append(each.weight * cost.factor(each.tier))
        return found
