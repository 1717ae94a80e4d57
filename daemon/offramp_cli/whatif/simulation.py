"""Drives one week of work through one way of delegating, and counts what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from offramp_cli.whatif import auto_mode
from offramp_cli.whatif.drive import BandCheck, Drive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_cli.whatif.second_plan import PlanChange, SecondPlan
    from offramp_cli.whatif.simulated_controller import Controller
    from offramp_daemon.autopilot.work.history import PastWeek, Tier

Mode = Literal["always", "auto", "never", "linear"]
MODES: tuple[Mode, ...] = ("always", "auto", "never", "linear")

BAND_HOURS = (24.0, 48.0, 84.0, 120.0, 144.0)
"""When the forecast is looked at."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when (hours since the week's start), and what it costs."""

    at_h: float
    conversation: int
    tier: Tier
    weight: float
    """What its tokens would cost at list price, in a unit of which the week holds about 1."""
    cost: float
    """What it takes from the weekly window if Claude answers it."""
    credits: float = 0.0
    """What it takes from Z.ai's windows outside peak hours if Z.ai answers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWeek:
    """What happens in a week, whatever the mode; requests in order of time."""

    requests: Sequence[Request]
    history: Sequence[PastWeek]
    five_hour_part: float
    """What a full 5-hour window is of the week."""
    week_weight: float = 1.0
    """About what weight fills Claude's week, as far as the weeks before show."""
    monday_h: float = 0.0
    """When the week begins, in hours since a Monday 00:00 UTC."""
    second: SecondPlan | None = None
    """The plan that work is delegated to; None for one without a limit."""
    change: PlanChange | None = None

    @property
    def opus(self) -> float:
        """What only Opus would take of the weekly window."""
        return sum(request.cost for request in self.requests if request.tier == "opus")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekResult:
    """What one week came to."""

    used: float
    """Part of Claude's weekly window."""
    is_over: bool
    """Whether Claude's full week refused something that could go nowhere else."""
    is_full: bool
    """Whether the weekly window was full before its reset, even if nothing came after."""
    is_zai_early: bool
    """Whether Z.ai's week was used up while Claude had room for what it refused."""
    is_short: bool
    """Whether both services refused execution work at once."""
    zai_spent_h: float | None
    """When Z.ai's full week first refused something; None if it never did."""
    zai_window_h: int
    """Hours in which Z.ai's full 5-hour window refused something that Claude had room for."""
    blocked_h: int
    """Hours in which something was refused that could go nowhere else."""
    delegated: float
    """The weight of the work that went to Z.ai."""
    execution: float
    """The weight of all execution work."""
    switches: int
    """How often a conversation changed its backend."""
    conversation_h: float
    bands: tuple[BandCheck, ...] = ()
    """What the controller forecast, and what came true."""


def run(week: SimulatedWeek, mode: Mode, controller: Controller | None = None) -> WeekResult:
    """Drive the whole of `week` in that mode; in `auto` by that controller or the product's."""
    if mode == "auto" and controller is None:
        controller = auto_mode.make(week)
    drive = Drive(week, mode, controller)
    looks = list(reversed(BAND_HOURS))
    for request in week.requests:
        while looks and request.at_h >= looks[-1]:
            drive.note_bands(looks.pop())
        drive.step(request)
    share, is_full = drive.claude.share, drive.claude.is_spent
    return WeekResult(
        used=min(share, 1.0),
        is_over=drive.is_over,
        is_full=is_full,
        is_zai_early=drive.is_zai_early,
        is_short=drive.is_short,
        zai_spent_h=drive.zai_spent_h,
        zai_window_h=len(drive.zai_window_hours),
        blocked_h=len(drive.blocked),
        delegated=drive.delegated,
        execution=drive.execution,
        switches=drive.switches,
        conversation_h=drive.conversation_h,
        bands=drive.checked_bands(),
    )
