"""The feed's thread: reads the log, follows it, and makes a snapshot whenever something changed.

No Qt: it speaks through a `FeedListener`, whose methods are called on this thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from offramp_core.errors import OfframpError
from offramp_core.quota import state_file
from offramp_dashboard.data.events import event_reader
from offramp_dashboard.data.events.daemon_gaps import common_absences
from offramp_dashboard.data.events.pauses import all_pauses
from offramp_dashboard.data.folder_fingerprint import looks
from offramp_dashboard.data.late_facts import LateFacts
from offramp_dashboard.data.quota.quota_burnup import QuotaReport, QuotaSource
from offramp_dashboard.data.quota.quota_points import QuotaPoints
from offramp_dashboard.data.snapshot import FeedState, LogStatus
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.table_feed import RowListener, TableFeed, scope_of
from offramp_dashboard.data.usage.log_loader import LogReading
from offramp_dashboard.data.usage.month_cache import MonthCache
from offramp_dashboard.data.usage.usage_history import UsageHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from offramp_core.usage.weeks import WeekBoundary
    from offramp_dashboard.data.events.daemon_gaps import Absence
    from offramp_dashboard.data.events.pauses import PausePeriod
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.snapshot import Snapshot

FIRST_ROWS: Final = 2_000
MOST_NEW_ROWS: Final = 20_000
"""As many as the table keeps; a week of requests that nobody looked at may be more."""
POLL_S: Final = 0.2
"""How often the folder is looked at; that costs some 0.1 ms, and works on every file system."""
REDRAW_S: Final = 0.2
"""Snapshots come no faster, but for one that answers the user."""
_LOADING_SHARE: Final = 5.0
"""While the log is read, snapshots are so many times further apart than one of them takes."""
_RETRY_S: Final = 1.0
"""How often it is tried again where the log can't be read."""
_CLOCK_S: Final = 30.0
"""Without anything new, a snapshot is no older: bars move on with the time."""
_STEP_S: Final = 0.01
"""Reading goes on for so long before it is looked whether the user wants something."""


_LOG = logging.getLogger(__name__)


