"""Every number on the screen, read from it, is the one that the command line shows of that log."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from log_samples import OFFRAMP, environ_for, sample_line
from msgspec import structs
from PySide6.QtWidgets import QApplication
from tray_states import status_of

from offramp_cli.demo import sample_quota
from offramp_cli.demo.sample_history import write_history
from offramp_cli.reports import status as status_report
from offramp_core.paths import Paths
from offramp_core.quota import state_file
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.settings import TraySettings
from offramp_core.usage.measure import Measure
from offramp_core.usage.prices import PriceList
from offramp_core.usage.week_log import WeekLog
from offramp_core.usage.weeks import WeekBoundary
from offramp_core.wording.formatting import backend_name, format_percent, format_tokens
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.quota.quota_burnup import QuotaReport, QuotaSource
from offramp_dashboard.data.quota.quota_points import QuotaPoints
from offramp_dashboard.data.snapshot import FeedState, LogStatus
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.usage.log_loader import LogReading
from offramp_dashboard.data.usage.month_cache import MonthCache
from offramp_dashboard.views.style import number_text
from offramp_tray.state.quota_log import QuotaLog
from offramp_tray.state.tray_state import Presence, TrayState
from offramp_tray.view import menu, wording

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.window.main_window import ChartsWindow

ZONE = "Europe/Berlin"
DAY = (datetime.now(UTC).isoweekday() - 3) % 7
"""Three days ago, so that there is a running week to show on every day of it."""
BOUNDARY = WeekBoundary(day=DAY, hour=9, zone=ZoneInfo(ZONE))


@dataclass(frozen=True)
class Log:
    """A log of some weeks with plans beside it, and what the command line tells of it."""

    home: Path
    told: dict[str, Any]
    plans: tuple[PlanQuota, ...]

    @property
    def now(self) -> datetime:
        """When it was told."""
        return datetime.fromisoformat(self.told["generated_at"])

    @property
    def week(self) -> dict[str, Any]:
        """The running week."""
        return dict(self.told["period"])

    @property
    def backends(self) -> list[dict[str, Any]]:
        """The running week by backend, in the command line's order."""
        return list(self.told["period"]["backends"])


def command(home: Path, *arguments: str) -> dict[str, Any]:
    told = subprocess.run(
        [*OFFRAMP, *arguments, "--json"],
        env=environ_for(home, TZ=ZONE, WEEK_START_DAY=str(DAY), WEEK_START_HOUR="9"),
        capture_output=True,
        check=True,
    )
    return dict(json.loads(told.stdout))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    home = tmp_path_factory.mktemp("home")
    paths = Paths.under(home)
    now = datetime.now(UTC)
    write_history(paths.log_dir, now, seed=7)
    sample_quota.write_history(paths.log_dir, now.astimezone(BOUNDARY.zone), 7)
    with (paths.log_dir / "requests.jsonl").open("ab") as log:  # one that reached no backend
        log.write(sample_line(now - timedelta(minutes=1), backend=None, status="error"))
    told = command(home, "stats")
    return Log(home, told, plans(datetime.fromisoformat(told["generated_at"])))


def plans(now: datetime) -> tuple[PlanQuota, ...]:
    local = now.astimezone(BOUNDARY.zone)
    return tuple(
        PlanQuota(
            backend=backend,
            account="demo",
            windows=tuple(
                QuotaWindow(
                    name=name,
                    used=sample_quota.used(backend, name, local, 7),
                    resets=sample_quota.resets(backend, name, local),
                    read_at=now,
                )
                for name in ("5h", "7d")
            ),
            read_at=now,
        )
        for backend in ("anthropic", "zai")
    )


def snapshot(log: Log, measure: Measure) -> Snapshot:
    paths = Paths.under(log.home)
    reading = LogReading(paths.log_dir, BOUNDARY, MonthCache(paths.folded_months), lambda: log.now)
    list(reading.load())
    points = QuotaPoints(paths.log_dir)
    known = points.read(log.now)
    report = QuotaReport(plans=log.plans, is_live=True)
    made = SnapshotInput(
        past=reading.past,
        boundary=BOUNDARY,
        log_status=LogStatus(state=FeedState.READY, log_dir=str(paths.log_dir)),
        quota=QuotaSource(report=report, points=known, past=points.past),
        price=PriceList().savings,
    )
    return compose(made, log.now, Selection(measure=measure))


