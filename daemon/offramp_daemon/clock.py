"""The clock that the daemon's parts are given, so that tests can set the time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, with its time zone."""

utc_now: Clock = functools.partial(datetime.now, UTC)
"""Returns this moment."""
