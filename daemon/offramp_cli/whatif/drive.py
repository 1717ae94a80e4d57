"""Drives requests through two plans, one after the other, and counts what comes of it.

A conversation goes where it was sent until its prompt cache is cold. What one service refuses goes
to the other, as in the daemon; Opus, and everything in the mode `never`, has nowhere else to go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.whatif.second_plan import PEAK_TIMES, is_peak
from offramp_cli.whatif.simulated_plan import PlanReading, SimulatedPlan
from offramp_daemon.autopilot.plans.plan_snapshot import WEEK_H

if TYPE_CHECKING:
    from offramp_cli.whatif.simulated_controller import Band, Controller
    from offramp_cli.whatif.simulation import Mode, Request, SimulatedWeek

_WARM_H = 5 / 60
"""For so long a conversation's prompt cache stays warm."""
_ASKED_EVERY_H = 300 / 3600
"""How often Z.ai's quota page is asked while the plan is in use."""
_ASKED_SOON_H = 20 / 3600
"""How soon it is asked after Z.ai refused something."""
_ROOM = 0.05
"""Claude has room if more of its week is left beside the Opus that really comes."""


@dataclass(slots=True)
class _Conversation:
    is_claude: bool
    last_h: float


@dataclass(frozen=True, slots=True)
class BandCheck:
    """A forecast and what came true: shares of a week, when it had so many hours left."""

    is_claude: bool
    at_h: float
    band: Band
    truth: float