def tray(log: Log, measure: Measure, text: str = "share") -> TrayState:
    paths = Paths.under(log.home)
    return TrayState(
        now=log.now,
        boundary=BOUNDARY,
        settings=TraySettings(count=measure.value, text=text),
        week=WeekLog(paths.log_dir, BOUNDARY, lambda: log.now).totals(),
        presence=Presence.RUNNING,
        status=status_of(quota=log.plans),
        past=QuotaLog(paths.quota_file).read(paths.log_dir, log.now).past,
    )


@pytest.fixture(params=list(Measure), ids=lambda measure: measure.value)
def measure(request: pytest.FixtureRequest) -> Measure:
    return Measure(request.param)


@pytest.fixture
def shown(window: ChartsWindow, log: Log, measure: Measure) -> ChartsWindow:
    window.resize(1920, 1200)
    window.show_snapshot(snapshot(log, measure))
    QApplication.processEvents()
    return window


def field(measure: Measure) -> str:
    return {Measure.TOKENS: "token_share", Measure.REQUESTS: "request_share"}[measure]


def test_overview_shows_the_week_of_the_command(
    shown: ChartsWindow, log: Log, measure: Measure
) -> None:
    summary = shown.overview.week_summary
    for figure, name in ((summary.requests, "requests"), (summary.tokens, "tokens")):
        assert number_text.exact(log.week[name]) in figure.accessibleName()
    assert summary.requests.value == number_text.short(log.week["requests"])
    assert summary.tokens.value == format_tokens(log.week["tokens"])
    assert summary.errors.value == number_text.short(log.week["errors"])
    part = format_percent(log.week["errors"] / log.week["requests"])
    assert summary.errors.caption.startswith(f"{part}; ")
    delegated = sum(
        one[field(measure)] for one in log.backends if one["backend"] not in (None, "anthropic")
    )
    assert summary.share_text == format_percent(delegated)
    assert summary.share_caption == f"of {measure.value} delegated"
    for one in log.backends:
        text = f"{backend_name(one['backend'])} {number_text.short(one[measure.value])}"
        assert text in summary.split_text


def test_list_price_of_the_week_is_the_sum_of_its_sessions(shown: ChartsWindow, log: Log) -> None:
    rows = command(log.home, "sessions", "--since", log.week["start"], "-n", "100000")
    told = sum(one["list_price_usd"] or 0 for one in rows["sessions"])
    assert shown.overview.week_summary.saved.value == f"≈ {number_text.dollars(told)}"


def test_cards_name_the_sums_of_the_commands_columns(
    shown: ChartsWindow, log: Log, measure: Measure
) -> None:
    for card, name in (
        (shown.overview.day_card, "last_24_hours"),
        (shown.overview.recent_card, "last_3_hours"),
    ):
        whole = sum(one[measure.value] for one in log.told[name])
        assert card.subtitle.startswith(f"{number_text.short(whole)} {measure.value}")


@pytest.mark.parametrize("page", ["overview", "history"])
def test_weeks_say_each_backends_part_as_the_command_does(
    shown: ChartsWindow, log: Log, measure: Measure, page: str
) -> None:
    shown.show_page(["overview", "history"].index(page))
    chart = getattr(shown, page).weeks
    for place, week in enumerate(log.told["weeks"]):
        said = {row.name: row.value for row in chart.readout(place).rows}
        whole = week[measure.value]
        assert said[measure.value] == number_text.exact(whole)
        parts: dict[str | None, int] = {}
        for one in week["split"]:
            parts[one["backend"]] = parts.get(one["backend"], 0) + one[measure.value]
        for backend, value in parts.items():
            if value:
                text = f"{number_text.exact(value)}  {format_percent(value / whole)}"
                assert said[backend_name(backend)] == text


def test_bars_that_are_pointed_at_say_what_the_command_says(
    shown: ChartsWindow, log: Log, measure: Measure
) -> None:
    for chart, name in (
        (shown.overview.day, "last_24_hours"),
        (shown.overview.recent, "last_3_hours"),
    ):
        for place, bar in enumerate(log.told[name]):
            said = chart.readout(place).as_text()
            assert number_text.exact(bar[measure.value]) in said
            for one in bar["split"]:
                assert number_text.exact(one[measure.value]) in said or name == "last_3_hours"


