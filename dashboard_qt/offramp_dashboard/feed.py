"""Brings the log to the window: snapshots for the charts and rows for the table, as signals.

Everything that reads or counts happens in the worker's thread; what the signals carry never
changes. Nothing here blocks, save `stop`, which waits for a second at most.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, SignalInstance, Slot

from offramp_dashboard.data.feed_worker import FeedSources, FeedWorker
from offramp_dashboard.data.quota.quota_burnup import QuotaReport

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.request_rows import RequestRow
    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.data.snapshot_builder import SnapshotInput
    from offramp_dashboard.models.requests import RequestsModel


class Feed(QObject):
    """The log, from `start` on and while shown.

    Connect its signals only to methods of QObjects: those are called on their own thread, while a
    bare function or a lambda would be called on the worker's.

    Signals:
        snapshot_ready(Snapshot): draw that; at most five in a second, but for answers to `select`.
        rows_reset(tuple[RequestRow], bool): the table begins again; whether there is more.
        rows_added(tuple[RequestRow]): requests came.
        rows_earlier(tuple[RequestRow], bool): what `want_rows` asked for; whether there is more.
    """

    snapshot_ready = Signal(object)
    rows_reset = Signal(object, bool)
    rows_added = Signal(object)
    rows_earlier = Signal(object, bool)

    def __init__(
        self,
        sources: FeedSources,
        selection: Selection,
        now: Callable[[], datetime],
        parent: QObject | None = None,
        *,
        bell: threading.Condition | None = None,
    ) -> None:
        """Read from `sources`; `now` (aware) may be called from the worker's thread.

        The worker sleeps on `bell`.
        """
        super().__init__(parent)
        self._is_stopped = False
        self._worker = FeedWorker(sources, selection, self, now, bell=bell)

    def start(self) -> None:
        """Begin to read."""
        self._worker.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """End the thread; whether it has ended within `timeout_s`. Nothing is emitted then."""
        self._is_stopped = True
        return self._worker.stop(timeout_s)

    @Slot(bool)
    def set_shown(self, is_shown: bool) -> None:
        """Do nothing at all while the window is hidden; catch up when it is shown again."""
        self._worker.set_shown(is_shown)

    def select(self, selection: Selection) -> None:
        """Make snapshots of that from now on; the first comes at once."""
        self._worker.select(selection)

    @Slot(object)
    def show_quota_report(self, report: QuotaReport) -> None:
        """Draw the plans as the daemon tells of them from now on."""
        self._worker.show_quota_report(report)

    def reopen(self, sources: FeedSources | None = None) -> None:
        """Read everything again, after the settings changed, or because the user wants it."""
        self._worker.reopen(sources)

    @Slot(int)
    def want_rows(self, count: int) -> None:
        """Have so many earlier requests brought by `rows_earlier`."""
        self._worker.want_rows(count)

    def fill(self, model: RequestsModel) -> None:
        """Keep `model` filled, and bring it more when it is scrolled to its end."""
        self.rows_reset.connect(model.reset)
        self.rows_added.connect(model.add)
        self.rows_earlier.connect(model.append)
        model.more_wanted.connect(self.want_rows)

    def snapshot_input(self, sources: FeedSources) -> SnapshotInput:
        """Give what snapshots are made from, while the worker has nothing to do."""
        return self._worker.snapshot_input(sources, QuotaReport())

    # For the worker, on its thread.

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Pass it on."""
        self._emit(self.snapshot_ready, snapshot)

    def on_rows_reset(self, rows: Sequence[RequestRow], *, has_more: bool) -> None:
        """Pass them on."""
        self._emit(self.rows_reset, tuple(rows), has_more)

    def on_rows_added(self, rows: Sequence[RequestRow]) -> None:
        """Pass them on."""
        self._emit(self.rows_added, tuple(rows))

    def on_rows_earlier(self, rows: Sequence[RequestRow], *, has_more: bool) -> None:
        """Pass them on."""
        self._emit(self.rows_earlier, tuple(rows), has_more)

    def _emit(self, signal: SignalInstance, *values: object) -> None:
        if not self._is_stopped:
            # At the very end the object may be gone already.
            with contextlib.suppress(RuntimeError):
                signal.emit(*values)
