"""All groups of requests that `side_by_side.py` sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pair_failures

if TYPE_CHECKING:
    from pair_requests import Group


def all_groups() -> list[Group]:
    """Every group, in the order in which they are sent."""
    return [*pair_failures.groups()]
