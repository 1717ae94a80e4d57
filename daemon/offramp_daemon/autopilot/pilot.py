"""The autopilot of a running daemon: it watches, learns, and is asked where conversations go.

It finds each plan's figures, and each request that has ended, in a queue, from which it learns in
batches: beside the requests, and just before it is asked. The user's rhythm it reads from the
request log, in a thread, once it is first asked, or a plan may run out, and at each new week. It
learns and looks ahead whatever the mode, so that `auto` knows its way when it is switched on. Until
it does, and whenever something is not known freshly enough, it delegates. Used from the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import autopilot_text
from offramp_core.wording.formatting import backend_name
from offramp_daemon.autopilot import ahead
from offramp_daemon.autopilot.controller import ASK_EVERY_H, BudgetController
from offramp_daemon.autopilot.costs import state_file
from offramp_daemon.autopilot.lessons import FinishedRequest, Lesson
from offramp_daemon.autopilot.plans.claude_plan import ClaudePlan
from offramp_daemon.autopilot.plans.delegate_plans import DelegatePlans
from offramp_daemon.autopilot.plans.running_work import RunningWork
from offramp_daemon.autopilot.work.forecast import Rhythm
from offramp_daemon.autopilot.work.history import (
    LEARNT_WEEKS,
    history_from_records,
    tier_of,
    weight,
)
from offramp_daemon.routing.decision import AutopilotChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from offramp_core.control.api import PlanOutlook
    from offramp_core.quota.windows import PlanQuota
    from offramp_core.usage.records import RequestRecord, UsageRecord
    from offramp_daemon.autopilot.controller import Prospect
    from offramp_daemon.autopilot.costs.state_file import LearntAccount, LearntDelegate
    from offramp_daemon.autopilot.outlook import Mode
    from offramp_daemon.autopilot.work.history import Tier, WorkHistory
    from offramp_daemon.clock import Clock
    from offramp_daemon.routing.affinity import Conversation

    _Learnt = tuple[dict[str, LearntAccount], dict[str, LearntDelegate]]

_WEEK = timedelta(days=7)
_READ_AGAIN = timedelta(hours=1)
"""So long after the log could not be read it is tried again."""
_ASK_EVERY = timedelta(hours=ASK_EVERY_H)
_SAVE_EVERY_S = 60.0
_LEARN_EVERY_S = 1.0
"""So long what has come waits for more, unless a decision needs it before."""
_MOST_AT_ONCE = 50
"""So many lessons are learnt without a break, for requests must not wait long for the loop."""
_HELD_FOR = timedelta(seconds=10)
"""So long decisions start from the same figures, unless something is learnt."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """What decisions started from last, for conversations that go to that delegate if to any."""

    at: datetime
    delegate: str
    prospect: Prospect


class Pilot:
    """One daemon's autopilot."""

    def __init__(
        self,
        file: Path,
        records_since: Callable[[datetime], Iterator[list[UsageRecord]]],
        *,
        clock: Clock,
        mode: Callable[[], Mode] = lambda: "auto",
        save_every_s: float = _SAVE_EVERY_S,
        learn_every_s: float = _LEARN_EVERY_S,
    ) -> None:
        """Keep what is learnt in `file`; `records_since` reads the log, in a thread.

        `mode` is the setting `delegation`.
        """
        self._file = file
        self._records_since = records_since
        self._clock = clock
        self._mode = mode
        self._save_every_s = save_every_s
        self._learn_every_s = learn_every_s
        self.lessons: asyncio.Queue[Lesson] = asyncio.Queue()
        """What is still to be learnt, in order; it is emptied every moment."""
        self._next_lessons: deque[Lesson] = deque()
        self._claude = ClaudePlan()
        self.costs, self.weeks = self._claude.costs, self._claude.weeks
        self._delegates = DelegatePlans()
        self.running = RunningWork()
        self._controller = BudgetController(Rhythm(()))
        self._held: _Held | None = None
        self._while_reading: list[tuple[datetime, float]] | None = None
        self._is_asked = False
        self._asked_claude: datetime | None = None
        """When a conversation last went to Claude only for its figures."""
        self._has_work = asyncio.Event()
        self._is_unsaved = False
        self.outlooks: tuple[PlanOutlook, ...] = ()
        """What is expected of the plans' weeks, as far as it is known."""
        self.why: str | None = None
        """Why the latest conversation went where it went; None while none was asked about."""

    async def start(self, plans: Iterable[PlanQuota] = ()) -> None:
        """Take up what was learnt before, and what is known of the plans in use."""
        kept = await asyncio.to_thread(state_file.load, self._file)
        self._claude.take_up(kept, self._clock() + _WEEK)
        self._delegates.take_up(await asyncio.to_thread(state_file.load_delegates, self._file))
        for plan in plans:
            try:
                self.observe(plan)
            except Exception:  # noqa: BLE001 - whatever a file held, the daemon starts
                _LOG.exception("The autopilot could not use a plan from its file")

    def catch_up(self) -> None:
        """Learn from all that is in the queue by now. Never raises."""
        while self._learn_some():
            pass

    def observe(self, plan: PlanQuota, at: datetime | None = None) -> None:
        """Learn from what a service said of the plan in use, `at` that moment or now."""
        self._held = None
        if plan.backend != ANTHROPIC:
            self._is_unsaved |= self._delegates.observe(plan)
            return
        week = self._claude.week
        self._is_unsaved |= self._claude.observe(plan, at or self._clock())
        if self._claude.week is not week:
            self._has_work.set()

    def choose(
        self, model: str, delegate: str = DELEGATE.name, conversation: Conversation | None = None
    ) -> AutopilotChoice:
        """Return where a conversation with `model` goes that is warm nowhere. Never raises.

        `delegate` is the backend that it goes to if not to Claude.
        """
        self.catch_up()
        self._is_asked = True
        tier = tier_of(model)
        try:
            found = self._choose(tier, delegate, conversation)
        except Exception:  # noqa: BLE001 - whatever it is, requests are served as in `always`
            _LOG.exception("The autopilot failed")
            found = _delegating(tier, delegate, autopilot_text.FAILED)
        self.why = found.why
        return found

    async def run(self) -> None:
        """Learn, read the log when it is needed, and keep what is learnt; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._learn_in_batches(), name="autopilot's lessons")
            group.create_task(self._read_and_save(), name="autopilot's files")

    async def _learn_in_batches(self) -> None:
        while True:
            self._next_lessons.append(await self.lessons.get())
            await asyncio.sleep(self._learn_every_s)
            has_more = True
            while has_more:
                has_more = self._learn_some()
                await asyncio.sleep(0)

    async def _read_and_save(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._save_every_s):
                    await self._has_work.wait()
            self._has_work.clear()
            try:
                if self._needs_history():
                    await self._read_history()
                    self._held = None
                self.look_ahead()
                if self._is_unsaved:
                    self._is_unsaved = False
                    await asyncio.to_thread(self._save, self._learnt())
            except asyncio.CancelledError:
                self._is_unsaved = True  # it may not have been begun; `close` writes it down
                raise
            except Exception:  # noqa: BLE001 - whatever it is, requests go on
                _LOG.exception("The autopilot failed between requests")

    def look_ahead(self) -> None:
        """Forecast the plans' weeks from what is known by now."""
        self.catch_up()
        self.outlooks = ()  # should it fail, an old one must not stay
        self.outlooks = ahead.outlooks(self._claude, self._delegates, self._mode(), self._clock())

    def close(self) -> None:
        """Learn from what is left, and write all of it down. Blocks, for a moment."""
        self.catch_up()
        if self._is_unsaved:
            self._is_unsaved = False
            self._save(self._learnt())

    def _learn_some(self) -> bool:
        """Learn from the next lessons; return whether there may be more."""
        for _ in range(_MOST_AT_ONCE):
            if not self._next_lessons:
                if self.lessons.empty():
                    return False
                self._next_lessons.append(self.lessons.get_nowait())
            lesson = self._next_lessons.popleft()
            try:
                if isinstance(lesson, FinishedRequest):
                    self._learn(lesson.record, lesson.conversation, lesson.at)
                else:
                    self.observe(lesson.plan, lesson.at)
            except Exception:  # noqa: BLE001 - whatever it is, requests go on
                _LOG.exception("The autopilot could not learn from what it heard")
        return True

    def _learn(
        self, record: RequestRecord, conversation: Conversation | None, now: datetime
    ) -> None:
        self._held = None
        amount, tier = weight(record), tier_of(record.model)
        arrived, is_success = _arrival(record, now), record.status == "success"
        self._claude.add_work(arrived, amount, now)
        if self._while_reading is not None:
            self._while_reading.append((arrived, amount))
        if record.backend != ANTHROPIC:
            if is_success and record.backend is not None:
                self._delegates.add_answer(record.backend, tier, amount, arrived)
            if conversation is not None:
                self.running.drop(conversation)
            return
        self._claude.add_answer(tier, amount, arrived, is_success=is_success)
        if conversation is not None and tier != "opus":
            self.running.add(conversation, now, amount)

    def _choose(
        self, tier: Tier, delegate: str, conversation: Conversation | None
    ) -> AutopilotChoice:
        now = self._clock()
        found = self._prospect(delegate, now)
        reading, week = found.reading, self._claude.week
        if self._needs_history():
            self._has_work.set()
            if reading is not None and week is not None and week.history is None:
                return _delegating(tier, delegate, autopilot_text.READING_LOG)
        spent = self._claude.spent(tier, now)
        if spent is not None:
            return _delegating(tier, delegate, autopilot_text.used_up(spent))
        decision = self._controller.decide_in(
            found,
            tier=tier,
            running=self.running.taken(now, found.cost, but=conversation),
            delegate=backend_name(delegate),
            may_ask=reading is None and self._may_ask(now),
        )
        if decision.is_claude:
            if reading is None:
                self._asked_claude = now
            if conversation is not None:
                # Of many that begin at once, each must know of those before it.
                self.running.add(conversation, now, 0.0)
        return AutopilotChoice(is_claude=decision.is_claude, why=decision.why)

    def _prospect(self, delegate: str, now: datetime) -> Prospect:
        """Return what decisions start from: as the one before, if nothing was learnt since."""
        held = self._held
        if (
            held is not None
            and held.delegate == delegate
            and timedelta() <= now - held.at < _HELD_FOR
        ):
            return held.prospect
        reading, week, cost = self._claude.reading(now), self._claude.week, self._claude.cost
        if cost.is_known and week is not None:
            self._controller.rhythm = week.rhythm(1 / cost.factor("opus"))
        second = self._delegates.budget(delegate, now, week.start) if week else None
        found = self._controller.prospect(reading, cost, week.work if week else (), second)
        self._held = _Held(now, delegate, found)
        return found

    def taken(self, now: datetime, *, but: Conversation | None = None) -> list[float]:
        """Return what each conversation warm on Claude has taken of the week, `but` left out."""
        return self.running.taken(now, self._claude.cost, but=but)

    def _may_ask(self, now: datetime) -> bool:
        """Return whether it is time to have Claude say how much is used, if that is not known."""
        last = self._asked_claude
        is_time = last is None or abs(now - last) >= _ASK_EVERY
        return is_time and self._claude.has_week

    @property
    def is_reading_log(self) -> bool:
        """Whether the request log is being read at this moment."""
        return self._while_reading is not None

    def _needs_history(self) -> bool:
        week, now = self._claude.week, self._clock()
        if week is None or not week.needs_log(now):
            return False
        return self._is_asked or ahead.is_tight(self._claude, self._delegates, now)

    async def _read_history(self) -> None:
        """Learn the rhythm of the weeks before, and what was done of this one."""
        self.catch_up()  # the log holds all that has ended by now
        week, now = self._claude.week, self._clock()
        if week is None:
            return
        self._while_reading = []
        try:
            history = await asyncio.to_thread(self._history, week.start, now)
            self.catch_up()
        except Exception as error:  # noqa: BLE001 - a log may hold anything, and requests go on
            _LOG.warning("The log could not be read for the autopilot", extra={"why": str(error)})
            week.do_without(now + _READ_AGAIN)
            return
        finally:
            since, self._while_reading = self._while_reading, None
        # What had arrived before is in the log, unless it ended in the moment that it was read.
        week.learn(history, (each for each in since if each[0] > now))

    def _history(self, start: datetime, now: datetime) -> WorkHistory:
        first = start - (LEARNT_WEEKS + 1) * _WEEK
        records = (record for part in self._records_since(first) for record in part)
        return history_from_records(records, resets_at=start, now=max(start, now))

    def _learnt(self) -> _Learnt:
        return self._claude.learnt(), self._delegates.learnt()

    def _save(self, learnt: _Learnt) -> None:
        """Write that down; without a disk it is kept only in memory. Blocks."""
        try:
            state_file.save(self._file, *learnt)
        except OSError as error:
            why = error.strerror or str(error)
            _LOG.warning("What the autopilot learnt could not be saved", extra={"why": why})


def _delegating(tier: Tier, delegate: str, why: str) -> AutopilotChoice:
    return AutopilotChoice(
        is_claude=False, why=autopilot_text.sentence(tier, backend_name(delegate), why)
    )


def _arrival(record: RequestRecord, now: datetime) -> datetime:
    """Return when the request came, which is what the log goes by."""
    try:
        arrived = datetime.fromisoformat(record.ts)
    except ValueError:
        return now
    return now if arrived.tzinfo is None else min(arrived, now)
