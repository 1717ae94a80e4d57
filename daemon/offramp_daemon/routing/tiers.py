"""Claude's tiers by a model's name: Opus, and those that do execution work."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from offramp_core.services.anthropic import EXECUTION_TIERS, TIERS

if TYPE_CHECKING:
    from offramp_daemon.routing.decision import Decision


def tier_of(model: str | None, decision: Decision | None) -> str:
    """A short name for the console: the route's text, else Claude's tier, else the model's name."""
    if decision is not None and decision.route is not None:
        return decision.route.match
    return "-" if model is None else claude_tier(model)


@functools.lru_cache(maxsize=128)
def claude_tier(model: str) -> str:
    """Claude's tier in the model's name; the name itself where there is none."""
    lowered = model.lower()
    for tier in TIERS:
        if tier in lowered:
            return tier
    return model


def is_execution(model: str) -> bool:
    """Whether it is one of Claude's models for execution work."""
    return "claude" in model.lower() and claude_tier(model) in EXECUTION_TIERS
