"""The quota contract: what is known of the plans' limits, and what that means at a given moment.

The daemon reads the figures off the wire; `quota.json` keeps the latest of each account, and
`quota.jsonl`, beside the request log, has a line for each step that a window took. Both are written
and read only by way of this module, and hold no credential: an account is a salted hash.

Unknown is None, never 0. A figure holds until its window's reset and not a moment longer.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from offramp_core import log_names
from offramp_core.services.anthropic import KEY_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterable

HISTORY_NAME = log_names.file_name(log_names.QUOTA)
"""Where the machine has no name of its own."""

FIVE_HOURS: Final = "5h"
WEEK: Final = "7d"
MONTHLY_TOOLS: Final = "1mo_tools"
"""Z.ai's monthly calls of its own tools, which say nothing of messages."""

REJECTED: Final = "rejected"
_ALLOWED = frozenset({"allowed", "allowed_warning"})

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_LENGTH = re.compile(r"([1-9][0-9]{0,3})(h|d)(?:_|$)")
_FORECAST_FROM = 0.05
"""Before so much of a window has passed, its pace says nothing."""


class QuotaWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of a plan, as the service told it at `read_at`.

    `name` is the service's own and an open set: `5h`, `7d`, `7d_opus`; those of an API key are
    `requests`, `tokens` and the like. Z.ai's windows are named in the same way.
    """

    name: str
    used: float | None = None
    """A fraction; more than 1 when the window was overrun."""
    resets: Moment | None = None
    """None where the service named none: a 5-hour window that has not begun."""
    status: str | None = None
    """`allowed`, `allowed_warning`, `rejected`, or what the service says next year."""
    threshold: float | None = None
    """The fraction whose passing the service warns of."""
    cap: float | None = None
    """What all of the window holds, in the service's own unit, where it says so."""
    read_at: Moment


class PlanQuota(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one account at one backend, as they were read last."""

    backend: str
    account: str
    """A salted hash of the credential: it tells accounts apart and nothing else."""
    windows: tuple[QuotaWindow, ...] = ()
    level: str | None = None
    """What the service calls the plan."""
    read_at: Moment
    """When the service last told anything."""
    problem: str | None = None
    """Why nothing newer is known, in a sentence without content; None while all is well."""


class QuotaPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `quota.jsonl`: a window moved by a percent, or began again."""

    ts: Moment
    backend: str
    account: str
    window: str
    used: float
    resets: Moment | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(QuotaPoint)


def encode_point(point: QuotaPoint) -> bytes:
    """Return one line of JSON, its newline included."""
    return _ENCODER.encode(point) + b"\n"


def decode_point(line: bytes) -> QuotaPoint:
    """Return the point in `line`; keys that this version does not know are passed over.

    Raises:
        one of `records.UNREADABLE`: `line` holds no point.
    """
    return _DECODER.decode(line)


def length(name: str) -> timedelta | None:
    """Return how long a window of that name lasts; None where the name does not say."""
    found = _LENGTH.match(name)
    if found is None:
        return None
    count = int(found[1])
    return timedelta(hours=count) if found[2] == "h" else timedelta(days=count)


def used_at(window: QuotaWindow, now: datetime) -> float | None:
    """Return the fraction used as far as it is known at `now`; None once the reset is past."""
    if window.used is None or not math.isfinite(window.used):
        return None
    if window.resets is not None and window.resets <= now:
        return None
    if window.resets is None and not _is_lasting(window, now):
        return None
    return max(window.used, 0.0)


def is_spent(window: QuotaWindow, now: datetime) -> bool:
    """Return whether the service, as far as is known, refuses what the window limits at `now`.

    What it says that it allows is not spent, though more than all may be used.
    """
    if window.resets is None or window.resets <= now or window.status in _ALLOWED:
        return False
    used = used_at(window, now)
    return window.status == REJECTED or (used is not None and used >= 1)


def elapsed(window: QuotaWindow, now: datetime) -> float | None:
    """Return which fraction of the window's time has passed: even pace; None if it is unknown."""
    span = length(window.name)
    if span is None or window.resets is None or window.resets <= now:
        return None
    passed = 1 - (window.resets - now) / span
    return passed if 0 <= passed <= 1 else None


def forecast(window: QuotaWindow, now: datetime) -> float | None:
    """Return what fraction will be used by the reset if the window goes on as it did so far.

    None while too little of it has passed, or too little is known.
    """
    used, passed = used_at(window, now), elapsed(window, now)
    if used is None or passed is None or passed < _FORECAST_FROM:
        return None
    return used / passed


def find(quotas: Iterable[PlanQuota], backend: str) -> PlanQuota | None:
    """Return the quota of the account in use at `backend`; None if nothing is known of it.

    It is the first one, which told last. But an API key, whose limits are only rates, does not hide
    a plan that still had its time when the key was used: that plan's figures say how old they are.
    """
    found = [quota for quota in quotas if quota.backend == backend]
    plan = next((quota for quota in found if not _has_rates_only(quota)), None)
    if plan is None or plan is found[0]:
        return found[0] if found else None
    used_at = found[0].read_at
    is_under_way = any(window.resets and window.resets > used_at for window in plan.windows)
    return plan if is_under_way else found[0]


def window_of(quota: PlanQuota | None, name: str) -> QuotaWindow | None:
    """Return the window of that name; None if the service did not tell of one."""
    for window in () if quota is None else quota.windows:
        if window.name == name:
            return window
    return None


def _has_rates_only(quota: PlanQuota) -> bool:
    return bool(quota.windows) and all(window.name in KEY_WINDOWS for window in quota.windows)


def _is_lasting(window: QuotaWindow, now: datetime) -> bool:
    """Return whether a figure without a reset can still be true: while its window lasts."""
    span = length(window.name)
    return span is not None and now - window.read_at < span
