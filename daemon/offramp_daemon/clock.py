"""The clock that the daemon's parts are given, so that tests can set the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, with its time zone."""


def utc_now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)
