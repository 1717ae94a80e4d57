"""Window and command line never disagree about sessions and projects: one log, the same numbers."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from log_samples import OFFRAMP, environ_for

from offramp_cli.demo.sample_history import write_history
from offramp_core.paths import Paths
from offramp_core.usage import records
from offramp_core.usage.prices import PriceList
from offramp_core.usage.projects import ProjectFinder
from offramp_core.usage.sessions import price_of
from offramp_core.usage.weeks import Span, WeekBoundary
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.snapshot import FeedState, LogStatus
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.usage.log_loader import LogReading
from offramp_dashboard.data.usage.month_cache import MonthCache

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.usage.sessions import Session
    from offramp_dashboard.data.snapshot import Snapshot

BOUNDARY = WeekBoundary(day=1, hour=9, zone=UTC)
_PRICES = PriceList()


def price(session: Session) -> float | None:
    return price_of(session, _PRICES)


def run(home: Path, *arguments: str) -> dict[str, Any]:
    told = subprocess.run(
        [*OFFRAMP, *arguments],
        env=environ_for(home, CLAUDE_CONFIG_DIR=str(home / "claude")),
        capture_output=True,
        check=True,
    )
    return dict(json.loads(told.stdout))


def snapshot(home: Path, now: datetime, selection: Selection) -> Snapshot:
    paths = Paths.under(home)
    reading = LogReading(paths.log_dir, BOUNDARY, MonthCache(paths.folded_months), lambda: now)
    list(reading.load())
    reading.past.session_table.assign(ProjectFinder(home / "claude", home).find())
    status = LogStatus(state=FeedState.READY, log_dir=str(paths.log_dir))
    source = SnapshotInput(
        past=reading.past, boundary=BOUNDARY, log_status=status, price_session=price
    )
    return compose(source, now, selection)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three months of requests; of every second session Claude Code still has the file."""
    folder = Paths.under(tmp_path).log_dir
    write_history(folder, datetime.now(UTC), seed=7)
    with (folder / "requests.jsonl").open("ab") as log:
        for moment, session in ((1, None), (2, None), (3, "short")):
            ts = records.format_timestamp(datetime.now(UTC) - timedelta(minutes=moment))
            log.write(
                records.encode(
                    records.RequestRecord(
                        ts=ts, model=None, backend=None, status="error", session_id=session
                    )
                )
            )
    found = dict.fromkeys(
        json.loads(line)["session_id"]
        for file in sorted(folder.glob("requests-*.jsonl"))
        for line in file.read_text().splitlines()
    )
    for place, name in enumerate(islice(found, 0, None, 2)):
        project = tmp_path / "claude" / "projects" / ("-src-shop" if place % 3 else "-src-blog")
        project.mkdir(parents=True, exist_ok=True)
        (project / f"{name}.jsonl").touch()
    return tmp_path


def assert_same(seen: Snapshot, told: dict[str, Any]) -> None:
    listed = seen.sessions
    assert listed is not None
    assert listed.without_session == told["without_session"]
    assert listed.count == len(told["sessions"]) > 10
    for row, one in zip(listed.rows, told["sessions"], strict=True):
        session, counts = row.session, row.total.counts
        assert (session.id, row.project or None) == (one["id"], one["project"])
        # The command's JSON has whole seconds.
        assert [moment.replace(microsecond=0) for moment in (session.start, session.last)] == [
            datetime.fromisoformat(one["start"]),
            datetime.fromisoformat(one["last"]),
        ]
        assert (row.total.requests, row.total.errors) == (one["requests"], one["errors"])
        assert row.total.tokens == one["tokens"]
        assert counts.input_tokens == one["input_tokens"]
        assert counts.output_tokens == one["output_tokens"]
        assert counts.cache_read_input_tokens == one["cache_read_input_tokens"]
        assert counts.cache_creation_input_tokens == one["cache_creation_input_tokens"]
        assert session.changes == one["changes"]
        assert row.usd == pytest.approx(one["list_price_usd"])
        assert [
            {**service._asdict(), "requests": totals.requests}
            for service, totals in session.services.items()
        ] == [
            {name: each[name] for name in ("backend", "model", "served_model", "requests")}
            for each in one["services"]
        ]


def test_window_lists_the_sessions_of_the_command(home: Path) -> None:
    told = run(home, "sessions", "--all", "--json", "-n", "100000")
    now = datetime.fromisoformat(told["generated_at"])
    for _ in range(2):  # from the log, then from the cache
        assert_same(snapshot(home, now, Selection(lists_sessions=True)), told)


def test_window_counts_a_range_as_the_command_does(home: Path) -> None:
    now = datetime.now(UTC)
    start = (now - timedelta(days=9)).replace(minute=0, second=0, microsecond=0)
    since = start.isoformat()
    told = run(home, "sessions", "--since", since, "--json", "-n", "100000")
    seen = snapshot(
        home, now, Selection(lists_sessions=True, span=Span(start, now + timedelta(hours=1)))
    )
    assert_same(seen, told)


@pytest.mark.parametrize("name", ["-src-shop", "-src-blog", None])
def test_project_filter_counts_what_the_command_counts_by_project(
    home: Path, name: str | None
) -> None:
    told = run(home, "stats", "--by", "project", "--all", "--json")
    (wanted,) = [row for row in told["rows"] if row["name"] == name]
    now = datetime.fromisoformat(told["generated_at"])
    span = Span(now - timedelta(days=3650), now + timedelta(hours=1))
    chosen = frozenset({name or ""})
    seen = snapshot(home, now, Selection(lists_sessions=True, projects=chosen, span=span))
    (kinds, listed) = seen.tokens.kinds, seen.sessions
    assert sum(kind.input for kind in kinds) == wanted["input_tokens"] > 0
    assert sum(kind.output for kind in kinds) == wanted["output_tokens"]
    assert sum(kind.cache_read for kind in kinds) == wanted["cache_read_input_tokens"]
    assert sum(kind.cache_write for kind in kinds) == wanted["cache_creation_input_tokens"]
    assert seen.requests == wanted["requests"]
    assert listed is not None
    counted = sum(row.total.requests for row in listed.rows)
    assert counted + listed.without_session == wanted["requests"]
    assert sum(row.total.errors for row in listed.rows) <= wanted["errors"]
