"""What the autopilot learns from: requests that have ended, and figures of plans.

Whoever serves requests puts them into a queue, and the autopilot takes them from there in batches.
They are made without a Python call, so that a request does not pay for what is learnt from it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from offramp_core.quota.windows import PlanQuota
from offramp_core.usage.records import RequestRecord
from offramp_daemon.routing.affinity import Conversation


class FinishedRequest(msgspec.Struct, frozen=True):
    """A request that ended at `at`, in `conversation` if it belongs to one."""

    at: datetime
    record: RequestRecord
    conversation: Conversation | None


class PlanFigures(msgspec.Struct, frozen=True):
    """What a service said of a plan, heard at `at`."""

    at: datetime
    plan: PlanQuota


Lesson = FinishedRequest | PlanFigures