def test_tokens_by_kind_are_those_of_the_command(shown: ChartsWindow, log: Log) -> None:
    shown.show_page(1)
    cells = shown.history.tokens.texts()
    for one in log.backends:
        read, written = one["cache_read_input_tokens"], one["cache_creation_input_tokens"]
        for count in (one["input_tokens"], one["output_tokens"], read, written, one["tokens"]):
            assert number_text.exact(count) in cells
        whole = one["input_tokens"] + read + written
        assert (format_percent(read / whole) if whole else number_text.DASH) in cells


def test_table_of_requests_counts_all_of_the_log(shown: ChartsWindow, log: Log) -> None:
    shown.show_page(2)
    whole = sum(week["requests"] for week in command(log.home, "stats", "--all")["weeks"])
    assert shown.requests.count_text == f"latest 0 of {number_text.exact(whole)} requests"


def test_menu_and_label_of_the_tray_say_the_week_of_the_command(log: Log, measure: Measure) -> None:
    state = tray(log, measure)
    said = {row.key: row.text for row in menu.rows(state)}
    for one in log.backends:
        if one["backend"] is not None:
            assert said[f"backend.{one['backend']}"] == (
                f"{backend_name(one['backend'])}: {one['requests']:,} requests, "
                f"{format_tokens(one['tokens'])} tokens"
            )
            part = f"{backend_name(one['backend'])} {format_percent(one[field(measure)])}"
            assert part in said["headline"]
            assert part in wording.tooltip(state).splitlines()[0]
    assert said["headline"].endswith(f" of {measure.value} this week")
    requests, tokens = log.week["requests"], log.week["tokens"]
    assert wording.label(tray(log, measure, "requests")) == f"{requests:,} requests"
    assert wording.label(tray(log, measure, "tokens")) == f"{format_tokens(tokens)} tokens"


def test_quota_is_the_same_in_every_place(
    shown: ChartsWindow, log: Log, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", ZONE)
    paths = Paths.under(log.home)
    points = QuotaPoints(paths.log_dir)
    points.read(log.now)
    status = status_of(quota=log.plans)
    in_terminal = [
        text for _, text in status_report.rows(status, log.now, points.past) if " resets " in text
    ]
    state = tray(log, measure)
    in_tray = [row.text for row in menu.rows(state) if row.key.startswith("quota.")]
    on_overview = [meter.text for meter in shown.overview.quota.meters if meter.isVisible()]
    shown.show_page(3)
    on_page = [f"{card.title} {card.subtitle}" for card in shown.quota.cards]
    assert len(in_tray) == 4
    assert in_tray == on_overview == on_page == in_terminal
    for line, glance in zip(in_tray, wording.glances(state), strict=True):
        head, reset = line.split(", ")[:2]
        assert glance.startswith(f"{head} used (even pace ")
        assert glance.endswith(f", {reset}")


def test_plans_that_the_last_daemon_left_have_one_age_in_tray_and_terminal(
    log: Log, measure: Measure, tmp_path: Path
) -> None:
    paths = Paths.under(tmp_path)
    paths.quota_file.parent.mkdir(parents=True, exist_ok=True)
    # Whatever time it is, no window is past its reset when the tray looks.
    lasting = tuple(
        structs.replace(
            plan,
            windows=tuple(
                structs.replace(window, resets=log.now + timedelta(hours=2))
                for window in plan.windows
            ),
        )
        for plan in log.plans
    )
    paths.quota_file.write_bytes(state_file.encode(lasting))
    kept = QuotaLog(paths.quota_file).read(tmp_path, log.now).plans
    state = TrayState(
        now=log.now + timedelta(minutes=50),
        boundary=BOUNDARY,
        settings=TraySettings(count=measure.value),
        presence=Presence.NOT_RUNNING,
        kept_plans=kept,
    )
    for row in menu.rows(state):
        if row.key.startswith("quota."):
            assert "as of " in row.text
            assert "pace" not in row.text
