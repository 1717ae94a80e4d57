"""What a service's answer says of a plan, and the bounds within which it is believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from offramp_core.quota.windows import length

if TYPE_CHECKING:
    from datetime import datetime

    from offramp_core.quota.windows import QuotaWindow

MOST_WINDOWS: Final = 32
"""Of one answer, and of one account."""

MOST_BYTES: Final = 128 * 1024
"""Of a quota page's answer; a real one has less than one kilobyte."""

_LONGEST = timedelta(days=62)
"""For windows whose name does not say how long they are."""
_LEEWAY = timedelta(days=1)
"""For clocks that differ, and for windows that are lengthened."""


class NoQuotaError(Exception):
    """The answer holds no quota; why not, in a sentence fit to be shown."""

    def __init__(self, why: str, *, refuses_key: bool = False) -> None:
        """Keep the sentence, and whether it is the key that is wrong."""
        super().__init__(why)
        self.why = why
        self.refuses_key = refuses_key


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReading:
    """A plan's windows, and its name where the service gives one."""

    windows: tuple[QuotaWindow, ...]
    level: str | None


def can_reset_at(resets: datetime, name: str, now: datetime) -> bool:
    """Whether a window of that name can reset then: it ends within its own length from `now`."""
    span = length(name) or _LONGEST
    return now - span - _LEEWAY <= resets <= now + span + _LEEWAY