class FeedListener(RowListener, Protocol):
    """Whoever is told; each call comes on the worker's thread."""

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """There is a new snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSources:
    """What to read, and how weeks are cut."""

    log_dir: Path
    cache_dir: Path
    quota_file: Path
    boundary: WeekBoundary
    asked: Mapping[str, bool] = field(default_factory=dict)
    """Which backends have to be asked for their quota, and whether the settings allow it."""
    claude_folder: Path | None = None
    """Claude Code's own, whose file names say which project a session is of; None: don't look."""
    home: Path = Path("/")
    """Shown as `~` in the paths of projects."""


@dataclass(slots=True)
class _Log:
    """One log folder, while it is read and followed."""

    reading: LogReading
    steps: Iterator[bool] | None
    """What is left of loading; None once all is in."""
    is_presentable: bool = False
    pauses: tuple[PausePeriod, ...] = ()
    absences: tuple[Absence, ...] = ()
    seen: object = None
    """How the folder looked when it was read last."""


@dataclass(slots=True)
class _PendingChanges:
    """What other threads want, until the worker gets to it. Guarded by its condition."""

    sources: FeedSources
    selection: Selection
    changed: threading.Condition
    report: QuotaReport = field(default_factory=QuotaReport)
    is_report_new: bool = False
    """The daemon told something new of the plans."""
    is_shown: bool = True
    is_ending: bool = False
    is_reopening: bool = False
    is_answer_due: bool = False
    """The user changed something, so that the next snapshot must not wait."""
    rows_wanted: deque[int] = field(default_factory=deque)


class FeedWorker:
    """Does all of the feed's work in a thread of its own; its methods may be called from any."""

    def __init__(
        self,
        sources: FeedSources,
        selection: Selection,
        listener: FeedListener,
        now: Callable[[], datetime],
        *,
        bell: threading.Condition | None = None,
    ) -> None:
        """Begin to work when started, and only while shown; sleep on `bell` meanwhile."""
        self._pending = _PendingChanges(
            sources=sources, selection=selection, changed=bell or threading.Condition()
        )
        self._listener = listener
        self._now = now
        self._thread = threading.Thread(target=self._run, name="offramp-feed", daemon=True)
        self._facts = LateFacts()
        self._log: _Log | None = None
        self._points: QuotaPoints | None = None
        self._problem: tuple[FeedState, str] | None = None
        self._table = TableFeed(listener)
        self._is_dirty = True
        self._drawn_s = float("-inf")
        self._took_s = 0.0
        self._polled_s = float("-inf")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """End the thread; whether it has ended within `timeout_s`."""
        self._change(is_ending=True)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def set_shown(self, is_shown: bool) -> None:
        """Work only while shown."""
        if is_shown:
            self._change(is_shown=True, is_answer_due=True)
        else:
            self._change(is_shown=False)

    def select(self, selection: Selection) -> None:
        """Make snapshots of that from now on, the first at once."""
        self._change(selection=selection, is_answer_due=True)

    def show_quota_report(self, report: QuotaReport) -> None:
        """Have the next snapshot show what the daemon says of the plans."""
        self._change(report=report, is_report_new=True)

    def reopen(self, sources: FeedSources | None = None) -> None:
        """Read everything again, from `sources` if given."""
        self._change(is_reopening=True, **({"sources": sources} if sources else {}))

    def want_rows(self, count: int) -> None:
        """Have so many earlier requests told."""
        with self._pending.changed:
            self._pending.rows_wanted.append(count)
            self._pending.changed.notify()

    def _change(self, **fields: Any) -> None:
        """Set these fields of what is pending, and wake the thread."""
        with self._pending.changed:
            for name, value in fields.items():
                setattr(self._pending, name, value)
            self._pending.changed.notify()

    # From here on: the thread.

    def _run(self) -> None:
        while self._wait():
            try:
                self._work()
                self._draw_if_due()
            except OfframpError as error:
                self._fail(FeedState.UNREADABLE, str(error))
            except Exception as error:  # noqa: BLE001 - else the window would wait for good
                _LOG.exception("The log could not be counted")
                self._fail(FeedState.UNREADABLE, _unforeseen(error))

    def _wait(self) -> bool:
        """Wait until there is something to do; False once it is time to end."""
        pending = self._pending
        with pending.changed:
            while not pending.is_ending:
                if pending.is_shown and (self._is_wanted() or self._idle_s() <= 0):
                    if pending.is_reopening:
                        pending.is_reopening = False
                        self._forget()
                    return True
                pending.changed.wait(self._idle_s() if pending.is_shown else None)
            return False

    def _is_wanted(self) -> bool:
        pending = self._pending
        return pending.is_answer_due or pending.is_reopening or bool(pending.rows_wanted)

    def _idle_s(self) -> float:
        """How long there is nothing to do, unless the user wants something."""
        is_reading = self._log is not None and self._log.steps is not None
        if is_reading or self._table.is_searching:
            return 0.0
        now_s = time.monotonic()
        return min(self._polled_s + self._poll_s(), self._drawn_s + self._redraw_s()) - now_s

    def _redraw_s(self) -> float:
        """How long after a snapshot the next one is due, unless the user wants something."""
        if not self._is_dirty and not self._pending.is_report_new:
            return _CLOCK_S
        is_loading = self._log is not None and self._log.steps is not None
        # On a busy machine, most of the time must be left for reading.
        return max(REDRAW_S, _LOADING_SHARE * self._took_s) if is_loading else REDRAW_S

    def _poll_s(self) -> float:
        return POLL_S if self._problem is None else _RETRY_S

    def _forget(self) -> None:
        self._log = None
        self._table.forget()
        self._points = None
        self._problem = None
        self._is_dirty = True
        self._polled_s = float("-inf")

    def _work(self) -> None:
        if self._log is not None and self._log.steps is not None:
            self._load(self._log)
        elif time.monotonic() - self._polled_s >= self._poll_s():
            self._polled_s = time.monotonic()
            self._look()
        self._hand_out_rows()

    def _look(self) -> None:
        """See whether the log has changed, and read what is new."""
        sources = self._pending.sources
        seen = looks(sources.log_dir)
        if self._log is None:
            if seen is None:
                self._fail(FeedState.MISSING, "")
            else:
                self._open(sources, seen)
        elif seen != self._log.seen:
            self._log.seen = seen
            self._follow(self._log, sources)

    def _open(self, sources: FeedSources, seen: object) -> None:
        reading = LogReading(
            sources.log_dir, sources.boundary, MonthCache(sources.cache_dir), self._now
        )
        log = _Log(reading=reading, steps=reading.load(), seen=seen)
        _take_events(log, sources)
        self._facts.watch(sources.claude_folder, sources.home)
        self._table.open(sources.log_dir, FIRST_ROWS)
        self._problem = None
        self._log = log
        self._is_dirty = True

    def _load(self, log: _Log) -> None:
        end_s = time.monotonic() + _STEP_S
        while log.steps is not None and time.monotonic() < end_s:
            was_presentable = log.is_presentable
            try:
                log.is_presentable = next(log.steps) or was_presentable
            except StopIteration:
                log.steps = None
            self._is_dirty = True
            if log.steps is None or log.is_presentable != was_presentable:
                self._drawn_s = float("-inf")
                break
        if log.reading.is_stale:
            self._forget()

    def _follow(self, log: _Log, sources: FeedSources) -> None:
        log.reading.follow()
        if log.reading.is_stale:
            self._forget()
            return
        _take_events(log, sources)
        self._table.follow(MOST_NEW_ROWS)
        self._is_dirty = True

    def _hand_out_rows(self) -> None:
        with self._pending.changed:
            wanted = sum(self._pending.rows_wanted)
            self._pending.rows_wanted.clear()
        if wanted:
            self._table.want(wanted)
        self._table.work()

    def _fail(self, state: FeedState, problem: str) -> None:
        """Note why there is no history, and try again at the next look."""
        is_news = self._problem != (state, problem)
        self._problem = state, problem
        self._log = None
        if is_news:
            self._is_dirty = True
            self._table.close()
        else:
            self._table.forget()

    def _draw_if_due(self) -> None:
        now_s = time.monotonic()
        with self._pending.changed:
            is_answer = self._pending.is_answer_due
            selection = self._pending.selection
            sources = self._pending.sources
            self._pending.is_answer_due = False
            is_due = is_answer or now_s - self._drawn_s >= self._redraw_s()
            self._pending.is_report_new = self._pending.is_report_new and not is_due
            report = self._pending.report
        if is_due:
            self._is_dirty = False
            self._drawn_s = now_s
            given = self.snapshot_input(sources, report)
            given.past.session_table.assign(self._facts.projects())
            snapshot = compose(given, self._now(), selection)
            self._listener.on_snapshot(snapshot)
            self._took_s = time.monotonic() - now_s
            scope = scope_of(snapshot, selection, given.past.session_table)
            self._table.show(scope, FIRST_ROWS)
            if self._log is not None and self._log.is_presentable:
                is_loaded = self._log.steps is None
                self._is_dirty |= self._facts.improve(is_loaded=is_loaded)

    def snapshot_input(self, sources: FeedSources, report: QuotaReport) -> SnapshotInput:
        """All that is known now, for a snapshot. On the worker's thread, or while it rests."""
        log = self._log
        if self._points is None:
            self._points = QuotaPoints(sources.log_dir)
        points = self._points.read(self._now())
        return SnapshotInput(
            past=log.reading.past if log else UsageHistory(),
            boundary=sources.boundary,
            log_status=self._log_status(sources),
            pauses=log.pauses if log else (),
            quota=QuotaSource(
                report=report,
                # Only until a daemon is heard of, which knows better.
                saved_plans=() if report.since else state_file.read(sources.quota_file),
                points=points,
                past=self._points.past,
                points_problem=self._points.problem,
                absences=log.absences if log else (),
                asked=sources.asked,
            ),
            price=self._facts.savings,
            price_session=self._facts.price,
        )

    def _log_status(self, sources: FeedSources) -> LogStatus:
        log, folder = self._log, str(sources.log_dir)
        if self._problem is not None:
            state, problem = self._problem
            return LogStatus(state=state, log_dir=folder, problem=problem)
        if log is None or log.steps is not None:
            progress = log.reading.progress if log else 0.0
            return LogStatus(state=FeedState.LOADING, log_dir=folder, progress=progress)
        state = FeedState.EMPTY if log.reading.past.is_empty() else FeedState.READY
        return LogStatus(state=state, log_dir=folder, torn_lines=log.reading.skipped_lines)


def _take_events(log: _Log, sources: FeedSources) -> None:
    machines = event_reader.read(sources.log_dir)
    log.pauses, log.absences = all_pauses(machines), common_absences(machines)


def _unforeseen(error: Exception) -> str:
    return (
        f"The log could not be counted: internal error, please report it ({type(error).__name__}: "
        f"{error}). The window tries again; `offramp stats` may show the numbers meanwhile."
    )
