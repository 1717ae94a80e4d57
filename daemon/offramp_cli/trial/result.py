"""What a trial of one service comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TrialOutcome = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """How it went, in whole sentences; `hint` is what to do about it."""

    of: str
    """The backend's name."""
    outcome: TrialOutcome
    text: str
    hint: str = ""
