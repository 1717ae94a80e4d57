"""The feed with sessions and projects: what is listed, and which requests the table gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from patience import PATIENCE_S
from PySide6.QtCore import QObject
from request_logs import write_log
from usage_samples import record

from offramp_core.usage.weeks import Span, WeekBoundary
from offramp_dashboard.data.feed_worker import FeedSources
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.snapshot import FeedState, Snapshot
from offramp_dashboard.feed import Feed
from offramp_dashboard.models.requests import RequestsModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

NOW = datetime(2026, 11, 28, 9, 41, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
LISTED = Selection(lists_sessions=True)


class Opened(QObject):
    """A feed with its table, and the latest picture."""

    def __init__(self, feed: Feed, qtbot: QtBot) -> None:
        super().__init__()
        self.feed = feed
        self.table = RequestsModel(UTC, lambda: NOW)
        self.snapshot: Snapshot | None = None
        self._qtbot = qtbot
        feed.fill(self.table)
        feed.snapshot_ready.connect(self.take)

    def take(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def until(self, is_so: Callable[[Snapshot], bool]) -> Snapshot:
        self._qtbot.waitUntil(lambda: self.snapshot is not None and is_so(self.snapshot))
        assert self.snapshot is not None
        return self.snapshot

    def until_projects(self) -> Snapshot:
        ready = FeedState.READY
        return self.until(lambda seen: seen.log_status.state is ready and bool(seen.projects))

    def until_rows(self, *sessions: str | None) -> None:
        """Wait until the table has rows of exactly these sessions."""
        self._qtbot.waitUntil(lambda: self.sessions() == set(sessions))

    def sessions(self) -> set[str | None]:
        return {row.record.session_id for row in self.table.rows()}


@pytest.fixture
def sources(log_dir: Path) -> FeedSources:
    return FeedSources(
        log_dir=log_dir,
        cache_dir=log_dir.parent / "cache",
        quota_file=log_dir.parent / "quota.json",
        boundary=WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin")),
        claude_folder=log_dir.parent / "claude",
        home=log_dir.parent,
    )


@pytest.fixture
def start(qtbot: QtBot, sources: FeedSources) -> Iterator[Callable[..., Opened]]:
    feeds: list[Feed] = []

    def open_one(selection: Selection = LISTED, sources: FeedSources = sources) -> Opened:
        feed = Feed(sources, selection, lambda: NOW)
        feeds.append(feed)
        opened = Opened(feed, qtbot)
        feed.start()
        return opened

    yield open_one
    for feed in feeds:
        assert feed.stop(PATIENCE_S)


def is_priced(seen: Snapshot) -> bool:
    rows = seen.sessions.rows if seen.sessions else ()
    return bool(rows) and all(row.usd is not None for row in rows)


def own(sources: FeedSources, project: str, *sessions: str) -> None:
    """Make the files that Claude Code has of the sessions of a project."""
    assert sources.claude_folder is not None
    folder = sources.claude_folder / "projects" / project
    folder.mkdir(parents=True, exist_ok=True)
    for session in sessions:
        (folder / f"{session}.jsonl").touch()


def write_sessions(log_dir: Path) -> None:
    """Four sessions of two projects and none, by turns, over two months; and lone requests."""
    names = ["shop one", "shop two", "blog", "gone", None]
    write_log(
        log_dir,
        [
            record(NOW - (500 - number) * 3 * HOUR, session=names[number % 5])
            for number in range(500)
        ],
    )


@pytest.fixture
def busy(log_dir: Path, sources: FeedSources) -> None:
    write_sessions(log_dir)
    own(sources, "-shop", "shop one", "shop two")
    own(sources, "-blog", "blog")


@pytest.mark.usefixtures("busy")
def test_sessions_are_listed_with_their_projects(start: Callable[..., Opened]) -> None:
    seen = start().until_projects()
    assert seen.sessions is not None
    assert {row.session.id: row.project for row in seen.sessions.rows} == {
        "shop one": "-shop",
        "shop two": "-shop",
        "blog": "-blog",
        "gone": "",
    }
    assert [row.total.requests for row in seen.sessions.rows] == [100] * 4
    assert seen.sessions.without_session == 100
    assert [(one.key, one.name) for one in seen.projects] == [
        ("-blog", "-blog"),
        ("-shop", "-shop"),
        ("", "no project"),
    ]


@pytest.mark.usefixtures("busy")
def test_prices_come_later_by_themselves(start: Callable[..., Opened]) -> None:
    opened = start()
    seen = opened.until(is_priced)
    assert seen.sessions is not None
    assert all(row.usd and row.usd > 0 for row in seen.sessions.rows)


@pytest.mark.usefixtures("busy")
def test_list_is_made_only_while_it_is_looked_at(start: Callable[..., Opened]) -> None:
    opened = start(Selection())
    assert opened.until_projects().sessions is None
    opened.feed.select(LISTED)
    assert opened.until(lambda seen: seen.sessions is not None)


@pytest.mark.usefixtures("busy")
def test_without_leave_no_project_is_looked_for(
    start: Callable[..., Opened], sources: FeedSources
) -> None:
    opened = start(sources=replace(sources, claude_folder=None))
    seen = opened.until(is_priced)
    assert seen.projects == ()
    assert seen.sessions is not None
    assert {row.project for row in seen.sessions.rows} == {""}


@pytest.mark.usefixtures("busy")
def test_chosen_projects_are_all_that_every_page_shows(start: Callable[..., Opened]) -> None:
    opened = start()
    opened.until_projects()
    opened.feed.select(replace(LISTED, projects=frozenset({"-shop"})))
    seen = opened.until(lambda seen: bool(seen.sessions) and len(seen.sessions.rows) == 2)
    opened.until_rows("shop one", "shop two")
    assert seen.requests == 200
    assert sum(sum(series.values) for series in seen.day.series) == 2 * 433
    assert [option.is_on for option in seen.projects] == [False, True, False]
    opened.feed.select(replace(LISTED, projects=frozenset({"-shop", ""})))
    opened.until_rows("shop one", "shop two", "gone", None)
    opened.feed.select(LISTED)
    opened.until_rows("shop one", "shop two", "gone", "blog", None)


@pytest.mark.usefixtures("busy")
def test_project_with_nothing_of_the_shown_models_says_so(start: Callable[..., Opened]) -> None:
    opened = start()
    opened.until_projects()
    hidden = frozenset({"zai"})
    opened.feed.select(replace(LISTED, projects=frozenset({"-shop"}), hidden_providers=hidden))
    assert opened.until(lambda seen: seen.hides_everything).requests == 0


@pytest.mark.usefixtures("busy")
def test_table_shows_one_session_from_its_first_request_to_what_comes(
    start: Callable[..., Opened], log_dir: Path
) -> None:
    opened = start()
    opened.until_projects()
    opened.feed.select(replace(LISTED, session="blog"))
    opened.until_rows("blog")
    assert len(opened.table.rows()) == 100
    seen = opened.until(lambda seen: seen.focus is not None)
    assert seen.focus is not None
    assert (seen.focus.id, seen.focus.project, seen.requests) == ("blog", "-blog", 100)
    write_log(log_dir, [record(NOW, session="shop one"), record(NOW, session="blog")])
    opened.until(lambda seen: seen.requests == 101)
    assert opened.sessions() == {"blog"}
    assert len(opened.table.rows()) == 101
    opened.feed.select(LISTED)
    opened.until_rows("shop one", "shop two", "gone", "blog", None)


@pytest.mark.usefixtures("busy")
def test_one_session_in_a_range_is_what_is_in_both(start: Callable[..., Opened]) -> None:
    opened = start()
    opened.until_projects()
    day = Span(NOW.replace(minute=0, second=0) - 48 * HOUR, NOW.replace(minute=0, second=0))
    opened.feed.select(replace(LISTED, session="blog", span=day))
    opened.until_rows("blog")
    moments = [row.moment for row in opened.table.rows()]
    seen = opened.until(lambda seen: seen.focus is not None and seen.chosen is not None)
    assert seen.requests == len(moments)
    assert all(day.start <= moment < day.end for moment in moments)
    assert len(moments) in (3, 4)


def test_few_requests_among_many_are_all_found(
    start: Callable[..., Opened], log_dir: Path, sources: FeedSources
) -> None:
    """Further back than is searched in one step, and than the table asks for at first."""
    step = timedelta(minutes=1)
    write_log(
        log_dir,
        [
            record(NOW - (12_000 - number) * step, session="rare" if number < 3 else "often")
            for number in range(12_000)
        ],
    )
    own(sources, "-rare", "rare")
    opened = start()
    opened.until_projects()
    opened.feed.select(replace(LISTED, projects=frozenset({"-rare"})))
    opened.until_rows("rare")
    assert len(opened.table.rows()) == 3


@pytest.mark.usefixtures("busy")
def test_file_that_comes_later_gives_its_session_a_project(
    start: Callable[..., Opened], sources: FeedSources, log_dir: Path, qtbot: QtBot
) -> None:
    opened = start()
    opened.until_projects()
    own(sources, "-new", "gone")

    def has_come() -> bool:
        write_log(log_dir, [record(NOW, session="gone")])
        assert opened.snapshot is not None
        return "-new" in {one.key for one in opened.snapshot.projects}

    qtbot.waitUntil(has_come)


@pytest.mark.usefixtures("busy")
def test_second_opening_lists_the_same_from_the_cache(
    start: Callable[..., Opened], sources: FeedSources
) -> None:
    def listed() -> list[object]:
        seen = start().until_projects().sessions
        assert seen is not None
        return [row.session for row in seen.rows]

    first = listed()
    assert list(sources.cache_dir.iterdir())
    assert listed() == first
