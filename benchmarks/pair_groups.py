"""All groups of requests that `side_by_side.py` sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pair_bodies
import pair_failures
import pair_settings

if TYPE_CHECKING:
    from pair_requests import Group


def all_groups() -> list[Group]:
    """Every group, in the order in which they are sent."""
    return [*pair_settings.groups(), *pair_bodies.groups(), *pair_failures.groups()]
