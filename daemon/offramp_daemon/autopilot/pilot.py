"""The autopilot of a running daemon: it watches, learns, and is asked where conversations go.

It finds each plan's figures, and each request that has ended, in a queue, from which it learns in
batches: beside the requests, and just before it is asked. The user's rhythm it reads from the
request log, in a thread, once it is first asked and at each new week. It learns whatever the mode,
so that `auto` knows its way when it is switched on. Until it does, and whenever something is not
known freshly enough, it delegates. Used from the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import backend_name
from offramp_daemon.autopilot import state_file
from offramp_daemon.autopilot.controller import BudgetController, delegated
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.current_week import CurrentWeek
from offramp_daemon.autopilot.forecast import Rhythm
from offramp_daemon.autopilot.history import LEARNT_WEEKS, history_from_records, tier_of, weight
from offramp_daemon.autopilot.lessons import FinishedRequest, Lesson
from offramp_daemon.autopilot.plan_snapshot import PlanSnapshot, WindowReading, read
from offramp_daemon.autopilot.state_file import LearntAccount
from offramp_daemon.routing.affinity import WARM_S
from offramp_daemon.routing.decision import AutopilotChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_core.usage.records import RequestRecord, UsageRecord
    from offramp_daemon.autopilot.history import Tier, WorkHistory
    from offramp_daemon.clock import Clock
    from offramp_daemon.routing.affinity import Conversation

_WEEK = timedelta(days=7)
_SAME_RESET = timedelta(minutes=30)
"""Resets that differ by less are one and the same, told with jitter."""
_KEPT_OF_A_WEEK = 0.5
"""How much of what was learnt counts in the next week."""
_NEARLY_SPENT = 0.97
"""From here on a family's own window is left to what runs already."""
_READ_AGAIN = timedelta(hours=1)
"""So long after the log could not be read it is tried again."""
_SAVE_EVERY_S = 60.0
_LEARN_EVERY_S = 1.0
"""So long what has come waits for more, unless a decision needs it before."""
_MOST_AT_ONCE = 50
"""So many lessons are learnt without a break, for requests must not wait long for the loop."""
_MOST_RUNNING = 1000
_MOST_WEEKS = 4
_WINDOW_NAME = "Claude's 5-hour window"
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _ClaudeConversation:
    """A conversation of execution work that Claude answers."""

    tier: Tier
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
        learn_every_s: float = _LEARN_EVERY_S,
    ) -> None:
        """Keep what is learnt in `file`; `records_since` reads the log, in a thread."""
        self._file = file
        self._records_since = records_since
        self._clock = clock
        self._save_every_s = save_every_s
        self._learn_every_s = learn_every_s
        self.lessons: asyncio.Queue[Lesson] = asyncio.Queue()
        """What is still to be learnt, in order; it is emptied every moment."""
        self._next_lessons: deque[Lesson] = deque()
        self.costs: dict[str, CostModel] = {}
        """By account: what requests take of its week; the one in use last."""
        self._learnt_in: dict[str, datetime] = {}
        """By account: when the week began in which it was learnt last."""
        self._plan: PlanQuota | None = None
        self.weeks: dict[str, CurrentWeek] = {}
        """By account, the one in use last."""
        self._answered: datetime | None = None
        self.running: OrderedDict[Conversation, _ClaudeConversation] = OrderedDict()
        """Those that Claude answers, the latest one last; cold ones may be among them."""
        self._controller = BudgetController(Rhythm(()))
        self._while_reading: list[tuple[datetime, float]] | None = None
        self._is_asked = False
        self._has_work = asyncio.Event()
        self._is_unsaved = False
        self.why: str | None = None
        """Why the latest conversation went where it went; None while none was asked about."""

    async def start(self, plans: Iterable[PlanQuota] = ()) -> None:
        """Take up what was learnt before, and what is known of the plans in use."""
        kept = await asyncio.to_thread(state_file.load, self._file)
        latest = self._clock() + _WEEK
        for account, known in kept.items():
            self.costs[account] = CostModel.of(known.learnt)
            if known.week is not None and known.week <= latest:  # else a clock was wrong
                self._learnt_in[account] = known.week
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
        """Learn from what Claude's answers said of the plan in use, `at` that moment or now."""
        if plan.backend != ANTHROPIC:
            return
        self._take_account(plan)
        week, window = (
            windows.window_of(plan, windows.WEEK),
            windows.window_of(plan, windows.FIVE_HOURS),
        )
        if week is None or week.resets is None or week.used is None:
            return
        if week.resets <= (at or self._clock()):
            return  # an answer that was overtaken by the next week
        self._turn_week(week.resets - _WEEK)
        if week.read_at == plan.read_at:
            is_told = window is not None and window.read_at == plan.read_at
            self._cost().observe(week.used, window.used if window and is_told else None)
            self._is_unsaved = True

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
            found = _delegating(tier, delegate, "the autopilot failed")
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
                if self._is_unsaved:
                    self._is_unsaved = False
                    await asyncio.to_thread(self._save, self._learnt())
            except Exception:  # noqa: BLE001 - whatever it is, requests go on
                _LOG.exception("The autopilot failed between requests")

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
        amount, tier = weight(record), tier_of(record.model)
        arrived = _arrival(record, now)
        self._roll(now)
        for week in self.weeks.values():
            week.add(arrived, amount)
        if self._while_reading is not None:
            self._while_reading.append((arrived, amount))
        if record.backend != ANTHROPIC:
            if conversation is not None:
                self.running.pop(conversation, None)
            return
        if record.status == "success":
            # By its arrival: it told its figures when it began, however long it went on.
            self._answered = max(arrived, self._answered or arrived)
        if self._plan is not None:
            self._cost().add_pending(tier, amount)
        if conversation is not None and tier != "opus":
            self._count_running(conversation, now, amount)

    def _choose(
        self, tier: Tier, delegate: str, conversation: Conversation | None
    ) -> AutopilotChoice:
        now = self._clock()
        reading = self._reading(now)
        if self._needs_history():
            self._has_work.set()
            if reading is not None and self._week is not None and self._week.history is None:
                return _delegating(tier, delegate, "your log is being read")
        spent = self._spent(tier, now)
        if spent is not None:
            return _delegating(tier, delegate, f"{spent} is used up")
        cost, week = self._cost(), self._week
        if cost.is_known and week is not None:
            self._controller.rhythm = week.rhythm(1 / cost.factor("opus"))
        decision = self._controller.decide(
            reading,
            cost,
            tier=tier,
            work=week.work if week else (),
            running=self.taken(now, but=conversation),
            delegate=backend_name(delegate),
        )
        if decision.is_claude and conversation is not None:
            # Of many that begin at once, each must know of those before it.
            self._count_running(conversation, now, 0.0)
        return AutopilotChoice(is_claude=decision.is_claude, why=decision.why)

    def taken(self, now: datetime, *, but: Conversation | None = None) -> list[float]:
        """Return what each conversation warm on Claude has taken of the week, `but` left out."""
        cost = self._cost()
        if not cost.is_known:
            return []
        left_out = self.running.get(but) if but is not None else None
        cold = now - timedelta(seconds=WARM_S)
        # The latest one is the last.
        warm = itertools.takewhile(lambda each: each.last >= cold, reversed(self.running.values()))
        return [each.weight * cost.factor(each.tier) for each in warm if each is not left_out]

    def _reading(self, now: datetime) -> PlanSnapshot | None:
        self._roll(now)
        return read(
            _window(windows.window_of(self._plan, windows.WEEK)),
            _window(windows.window_of(self._plan, windows.FIVE_HOURS)),
            now=now,
            answered_at=self._answered,
        )

    def _spent(self, tier: Tier, now: datetime) -> str | None:
        """Return which window Claude refuses the tier by; the tier's own counts a little early."""
        for name, shown in ((windows.WEEK, "the Claude week"), (windows.FIVE_HOURS, _WINDOW_NAME)):
            window = windows.window_of(self._plan, name)
            if window is not None and windows.is_spent(window, now):
                return shown
        window = windows.window_of(self._plan, f"{windows.WEEK}_{tier}")
        if window is None:
            return None
        used = windows.used_at(window, now) or 0.0
        is_spent = used >= _NEARLY_SPENT or windows.is_spent(window, now)
        return f"Claude's week for {tier.title()}" if is_spent else None

    def _cost(self) -> CostModel:
        if self._plan is None:
            return CostModel()
        cost = self.costs.pop(self._account, None) or CostModel()
        self.costs[self._account] = cost  # the latest one last
        if len(self.costs) > state_file.MOST_ACCOUNTS:
            oldest = next(iter(self.costs))
            del self.costs[oldest]
            self._learnt_in.pop(oldest, None)
        return cost

    def _take_account(self, plan: PlanQuota) -> None:
        """Go by that account from now on.

        Which of two a request under way belongs to can't be told once it ends: what either has
        pending is dropped when they change.
        """
        is_other = self._plan is not None and self._plan.account != plan.account
        if is_other:
            self._cost().break_off()
        self._plan = plan
        if is_other:
            self._cost().break_off()

    @property
    def is_reading_log(self) -> bool:
        """Whether the request log is being read at this moment."""
        return self._while_reading is not None

    @property
    def _account(self) -> str:
        return self._plan.account if self._plan else ""

    @property
    def _week(self) -> CurrentWeek | None:
        return self.weeks.get(self._account)

    def _turn_week(self, start: datetime) -> None:
        """Begin the week that starts then, unless it is the one that runs."""
        self._age(start)
        week = self.weeks.pop(self._account, None)
        if week is None or abs(start - week.start) >= _SAME_RESET:
            week = CurrentWeek(start)
            self._has_work.set()
        self.weeks[self._account] = week  # the latest one last
        if len(self.weeks) > _MOST_WEEKS:
            del self.weeks[next(iter(self.weeks))]

    def _roll(self, now: datetime) -> None:
        """Begin the next week once this one is over, though no answer has told of it yet."""
        week = self._week
        if week is not None and now >= week.start + _WEEK:
            self._turn_week(week.start + (now - week.start) // _WEEK * _WEEK)

    def _age(self, start: datetime) -> None:
        """Have what was learnt in earlier weeks give way; a reset that only moved ages nothing."""
        cost, before = self._cost(), self._learnt_in.get(self._account, start)
        weeks = round((start - before) / _WEEK)
        if weeks > 0:
            self.costs[self._account] = cost.aged(_KEPT_OF_A_WEEK**weeks)
        if weeks > 0 or before == start:
            self._learnt_in[self._account] = start

    def _count_running(self, conversation: Conversation, now: datetime, amount: float) -> None:
        running = self.running.pop(conversation, None)
        if running is None:
            running = _ClaudeConversation(tier_of(conversation.model), now, 0.0)
        if (now - running.last).total_seconds() > WARM_S:
            running.weight = 0.0
        running.last = now
        running.weight += amount
        self.running[conversation] = running
        if len(self.running) > _MOST_RUNNING:
            self.running.popitem(last=False)

    def _needs_history(self) -> bool:
        week = self._week
        return self._is_asked and week is not None and week.needs_log(self._clock())

    async def _read_history(self) -> None:
        """Learn the rhythm of the weeks before, and what was done of this one."""
        self.catch_up()  # the log holds all that has ended by now
        week, now = self._week, self._clock()
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

    def _learnt(self) -> dict[str, LearntAccount]:
        return {
            account: LearntAccount(cost.learnt(), self._learnt_in.get(account))
            for account, cost in self.costs.items()
        }

    def _save(self, accounts: Mapping[str, LearntAccount]) -> None:
        """Write that down; without a disk it is kept only in memory. Blocks."""
        try:
            state_file.save(self._file, accounts)
        except OSError as error:
            why = error.strerror or str(error)
            _LOG.warning("What the autopilot learnt could not be saved", extra={"why": why})


def _window(window: QuotaWindow | None) -> WindowReading | None:
    if window is None or window.used is None or window.resets is None:
        return None
    return WindowReading(used=window.used, resets_at=window.resets, read_at=window.read_at)


def _delegating(tier: Tier, delegate: str, why: str) -> AutopilotChoice:
    return AutopilotChoice(is_claude=False, why=delegated(tier, backend_name(delegate), why))


def _arrival(record: RequestRecord, now: datetime) -> datetime:
    """Return when the request came, which is what the log goes by."""
    try:
        arrived = datetime.fromisoformat(record.ts)
    except ValueError:
        return now
    return now if arrived.tzinfo is None else min(arrived, now)
