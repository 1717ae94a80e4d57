"""The autopilot of a running daemon: it watches, learns, and is asked where conversations go.

It is told each plan's figures as they come and each request as it ends; the user's rhythm it reads
from the request log, in a thread, once it is first asked and at each new week. It learns whatever
the mode, which costs next to nothing, so that `auto` knows its way when it is switched on. Until it
does, and whenever something is not known freshly enough, it delegates. Used from the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import windows
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import backend_name
from offramp_daemon.autopilot import state_file
from offramp_daemon.autopilot.controller import Controller, delegated
from offramp_daemon.autopilot.cost_model import CostModel
from offramp_daemon.autopilot.current_week import RunningWeek
from offramp_daemon.autopilot.forecast import Rhythm
from offramp_daemon.autopilot.history import LEARNT_WEEKS, history_from_records, tier_of, weight
from offramp_daemon.autopilot.plan_snapshot import Reading, Window, read
from offramp_daemon.autopilot.state_file import KeptAccount
from offramp_daemon.routing.affinity import WARM_S
from offramp_daemon.routing.decision import AutopilotChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota, QuotaWindow
    from offramp_core.usage.records import RequestRecord, UsageRecord
    from offramp_daemon.autopilot.history import History, Tier
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
_MOST_RUNNING = 1000
_MOST_WEEKS = 4
_WINDOW_NAME = "Claude's 5-hour window"
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Running:
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
    ) -> None:
        """Keep what is learnt in `file`; `records_since` reads the log, in a thread."""
        self._file = file
        self._records_since = records_since
        self._clock = clock
        self._save_every_s = save_every_s
        self._costs: dict[str, CostModel] = {}
        self._learnt_in: dict[str, datetime] = {}
        """By account: when the week began in which it was learnt last."""
        self._plan: PlanQuota | None = None
        self._weeks: dict[str, RunningWeek] = {}
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

    async def start(self, plans: Iterable[PlanQuota] = ()) -> None:
        """Take up what was learnt before, and what is known of the plans in use."""
        kept = await asyncio.to_thread(state_file.load, self._file)
        latest = self._clock() + _WEEK
        for account, known in kept.items():
            self._costs[account] = CostModel.of(known.learnt)
            if known.week is not None and known.week <= latest:  # else a clock was wrong
                self._learnt_in[account] = known.week
        for plan in plans:
            try:
                self.observe(plan)
            except Exception:  # noqa: BLE001 - whatever a file held, the daemon starts
                _LOG.exception("A plan that was known could not be taken up")

    def observe(self, plan: PlanQuota) -> None:
        """Claude's answers tell this of the plan in use."""
        if plan.backend != ANTHROPIC:
            return
        self._take_account(plan)
        week, window = (
            windows.window_of(plan, windows.WEEK),
            windows.window_of(plan, windows.FIVE_HOURS),
        )
        if week is None or week.resets is None or week.used is None:
            return
        if week.resets <= self._clock():
            return  # an answer that was overtaken by the next week
        self._turn_week(week.resets - _WEEK)
        if week.read_at == plan.read_at:
            is_told = window is not None and window.read_at == plan.read_at
            self._cost().observe(week.used, window.used if window and is_told else None)
            self._is_unsaved = True

    def note(self, record: RequestRecord, conversation: Conversation | None) -> None:
        """A request has ended. Never raises."""
        try:
            self._note(record, conversation)
        except Exception:  # noqa: BLE001 - whatever it is, the request has its answer
            _LOG.exception("The autopilot could not take note of a request")

    def choose(
        self, model: str, delegate: str = DELEGATE.name, conversation: Conversation | None = None
    ) -> AutopilotChoice:
        """Where a conversation with `model` goes that is warm nowhere. Never raises.

        `delegate` is the backend that it goes to if not to Claude.
        """
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
        """Read the log when it is needed, and keep what is learnt; for as long as it may."""
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
                _LOG.exception("The autopilot failed at what it does beside requests")

    def close(self) -> None:
        """Write down what was learnt. Blocks, for a moment."""
        if self._is_unsaved:
            self._is_unsaved = False
            self._save(self._learnt())

    def _note(self, record: RequestRecord, conversation: Conversation | None) -> None:
        now, amount, tier = self._clock(), weight(record), tier_of(record.model)
        arrived = _arrival(record, now)
        self._roll(now)
        for week in self._weeks.values():
            week.add(arrived, amount)
        if self._while_reading is not None:
            self._while_reading.append((arrived, amount))
        if record.backend != ANTHROPIC:
            if conversation is not None:
                self._running.pop(conversation, None)
            return
        if record.status == "success":
            # By its arrival: it told its figures when it began, however long it went on.
            self._answered = max(arrived, self._answered or arrived)
        if self._plan is not None:
            self._cost().note(tier, amount)
        if conversation is not None and tier != "opus":
            self._note_running(conversation, now, amount)

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
            running=self._taken(cost, now, but=conversation),
            delegate=backend_name(delegate),
        )
        if decision.is_claude and conversation is not None:
            # Of many that begin at once, each must know of those before it.
            self._note_running(conversation, now, 0.0)
        return AutopilotChoice(is_claude=decision.is_claude, why=decision.why)

    def _taken(self, cost: CostModel, now: datetime, *, but: Conversation | None) -> list[float]:
        """What each conversation that is warm on Claude has taken of the week, `but` left out."""
        if not cost.is_known:
            return []
        left_out = self._running.get(but) if but is not None else None
        cold = now - timedelta(seconds=WARM_S)
        # The latest one is the last.
        warm = itertools.takewhile(lambda each: each.last >= cold, reversed(self._running.values()))
        return [each.weight * cost.factor(each.tier) for each in warm if each is not left_out]

    def _reading(self, now: datetime) -> Reading | None:
        self._roll(now)
        return read(
            _window(windows.window_of(self._plan, windows.WEEK)),
            _window(windows.window_of(self._plan, windows.FIVE_HOURS)),
            now=now,
            answered_at=self._answered,
        )

    def _spent(self, tier: Tier, now: datetime) -> str | None:
        """Which window Claude refuses the tier by; that of the tier alone counts a little early."""
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
        cost = self._costs.pop(self._account, None) or CostModel()
        self._costs[self._account] = cost  # the latest one last
        if len(self._costs) > state_file.MOST_ACCOUNTS:
            oldest = next(iter(self._costs))
            del self._costs[oldest]
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
    def _account(self) -> str:
        return self._plan.account if self._plan else ""

    @property
    def _week(self) -> RunningWeek | None:
        return self._weeks.get(self._account)

    def _turn_week(self, start: datetime) -> None:
        """Begin the week that starts then, unless it is the one that runs."""
        self._age(start)
        week = self._weeks.pop(self._account, None)
        if week is None or abs(start - week.start) >= _SAME_RESET:
            week = RunningWeek(start)
            self._has_work.set()
        self._weeks[self._account] = week  # the latest one last
        if len(self._weeks) > _MOST_WEEKS:
            del self._weeks[next(iter(self._weeks))]

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
            self._costs[self._account] = cost.aged(_KEPT_OF_A_WEEK**weeks)
        if weeks > 0 or before == start:
            self._learnt_in[self._account] = start

    def _note_running(self, conversation: Conversation, now: datetime, amount: float) -> None:
        running = self._running.pop(conversation, None)
        if running is None:
            running = _Running(tier_of(conversation.model), now, 0.0)
        if (now - running.last).total_seconds() > WARM_S:
            running.weight = 0.0
        running.last = now
        running.weight += amount
        self._running[conversation] = running
        if len(self._running) > _MOST_RUNNING:
            self._running.popitem(last=False)

    def _needs_history(self) -> bool:
        week = self._week
        return self._is_asked and week is not None and week.needs_log(self._clock())

    async def _read_history(self) -> None:
        """Learn the rhythm of the weeks before, and what was done of this one."""
        week, now = self._week, self._clock()
        if week is None:
            return
        self._while_reading = []
        try:
            history = await asyncio.to_thread(self._history, week.start, now)
        except Exception as error:  # noqa: BLE001 - a log may hold anything, and requests go on
            _LOG.warning("The log could not be read for the autopilot", extra={"why": str(error)})
            week.do_without(now + _READ_AGAIN)
            return
        finally:
            since, self._while_reading = self._while_reading, None
        # What had arrived before is in the log, unless it ended in the moment that it was read.
        week.learn(history, (each for each in since if each[0] > now))

    def _history(self, start: datetime, now: datetime) -> History:
        first = start - (LEARNT_WEEKS + 1) * _WEEK
        records = (record for part in self._records_since(first) for record in part)
        return history_from_records(records, resets_at=start, now=max(start, now))

    def _learnt(self) -> dict[str, KeptAccount]:
        return {
            account: KeptAccount(cost.learnt(), self._learnt_in.get(account))
            for account, cost in self._costs.items()
        }

    def _save(self, accounts: Mapping[str, KeptAccount]) -> None:
        """Write that down; without a disk it is kept in memory alone. Blocks."""
        try:
            state_file.save(self._file, accounts)
        except OSError as error:
            why = error.strerror or str(error)
            _LOG.warning("What the autopilot learnt could not be kept", extra={"why": why})


def _window(window: QuotaWindow | None) -> Window | None:
    if window is None or window.used is None or window.resets is None:
        return None
    return Window(used=window.used, resets_at=window.resets, read_at=window.read_at)


def _delegating(tier: Tier, delegate: str, why: str) -> AutopilotChoice:
    return AutopilotChoice(is_claude=False, why=delegated(tier, backend_name(delegate), why))


def _arrival(record: RequestRecord, now: datetime) -> datetime:
    """When the request came, which is what the log goes by."""
    try:
        arrived = datetime.fromisoformat(record.ts)
    except ValueError:
        return now
    return now if arrived.tzinfo is None else min(arrived, now)