class Drive:
    """One week in one mode."""

    def __init__(self, week: SimulatedWeek, mode: Mode, controller: Controller | None) -> None:
        """Begin at hour 0; in the mode `auto` the controller is asked."""
        self._week, self._mode, self._controller = week, mode, controller
        self.claude = SimulatedPlan(window_cap=week.five_hour_part, week_cap=1.0)
        self.zai = _second(week)
        self._change = week.change
        self._opus_left = week.opus
        self._reading: PlanReading | None = None
        self._asked_h = 0.0
        self._refused_h: float | None = None
        self._conversations: dict[int, _Conversation] = {}
        self._bands: list[tuple[bool, int, float, Band]] = []
        self.delegated = self.execution = self.conversation_h = 0.0
        self.switches = 0
        self.is_over = self.is_short = self.is_zai_early = False
        self.zai_spent_h: float | None = None
        self.blocked: set[int] = set()
        self.zai_window_hours: set[int] = set()
        if controller is not None and self.zai is not None:
            self._hear_zai(controller, 0.0)

    def step(self, request: Request) -> None:
        """Drive one request."""
        self._catch_up(request.at_h)
        self._ask_after_refusal(request.at_h)
        if request.tier != "opus":
            self._execute(request)
            return
        if self.claude.refuses(request.at_h):
            self._block(request.at_h)
        else:
            self._serve_claude(request)
        self._opus_left -= request.cost

    def _execute(self, request: Request) -> None:
        self.execution += request.weight
        known = self._conversation(request)
        for is_claude in self._tried(known):
            if self._refuses(request.at_h, is_claude=is_claude):
                continue
            if is_claude != known.is_claude:
                self.switches += 1
                known.is_claude = is_claude
            if is_claude:
                self._serve_claude(request)
            else:
                self._serve_zai(request)
            return
        self.is_short = True
        self._block(request.at_h)

    def _ask_after_refusal(self, at_h: float) -> None:
        if self._refused_h is not None and at_h - self._refused_h >= _ASKED_SOON_H:
            self._refused_h = None
            if self._controller is not None:
                self._hear_zai(self._controller, at_h)

    def note_bands(self, at_h: float) -> None:
        """Have the controller forecast both plans at that time."""
        if self._controller is None:
            return
        self._catch_up(at_h)
        claude, zai = self._controller.bands(at_h)
        if claude is not None:
            self._bands.append((True, 0, at_h, claude))
        if zai is not None and self.zai is not None:
            self._bands.append((False, self.zai.week, at_h, zai))

    def checked_bands(self) -> tuple[BandCheck, ...]:
        """Return the forecasts whose weeks came to their reset."""
        self._catch_up(WEEK_H)
        zai = {} if self.zai is None else self.zai.ended
        ended = {True: self.claude.ended, False: zai}
        return tuple(
            BandCheck(is_claude, at_h, band, ended[is_claude][week])
            for is_claude, week, at_h, band in self._bands
            if week in ended[is_claude]
        )

    def _catch_up(self, at_h: float) -> None:
        change = self._change
        if change is not None and at_h >= change.at_h:
            self._change = None
            self.claude.exchange(
                change.at_h,
                window_cap=self._week.five_hour_part * change.claude_size,
                week_cap=change.claude_size,
                is_fresh=False,
            )
            if change.zai is not None and self.zai is not None:
                self.zai.exchange(
                    change.at_h,
                    window_cap=change.zai.window_credits,
                    week_cap=change.zai.week_credits,
                    is_fresh=change.is_fresh,
                )
        if self.zai is not None:
            self.zai.roll(at_h)
        if at_h >= WEEK_H:
            self.claude.roll(at_h)

    def _conversation(self, request: Request) -> _Conversation:
        known = self._conversations.get(request.conversation)
        if known is None:
            known = _Conversation(self._decide(request), request.at_h)
            self._conversations[request.conversation] = known
            return known
        gap_h = request.at_h - known.last_h
        self.conversation_h += gap_h
        known.last_h = request.at_h
        if gap_h > _WARM_H:
            is_claude = self._decide(request)
            self.switches += is_claude != known.is_claude
            known.is_claude = is_claude
        return known

    def _decide(self, request: Request) -> bool:
        match self._mode:
            case "always":
                return False
            case "never":
                return True
            case "linear":
                used = self._reading.week_used if self._reading else 0.0
                return used < request.at_h / WEEK_H
            case "auto":
                return self._controller is not None and self._controller.choose(request).is_claude

    def _tried(self, known: _Conversation) -> tuple[bool, ...]:
        return (True,) if self._mode == "never" else (known.is_claude, not known.is_claude)

    def _refuses(self, at_h: float, *, is_claude: bool) -> bool:
        if is_claude:
            return self.claude.refuses(at_h)
        if self.zai is None or not self.zai.refuses(at_h):
            return False
        self._refused_h = at_h if self._refused_h is None else self._refused_h
        if self.zai.is_spent and self.zai_spent_h is None:
            self.zai_spent_h = at_h
        if self._has_claude_room(at_h):
            if self.zai.is_spent:
                self.is_zai_early = True
            else:
                self.zai_window_hours.add(int(at_h))
        return True

    def _has_claude_room(self, at_h: float) -> bool:
        left = self.claude.week_cap - self.claude.used - self._opus_left
        return left > _ROOM * self.claude.week_cap and not self.claude.refuses(at_h)

    def _block(self, at_h: float) -> None:
        self.blocked.add(int(at_h))
        self.is_over = self.is_over or self.claude.is_spent

    def _serve_claude(self, request: Request) -> None:
        self.claude.take(request.at_h, request.cost)
        if self._controller is None and self._mode != "linear":
            return  # nobody reads it
        self._reading = self.claude.reading(request.at_h)
        if self._controller is not None:
            self._controller.answered(request, is_claude=True)
            self._controller.claude_says(self._reading, request.at_h)

    def _serve_zai(self, request: Request) -> None:
        self.delegated += request.weight
        if self._controller is not None:
            self._controller.answered(request, is_claude=False)
        if self.zai is None:
            return
        times = PEAK_TIMES if is_peak(self._week.monday_h + request.at_h) else 1.0
        self.zai.take(request.at_h, request.credits * times)
        if self._controller is not None and request.at_h - self._asked_h >= _ASKED_EVERY_H:
            self._hear_zai(self._controller, request.at_h)

    def _hear_zai(self, controller: Controller, at_h: float) -> None:
        if self.zai is None or self._week.second is None:
            return
        self._asked_h = at_h
        reading = self.zai.reading(at_h, tells_cap=self._week.second.tells_credits)
        controller.zai_says(reading, at_h)


def _second(week: SimulatedWeek) -> SimulatedPlan | None:
    second = week.second
    if second is None:
        return None
    return SimulatedPlan(
        window_cap=second.plan.window_credits,
        week_cap=second.plan.week_credits,
        resets_h=second.resets_h,
        used=second.used,
    )
