"""The autopilot of a running daemon: it watches, learns, and is asked where conversations go.

It is told each plan's figures as they come and each request as it ends; the user's rhythm it reads
from the request log, in a thread, once it is first asked and at each new week. It learns whatever
the mode, which costs next to nothing, so that `auto` knows its way when it is switched on. Until it
does, and whenever something is not known freshly enough, it delegates. Used from the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from offramp_core import quota
from offramp_core.errors import OfframpError
from offramp_core.settings import ANTHROPIC
from offramp_daemon.autopilot import learnt_file
from offramp_daemon.autopilot.controller import Controller
from offramp_daemon.autopilot.cost import CostModel
from offramp_daemon.autopilot.forecast import Rhythm
from offramp_daemon.autopilot.history import (
    HOURS_A_WEEK,
    LEARNT_WEEKS,
    History,
    history_from_records,
    tier_of,
    weight,
)
from offramp_daemon.autopilot.reading import Reading, Window, read
from offramp_daemon.conversations import WARM_S
from offramp_daemon.routing import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from offramp_core.quota import PlanQuota, QuotaWindow
    from offramp_core.records import RequestRecord, UsageRecord
    from offramp_daemon.autopilot.controller import Decision
    from offramp_daemon.autopilot.history import Tier
    from offramp_daemon.conversations import Conversation
    from offramp_daemon.delegation import Clock

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_SAME_RESET = timedelta(minutes=30)
"""Resets that differ by less are one and the same, told with jitter."""
_KEPT_OF_A_WEEK = 0.5
"""How much of what was learnt counts in the next week."""
_NEARLY_SPENT = 0.97
"""From here on a family's own window is left to what runs already."""
_NEW_RHYTHM = 1.1
"""A rhythm is made anew when what fills a week turns out to be so many times more, or less."""
_SAVE_EVERY_S = 60.0
_MOST_RUNNING = 1000
_MOST_WEEKS = 4
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Week:
    """The weekly window that runs: what work it holds so far, and the weeks before it."""

    start: datetime
    work: list[float] = field(default_factory=lambda: [0.0] * HOURS_A_WEEK)
    history: History | None = None
    """None until the log was read."""
    _rhythm: Rhythm | None = None
    _week_weight: float = 1.0

    def rhythm(self, week_weight: float) -> Rhythm:
        """How work lies in the user's weeks, if about that weight fills Claude's."""
        known = self._week_weight
        if self._rhythm is None or not known / _NEW_RHYTHM < week_weight < known * _NEW_RHYTHM:
            weeks = self.history.weeks if self.history else ()
            self._rhythm, self._week_weight = Rhythm(weeks, week_weight=week_weight), week_weight
        return self._rhythm

    def learn(self, history: History, since: Iterable[tuple[datetime, float]]) -> None:
        """Take over what the log holds, and the work that came while it was read."""
        self.history, self._rhythm = history, None
        self.work = list(history.work)
        for moment, amount in since:
            self.add(moment, amount)

    def add(self, moment: datetime, amount: float) -> None:
        """Count work in the hour that it came in; what lies outside the week is not counted."""
        hour = (moment - self.start) // _HOUR
        if 0 <= hour < HOURS_A_WEEK:
            self.work[hour] += amount


@dataclass(slots=True)
class _Running:
    """A conversation of execution work that Claude answers."""

    last: datetime
    weight: float


