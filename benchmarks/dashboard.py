"""Measures the charts window's feed at 10 thousand, 1 million and 10 million records.

    python benchmarks/dashboard.py
    python benchmarks/dashboard.py --counts 10000 1000000

Each figure comes from a process of its own that holds what the window does: Qt, pyqtgraph, the
feed and the table's model. A plain `json.loads` loop over the same files runs beside it; the ratio
of the full history to that loop says more than seconds do. The logs (a year up to now, three years
for 10 million) are made in a temporary folder: 10 million records take 4 GB of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import stats
from offramp_core.usage import records
from offramp_core.usage.weeks import WeekBoundary

if TYPE_CHECKING:
    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.models.requests import RequestsModel

COUNTS = (10_000, 1_000_000, 10_000_000)
_YEAR = timedelta(days=365)
_MANY = 5_000_000
_FOLLOWED = 15
_DRAWN = 30
_WINDOW_PX = (1920, 1200)
_IDLE_S = 3.0
_TICK_MS = 2
_BOUNDARY = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin"))


@dataclass
class Session:
    """One opening of the window's insides, and what was seen of it."""

    folder: Path
    figures: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, float]:
        """Open, let it read everything, add requests one by one, stay idle, close."""
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        import pyqtgraph  # noqa: F401 - for its share of the memory
        from PySide6.QtWidgets import QApplication, QTableView

        from offramp_dashboard.data.feed_worker import FeedSources
        from offramp_dashboard.data.filters import Selection
        from offramp_dashboard.feed import Feed
        from offramp_dashboard.models.requests import RequestsModel

        self.application = QApplication([])
        model = RequestsModel(_BOUNDARY.zone, _now)
        view = QTableView()
        view.setModel(model)
        self.figures["bare_mib"] = _resident_mib()
        place = FeedSources(
            log_dir=self.folder / "log",
            cache_dir=self.folder / "cache",
            quota_file=self.folder / "quota.json",
            boundary=_BOUNDARY,
        )
        self.feed = Feed(place, Selection(), _now)
        self.feed.fill(model)
        self._open()
        self._draw(place)
        self._draw_sessions(place)
        self._follow()
        self._idle()
        self.figures["peak_mib"] = _peak_mib()
        begin = time.perf_counter()
        self.feed.stop()
        self.figures["stop_ms"] = 1000 * (time.perf_counter() - begin)
        self._redraw(place, model)  # last: its memory is not the feed's
        return self.figures

    def _open(self) -> None:
        from PySide6.QtCore import QObject, QTimer

        figures, begin = self.figures, time.perf_counter()
        gaps: list[float] = []
        last = [begin]

        class Watcher(QObject):
            def tick(self) -> None:
                now = time.perf_counter()
                gaps.append(now - last[0])
                last[0] = now

            def take(self, snapshot: Snapshot) -> None:
                passed = time.perf_counter() - begin
                if snapshot.day.is_complete:
                    figures.setdefault("first_s", passed)
                if snapshot.log_status.state.value == "ready":
                    figures.setdefault("full_s", passed)

        watcher, timer = Watcher(), QTimer()
        timer.timeout.connect(watcher.tick)
        timer.start(_TICK_MS)
        self.feed.snapshot_ready.connect(watcher.take)
        self.feed.start()
        while "full_s" not in figures:
            self._turn()
        figures["open_mib"] = _resident_mib()
        self._settle()
        timer.stop()
        gaps.sort()
        figures["gui_p99_ms"] = 1000 * gaps[len(gaps) * 99 // 100]
        figures["gui_worst_ms"] = 1000 * gaps[-1]

    def _turn(self) -> None:
        """Wait for events as a window does; asking in a circle would keep the feed waiting."""
        from PySide6.QtCore import QEventLoop

        self.application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def _settle(self) -> None:
        """Wait until the price list is in, and nothing more comes."""
        priced: list[Snapshot] = []
        self.feed.snapshot_ready.connect(priced.append)
        while not priced or priced[-1].week_summary.savings is None:
            self._turn()

    def _draw(self, place: Any) -> None:
        """How long one picture takes, with all of the history in."""
        from offramp_dashboard.data.filters import Selection
        from offramp_dashboard.data.snapshot_builder import compose

        source = self.feed.snapshot_input(place)
        took: list[float] = []
        for _ in range(_DRAWN):
            begin = time.perf_counter()
            compose(source, _now(), Selection())
            took.append(time.perf_counter() - begin)
        self.figures["picture_ms"] = 1000 * statistics.median(took)
        self.figures["cells"] = len(source.past.usage_table)
        self.figures["session_cells"] = len(source.past.session_table)

    def _draw_sessions(self, place: Any) -> None:
        """How long a picture with the list of sessions takes: at first, and after a request."""
        from offramp_dashboard.data.filters import Selection
        from offramp_dashboard.data.snapshot_builder import compose

        source = self.feed.snapshot_input(place)
        selection = Selection(lists_sessions=True)
        took: list[float] = []
        for _ in range(_DRAWN):
            begin = time.perf_counter()
            snapshot = compose(source, _now(), selection)
            took.append(time.perf_counter() - begin)
        assert snapshot.sessions is not None
        self.figures["sessions"] = snapshot.sessions.count
        self.figures["sessions_first_ms"] = 1000 * took[0]
        self.figures["sessions_ms"] = 1000 * statistics.median(took)

    def _redraw(self, place: Any, model: RequestsModel) -> None:
        """The CPU time of a window of 1920x1200 for another picture, page by page."""
        sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
        from sample_snapshots import SPENT

        from offramp_core.usage.measure import Measure
        from offramp_dashboard.data.filters import Selection
        from offramp_dashboard.data.snapshot_builder import compose
        from offramp_dashboard.models.sessions import SessionsModel
        from offramp_dashboard.theme import ThemeChoice
        from offramp_dashboard.window.main_window import ChartsWindow
        from offramp_dashboard.window.styling import Styling

        styling = Styling(self.application, ThemeChoice.LIGHT)
        window = ChartsWindow(model, SessionsModel(_BOUNDARY.zone, _now), styling.theme)
        window.resize(*_WINDOW_PX)
        window.show()
        source = self.feed.snapshot_input(place)
        snapshots = [compose(source, _now(), Selection(measure=measure)) for measure in Measure]
        plans = [
            replace(
                SPENT, burn_ups=tuple(replace(one, now=one.now + later) for one in SPENT.burn_ups)
            )
            for later in (timedelta(), timedelta(seconds=1))
        ]
        quotas = [replace(snapshots[0], quota=quota) for quota in plans]
        listed = [
            compose(source, _now(), Selection(lists_sessions=True, hidden_providers=hidden))
            for hidden in (frozenset(), frozenset({"anthropic"}))
        ]
        for page, key, shown in (
            (4, "list_ms", listed),
            (0, "overview_ms", snapshots),
            (1, "history_ms", snapshots),
            (3, "quota_ms", quotas),
        ):
            window.show_page(page)
            took: list[float] = []
            for turn in range(_DRAWN):
                begin = time.process_time()
                window.show_snapshot(shown[turn % len(shown)])
                self.application.processEvents()
                took.append(time.process_time() - begin)
            self.figures[key] = 1000 * statistics.median(took)
        window.hide()
        window.deleteLater()

    def _follow(self) -> None:
        """From the write of a line to the picture and the row that show it."""
        delays: list[float] = []
        for _ in range(_FOLLOWED):
            seen: list[float] = []
            rows: list[object] = []
            self.feed.snapshot_ready.connect(
                lambda _snapshot, seen=seen: seen.append(time.perf_counter())
            )
            self.feed.rows_added.connect(rows.append)
            now = _now()
            record = records.RequestRecord(
                ts=records.format_timestamp(now),
                model="claude-sonnet-4-5",
                backend="zai",
                status="success",
                output_tokens=1,
            )
            begin = time.perf_counter()
            with (self.folder / "log" / records.file_name(record.ts)).open("ab") as file:
                file.write(records.encode(record))
            while not rows or not seen:
                self._turn()
            delays.append(seen[-1] - begin)
        self.figures["follow_ms"] = 1000 * statistics.median(delays)
        self.figures["follow_worst_ms"] = 1000 * max(delays)

    def _idle(self) -> None:
        """What it costs to stay open, and hidden, with no new requests."""
        for name, is_shown in (("idle_percent", True), ("hidden_percent", False)):
            self.feed.set_shown(is_shown)
            self.application.processEvents()
            time.sleep(0.5)  # let a last picture pass
            begin_cpu, begin = time.process_time(), time.perf_counter()
            time.sleep(_IDLE_S)
            passed = time.perf_counter() - begin
            self.figures[name] = 100 * (time.process_time() - begin_cpu) / passed


def _now() -> datetime:
    return datetime.now(UTC)


def _resident_mib() -> float:
    """Resident now, where the system says so cheaply; else the most so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _peak_mib()
    return pages * resource.getpagesize() / 1024**2


def _peak_mib() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2


def _in_process(folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--session", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def measure(count: int, folder: Path) -> dict[str, dict[str, float]]:
    """Figures of a first opening, without the cache, and of the next one."""
    length = 3 * _YEAR if count > _MANY else _YEAR
    log_bytes = stats.write_log(folder / "log", count, _now(), length)
    plain = stats.run([sys.executable, "-c", stats.JSON_LOOP, str(folder / "log")], {})
    found = {"first opening": _in_process(folder), "next opening": _in_process(folder)}
    cache = sum(path.stat().st_size for path in (folder / "cache").iterdir())
    for figures in found.values():
        figures.update(
            log_mb=log_bytes / 1e6,
            cache_mb=cache / 1e6,
            json_s=plain.wall_s,
            ratio=figures["full_s"] / plain.wall_s,
        )
    return found


_ROWS = (
    ("first picture, s", "first_s", 2),
    ("full history, s", "full_s", 2),
    ("json.loads loop, s", "json_s", 2),
    ("ratio", "ratio", 3),
    ("one picture, ms", "picture_ms", 1),
    ("picture with sessions, ms", "sessions_ms", 1),
    ("  the first of them, ms", "sessions_first_ms", 0),
    ("overview redrawn, ms", "overview_ms", 1),
    ("history redrawn, ms", "history_ms", 1),
    ("quota redrawn, ms", "quota_ms", 1),
    ("sessions redrawn, ms", "list_ms", 1),
    ("new request shown, ms", "follow_ms", 0),
    ("  the slowest, ms", "follow_worst_ms", 0),
    ("window's thread waits, p99 ms", "gui_p99_ms", 1),
    ("  the longest, ms", "gui_worst_ms", 0),
    ("memory before the feed, MiB", "bare_mib", 0),
    ("memory with all read, MiB", "open_mib", 0),
    ("most memory, MiB", "peak_mib", 0),
    ("CPU while nothing comes, %", "idle_percent", 2),
    ("CPU while hidden, %", "hidden_percent", 2),
    ("end, ms", "stop_ms", 1),
    ("cells", "cells", 0),
    ("cells by session", "session_cells", 0),
    ("sessions", "sessions", 0),
    ("log, MB", "log_mb", 1),
    ("cache, MB", "cache_mb", 2),
)


def show(count: int, found: dict[str, dict[str, float]]) -> None:
    """Print one table."""
    print(f"\n{count:,} records".ljust(33), *(name.rjust(14) for name in found))
    for title, key, digits in _ROWS:
        cells = (f"{figures[key]:14,.{digits}f}" for figures in found.values())
        print(f"  {title:<29}", *cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, metavar="N")
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.session:
        print(json.dumps(Session(arguments.session).run()))
        return
    for count in arguments.counts:
        with tempfile.TemporaryDirectory(prefix="offramp-bench-") as name:
            show(count, measure(count, Path(name)))
    print(f"\nload {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
