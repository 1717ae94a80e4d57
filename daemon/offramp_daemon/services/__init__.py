"""What needs code for one service; its facts are data in `offramp_core.services`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from offramp_core.services.zai import NAME
from offramp_daemon.services import zai
from offramp_daemon.services.plan_reading import PlanReading

QuotaReader = Callable[[int, bytes, datetime], PlanReading]
"""Reads a quota page's answer: HTTP status, decompressed body, and the moment it came."""

QUOTA_READERS: Mapping[str, QuotaReader] = {NAME: zai.read}
"""By service; one for each that has a quota page."""