class Pilot:
    """One daemon's autopilot."""

    def __init__(
        self,
        file: Path,
        records_since: Callable[[datetime], Iterator[list[UsageRecord]]],
        *,
        clock: Clock,
        save_every_s: float = _SAVE_EVERY_S,
    ) -> None:
        """Keep what is learnt in `file`; `records_since` reads the log, in a thread."""
        self._file = file
        self._records_since = records_since
        self._clock = clock
        self._save_every_s = save_every_s
        self._costs: dict[str, CostModel] = {}
        self._plan: PlanQuota | None = None
        self._weeks: dict[str, _Week] = {}
        """By account, the one in use last."""
        self._answered: datetime | None = None
        self._running: OrderedDict[Conversation, _Running] = OrderedDict()
        self._controller = Controller(Rhythm(()))
        self._while_reading: list[tuple[datetime, float]] | None = None
        self._is_asked = False
        self._has_work = asyncio.Event()
        self._is_unsaved = False
        self.why: str | None = None
        """Why the latest conversation went where it went; None while none was asked about."""

    def observe(self, plan: PlanQuota) -> None:
        """Claude's answers tell this of the plan in use."""
        if plan.backend != ANTHROPIC:
            return
        self._plan = plan
        week, window = quota.window_of(plan, quota.WEEK), quota.window_of(plan, quota.FIVE_HOURS)
        if week is None or week.resets is None or week.used is None:
            return
        self._turn_week(week.resets - _WEEK)
        if week.read_at == plan.read_at:
            is_told = window is not None and window.read_at == plan.read_at
            self._cost().observe(week.used, window.used if window and is_told else None)
            self._is_unsaved = True

    def note(self, record: RequestRecord, conversation: Conversation | None) -> None:
        """A request has ended."""
        now, amount, tier = self._clock(), weight(record), tier_of(record.model)
        self._roll(now)
        for week in self._weeks.values():
            week.add(now, amount)
        if self._while_reading is not None:
            self._while_reading.append((now, amount))
        if record.backend != ANTHROPIC:
            if conversation is not None:
                self._running.pop(conversation, None)
            return
        if record.status == "success":
            self._answered = now
        self._cost().note(tier, amount)
        if conversation is not None and tier != "opus":
            self._note_running(conversation, now, amount)

    def choose(self, model: str) -> Choice:
        """Where a conversation with `model` goes that is warm nowhere. Never raises."""
        self._is_asked = True
        tier = tier_of(model)
        try:
            found = self._choose(tier)
        except Exception:  # noqa: BLE001 - whatever it is, requests are served as in `always`
            _LOG.exception("The autopilot failed")
            found = Choice(is_claude=False, why=_delegated(tier, "the autopilot failed"))
        self.why = found.why
        return found

    async def run(self) -> None:
        """Read the log when it is needed, and keep what is learnt; for as long as it may."""
        kept = await asyncio.to_thread(learnt_file.load, self._file)
        self._costs = kept | {name: cost for name, cost in self._costs.items() if cost.moved}
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._save_every_s):
                    await self._has_work.wait()
            self._has_work.clear()
            if self._needs_history():
                await self._read_history()
            await asyncio.to_thread(self._save)

    def close(self) -> None:
        """Write down what was learnt. Blocks, for a moment."""
        self._save()

    def _choose(self, tier: Tier) -> Choice:
        now = self._clock()
        reading = self._reading(now)
        if self._needs_history():
            self._has_work.set()
            if reading is not None:
                return Choice(is_claude=False, why=_delegated(tier, "your log is being read"))
        if self._is_family_spent(tier, now):
            return Choice(
                is_claude=False,
                why=_delegated(tier, f"Claude's week for {tier.title()} is used up"),
            )
        decision = self._decide(tier, reading, now)
        return Choice(is_claude=decision.is_claude, why=decision.why)

    def _decide(self, tier: Tier, reading: Reading | None, now: datetime) -> Decision:
        cost, week = self._cost(), self._week
        if cost.is_known and week is not None:
            self._controller.rhythm = week.rhythm(1 / cost.factor("opus"))
        factor = cost.factor(tier) if cost.is_known else 0.0
        running = [
            each.weight * factor
            for each in self._running.values()
            if (now - each.last).total_seconds() <= WARM_S
        ]
        return self._controller.decide(
            reading, cost, tier=tier, work=week.work if week else (), running=running
        )

    def _reading(self, now: datetime) -> Reading | None:
        self._roll(now)
        return read(
            _window(quota.window_of(self._plan, quota.WEEK)),
            _window(quota.window_of(self._plan, quota.FIVE_HOURS)),
            now=now,
            answered_at=self._answered,
        )

    def _is_family_spent(self, tier: Tier, now: datetime) -> bool:
        """Whether Claude keeps a window for that tier alone, and it is all but used up."""
        window = quota.window_of(self._plan, f"{quota.WEEK}_{tier}")
        if window is None:
            return False
        return quota.is_spent(window, now) or (quota.used_at(window, now) or 0.0) >= _NEARLY_SPENT

    def _cost(self) -> CostModel:
        cost = self._costs.pop(self._account, None) or CostModel()
        self._costs[self._account] = cost  # the latest one last
        if len(self._costs) > learnt_file.MOST_ACCOUNTS:
            del self._costs[next(iter(self._costs))]
        return cost

    @property
    def _account(self) -> str:
        return self._plan.account if self._plan else ""

    @property
    def _week(self) -> _Week | None:
        return self._weeks.get(self._account)

    def _turn_week(self, start: datetime) -> None:
        """Begin the week that starts then, unless it is the one that runs."""
        week = self._weeks.pop(self._account, None)
        is_same = week is not None and abs(start - week.start) < _SAME_RESET
        if week is not None and not is_same:
            self._age()
        if week is None or not is_same:
            week = _Week(start)
            self._has_work.set()
        self._weeks[self._account] = week  # the latest one last
        if len(self._weeks) > _MOST_WEEKS:
            del self._weeks[next(iter(self._weeks))]

    def _roll(self, now: datetime) -> None:
        """Begin the next week once this one is over, though no answer has told of it yet."""
        week = self._week
        if week is not None and now >= week.start + _WEEK:
            self._turn_week(week.start + (now - week.start) // _WEEK * _WEEK)

    def _age(self) -> None:
        self._costs[self._account] = self._cost().aged(_KEPT_OF_A_WEEK)

    def _note_running(self, conversation: Conversation, now: datetime, amount: float) -> None:
        running = self._running.pop(conversation, None) or _Running(now, 0.0)
        if (now - running.last).total_seconds() > WARM_S:
            running.weight = 0.0
        running.last = now
        running.weight += amount
        self._running[conversation] = running
        if len(self._running) > _MOST_RUNNING:
            self._running.popitem(last=False)

    def _needs_history(self) -> bool:
        return self._is_asked and self._week is not None and self._week.history is None

    async def _read_history(self) -> None:
        """Learn the rhythm of the weeks before, and what was done of this one."""
        week, now = self._week, self._clock()
        if week is None:
            return
        self._while_reading = []
        try:
            history = await asyncio.to_thread(self._history, week.start, now)
        except (OSError, OfframpError) as error:
            _LOG.warning("The log could not be read for the autopilot", extra={"why": str(error)})
            history = History(weeks=(), work=(0.0,) * HOURS_A_WEEK)
        finally:
            since, self._while_reading = self._while_reading, None
        week.learn(history, since)

    def _history(self, start: datetime, now: datetime) -> History:
        first = start - (LEARNT_WEEKS + 1) * _WEEK
        records = (record for part in self._records_since(first) for record in part)
        return history_from_records(records, resets_at=start, now=now)

    def _save(self) -> None:
        """Write down what was learnt; without a disk it is kept in memory alone."""
        if not self._is_unsaved:
            return
        self._is_unsaved = False
        try:
            learnt_file.save(self._file, dict(self._costs))
        except OSError as error:
            why = error.strerror or str(error)
            _LOG.warning("What the autopilot learnt could not be kept", extra={"why": why})


def _window(window: QuotaWindow | None) -> Window | None:
    if window is None or window.used is None or window.resets is None:
        return None
    return Window(used=window.used, resets_at=window.resets, read_at=window.read_at)


def _delegated(tier: Tier, why: str) -> str:
    return f"{tier.title()} on Z.ai: {why}"
