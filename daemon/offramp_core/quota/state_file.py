"""What was last known of the plans' limits, as one file: `quota.json`, for processes of this user.

The daemon writes it, and every process may read it: the command line has figures while no daemon
runs, and all learn the same week from it. Of several accounts at a backend the one in use comes
first. Whatever is wrong with the file, nothing is known then, and the next answer tells it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_core.quota.windows import PlanQuota

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_BYTES = 1024 * 1024


class _StoredPlans(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content."""

    plans: tuple[PlanQuota, ...] = ()


def encode(plans: Iterable[PlanQuota]) -> bytes:
    """Return the file's content for `plans`, of each backend the account in use first."""
    return msgspec.json.encode(_StoredPlans(plans=tuple(plans))) + b"\n"


def read(file: Path) -> tuple[PlanQuota, ...]:
    """Return the plans in `file`, if any, of each backend the account in use first."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        return decode(data)
    except (OSError, ValueError):
        return ()


def decode(data: bytes) -> tuple[PlanQuota, ...]:
    """Return the plans in a file's content.

    Raises:
        ValueError: it is no such file, or far too large.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError("too large")
    try:
        return msgspec.json.decode(data, type=_StoredPlans).plans
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
