"""Drives one week of work through one way of delegating, and counts what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from offramp_cli.whatif.simulated_plan import SimulatedPlan
from offramp_daemon.autopilot.controller import BudgetController, Tuning
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.forecast import Rhythm
from offramp_daemon.autopilot.history import HOURS_A_WEEK
from offramp_daemon.autopilot.plan_snapshot import WEEK_H, WINDOW_H, PlanSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_cli.whatif.second_plan import PlanChange, SecondPlan
    from offramp_daemon.autopilot.history import PastWeek, Tier

Mode = Literal["always", "auto", "never", "linear"]
MODES: tuple[Mode, ...] = ("always", "auto", "never", "linear")

_WARM_H = 5 / 60
"""For so long a conversation's prompt cache stays warm."""


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
    """Part of the weekly window."""
    is_over: bool
    """Whether the full weekly window refused something that could go nowhere else."""
    is_full: bool
    """Whether the weekly window was full before its reset, even if nothing came after."""
    blocked_h: int
    """Hours in which Claude refused something that could go nowhere else."""
    delegated: float
    """The weight of the work that went to Z.ai."""
    execution: float
    """The weight of all execution work."""
    switches: int
    """How often a conversation changed its backend."""
    conversation_h: float


def run(
    week: SimulatedWeek, mode: Mode, tuning: Tuning | None = None, rhythm: Rhythm | None = None
) -> WeekResult:
    """Drive the whole of `week` in that mode; `rhythm` stands in for what its history shows."""
    drive = _Drive(
        mode,
        SimulatedPlan(week.five_hour_part),
        BudgetController(rhythm or Rhythm(week.history, week_weight=week.week_weight), tuning),
        CostModel(guess=1 / week.week_weight),
    )
    for request in week.requests:
        drive.step(request)
    return WeekResult(
        used=min(drive.plan.week_used, 1.0),
        is_over=drive.is_over,
        is_full=drive.plan.is_spent,
        blocked_h=len(drive.blocked),
        delegated=drive.delegated,
        execution=drive.execution,
        switches=drive.switches,
        conversation_h=drive.conversation_h,
    )


@dataclass(slots=True)
class _SimulatedConversation:
    is_claude: bool
    last_h: float
    taken: float = 0.0


@dataclass(slots=True)
class _Drive:
    mode: Mode
    plan: SimulatedPlan
    controller: BudgetController
    cost: CostModel
    reading: PlanSnapshot | None = None
    read_h: float = 0.0
    work: list[float] = field(default_factory=lambda: [0.0] * HOURS_A_WEEK)
    delegated: float = 0.0
    execution: float = 0.0
    switches: int = 0
    conversation_h: float = 0.0
    is_over: bool = False
    blocked: set[int] = field(default_factory=set)
    conversations: dict[int, _SimulatedConversation] = field(default_factory=dict)

    def step(self, request: Request) -> None:
        is_opus = request.tier == "opus"
        is_claude = is_opus or self._goes_to_claude(request)
        self.work[int(request.at_h)] += request.weight
        if not is_opus:
            self.execution += request.weight
        if is_claude and self.plan.refuses(request.at_h):
            if is_opus or self.mode == "never":
                self.blocked.add(int(request.at_h))
                self.is_over = self.is_over or self.plan.is_spent
                return
            is_claude = self.conversations[request.conversation].is_claude = False
            self.switches += 1
        if is_claude:
            self._serve(request)
        else:
            self.delegated += request.weight

    def _serve(self, request: Request) -> None:
        self.reading = self.plan.take(request.at_h, request.cost)
        self.read_h = request.at_h
        self.cost.add_pending(request.tier, request.weight)
        self.cost.observe(self.reading.week_used, self.reading.window_used)

    def _goes_to_claude(self, request: Request) -> bool:
        known = self.conversations.get(request.conversation)
        if known is None:
            is_claude = self._decide(request.at_h, request.tier)
            known = _SimulatedConversation(is_claude, request.at_h)
            self.conversations[request.conversation] = known
        gap_h = request.at_h - known.last_h
        self.conversation_h += gap_h
        known.last_h = request.at_h
        if gap_h > _WARM_H:
            is_claude = self._decide(request.at_h, request.tier)
            self.switches += is_claude != known.is_claude
            known.is_claude = is_claude
        known.taken += request.weight
        return known.is_claude

    def _decide(self, now_h: float, tier: Tier) -> bool:
        match self.mode:
            case "always":
                return False
            case "never":
                return True
            case "linear":
                return (self.reading.week_used if self.reading else 0.0) < now_h / WEEK_H
            case "auto":
                return self._ask(now_h, tier)

    def _ask(self, now_h: float, tier: Tier) -> bool:
        factor = self.cost.factor(tier) if self.cost.is_known else 0.0
        running = [
            each.taken * factor
            for each in self.conversations.values()
            if each.is_claude and now_h - each.last_h < _WARM_H
        ]
        return self.controller.decide(
            self._reading_at(now_h), self.cost, tier=tier, work=self.work, running=running
        ).is_claude

    def _reading_at(self, now_h: float) -> PlanSnapshot | None:
        """The last figures, the time since then taken off; the 5-hour window may be over."""
        last = self.reading
        if last is None or now_h - self.read_h > 24:
            return None
        left_h = last.window_left_h - (now_h - self.read_h)
        is_open = left_h > 0
        return PlanSnapshot(
            week_used=last.week_used,
            window_used=last.window_used if is_open else 0.0,
            week_left_h=WEEK_H - now_h,
            window_left_h=left_h if is_open else WINDOW_H,
        )
