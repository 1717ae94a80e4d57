"""What the simulation asks of whatever decides: the seam between it and the autopilot.

Hours count from the reset of Claude's week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from offramp_cli.whatif.simulated_plan import PlanReading
    from offramp_cli.whatif.simulation import Request


class Choice(Protocol):
    """Where a conversation goes."""

    @property
    def is_claude(self) -> bool:
        """Whether to Claude."""

    @property
    def why(self) -> str:
        """The reason, in one sentence."""


@dataclass(frozen=True, slots=True)
class Band:
    """What will be used of a week when it resets: in eight of ten weeks it lies in between."""

    low: float
    high: float


class Controller(Protocol):
    """Decides where conversations of execution work go, from what it is told."""

    def answered(self, request: Request, *, is_claude: bool) -> None:
        """Learn that a service answered this; what it costs is not to be looked at."""

    def claude_says(self, reading: PlanReading, at_h: float) -> None:
        """Learn what the headers of Claude's answer say, after `answered`."""

    def zai_says(self, reading: PlanReading, at_h: float) -> None:
        """Learn what Z.ai's quota answer says; never called where the delegate has no limit."""

    def choose(self, request: Request) -> Choice:
        """Return where a conversation goes that begins with this, or went cold before it."""

    def bands(self, at_h: float) -> tuple[Band | None, Band | None]:
        """Return what will be used of the weeks that run, Claude's and Z.ai's; None if unknown."""
