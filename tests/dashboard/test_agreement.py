"""Tray, window and command line never disagree: one log, the same numbers."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from log_samples import OFFRAMP, environ_for, sample_line
from tray_states import status_of

from offramp_cli.demo import sample_quota
from offramp_cli.demo.sample_history import write_history
from offramp_core.control.api import PlanOutlook
from offramp_core.paths import Paths
from offramp_core.quota import forecast, history_log
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.settings import TraySettings
from offramp_core.usage.measure import Measure
from offramp_core.usage.week_log import WeekLog
from offramp_core.usage.weeks import Span, WeekBoundary
from offramp_core.wording import quota_text
from offramp_core.wording.formatting import format_percent
from offramp_dashboard.data.filters import Selection
from offramp_dashboard.data.quota import quota_burnup
from offramp_dashboard.data.quota.quota_burnup import QuotaReport, QuotaSource
from offramp_dashboard.data.quota.quota_points import QuotaPoints
from offramp_dashboard.data.snapshot import (
    Bars,
    FeedState,
    LogStatus,
    Snapshot,
)
from offramp_dashboard.data.snapshot_builder import SnapshotInput, compose
from offramp_dashboard.data.usage.log_loader import LogReading
from offramp_dashboard.data.usage.month_cache import MonthCache
from offramp_dashboard.views import pages
from offramp_tray.state import tray_state
from offramp_tray.state.quota_log import QuotaLog
from offramp_tray.state.tray_state import Presence, TrayState
from offramp_tray.view import menu, wording

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["Europe/Berlin", "Asia/Kathmandu", "America/New_York"])
def zone(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def stats(home: Path, zone: str, *arguments: str) -> dict[str, Any]:
    told = subprocess.run(
        [*OFFRAMP, "stats", "--json", *arguments],
        env=environ_for(home, TZ=zone, WEEK_START_DAY="1", WEEK_START_HOUR="9"),
        capture_output=True,
        check=True,
    )
    return json.loads(told.stdout)


def snapshot(home: Path, now: datetime, zone: str, selection: Selection) -> Snapshot:
    boundary = WeekBoundary(day=1, hour=9, zone=ZoneInfo(zone))
    paths = Paths.under(home)
    reading = LogReading(paths.log_dir, boundary, MonthCache(paths.folded_months), lambda: now)
    list(reading.load())
    history = LogStatus(state=FeedState.READY, log_dir=str(paths.log_dir))
    return compose(
        SnapshotInput(past=reading.past, boundary=boundary, log_status=history), now, selection
    )


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def assert_same_bars(bars: Bars, buckets: list[dict[str, Any]], field: str) -> None:
    spans = [(start.timestamp(), end.timestamp()) for start, end in pairwise(bars.edges)]
    assert spans == [(instant(one["start"]), instant(one["end"])) for one in buckets]
    for place, bucket in enumerate(buckets):
        drawn = {
            (one.backend, one.model): one.values[place] for one in bars.series if one.values[place]
        }
        told: dict[tuple[str | None, str | None], int] = {}
        for part in bucket["split"]:
            name = (part["backend"], part["model"] if bars.series[0].model else None)
            told[name] = told.get(name, 0) + part[field]
        assert drawn == {name: value for name, value in told.items() if value}


@pytest.mark.parametrize("measure", list(Measure))
def test_window_and_command_tell_the_same_of_one_log(
    tmp_path: Path, zone: str, measure: Measure
) -> None:
    write_history(Paths.under(tmp_path).log_dir, datetime.now(UTC), seed=7)
    told = stats(tmp_path, zone)
    # Both must stand at one moment, or a bar that ends in between would differ.
    now = datetime.fromisoformat(told["generated_at"])
    for _ in range(2):  # from the log, then from the cache
        seen = snapshot(tmp_path, now, zone, Selection(measure=measure))
        assert_same_bars(seen.recent, told["last_3_hours"], measure.value)
        assert_same_bars(seen.day, told["last_24_hours"], measure.value)
        weeks = seen.weeks.weeks
        assert [week.start.timestamp() for week in weeks] == [
            instant(week["start"]) for week in told["weeks"]
        ]
        assert [sum(value for _, value in week.values) for week in weeks] == [
            week[measure.value] for week in told["weeks"]
        ]
        parts = {
            one.backend: (one.requests, one.tokens, one.errors) for one in seen.week_summary.parts
        }
        assert parts == {
            one["backend"]: (one["requests"], one["tokens"], one["errors"])
            for one in told["period"]["backends"]
        }
        kinds = {
            one.backend: (one.input, one.output, one.cache_write, one.cache_read)
            for one in seen.tokens.kinds
        }
        assert kinds == {
            one["backend"]: (
                *(one["input_tokens"], one["output_tokens"]),
                *(one["cache_creation_input_tokens"], one["cache_read_input_tokens"]),
            )
            for one in told["period"]["backends"]
        }


def test_filters_agree_as_well(tmp_path: Path) -> None:
    write_history(Paths.under(tmp_path).log_dir, datetime.now(UTC), seed=7)
    told = stats(tmp_path, "UTC", "--backend", "zai", "--model", "sonnet")
    now = datetime.fromisoformat(told["generated_at"])
    hidden = Selection(
        hidden_providers=frozenset({"anthropic"}), hidden_models=frozenset({"claude-haiku-4-5"})
    )
    seen = snapshot(tmp_path, now, "UTC", hidden)
    assert_same_bars(seen.day, told["last_24_hours"], "tokens")
    assert [sum(value for _, value in week.values) for week in seen.weeks.weeks] == [
        week["tokens"] for week in told["weeks"]
    ]


def test_week_that_is_chosen_counts_what_the_command_tells_of_it(tmp_path: Path, zone: str) -> None:
    write_history(Paths.under(tmp_path).log_dir, datetime.now(UTC), seed=7)
    told = stats(tmp_path, zone)
    now = datetime.fromisoformat(told["generated_at"])
    for week in snapshot(tmp_path, now, zone, Selection()).weeks.weeks[-3:]:
        seen = snapshot(tmp_path, now, zone, Selection(span=Span(week.start, week.end)))
        chosen = pages.chosen_week(seen)
        assert chosen is not None
        assert chosen.start == week.start
        assert seen.chosen is not None
        drawn = sum(sum(one.values) for one in seen.chosen.series)
        (of_week,) = [
            one for one in told["weeks"] if instant(one["start"]) == week.start.timestamp()
        ]
        assert (drawn, seen.requests) == (of_week["tokens"], of_week["requests"])
        kinds = (
            one.input + one.output + one.cache_read + one.cache_write for one in seen.tokens.kinds
        )
        assert sum(kinds) == of_week["tokens"]


def test_week_of_the_command_is_the_week_of_the_window(tmp_path: Path) -> None:
    write_history(Paths.under(tmp_path).log_dir, datetime.now(UTC), seed=7)
    told = stats(tmp_path, "Europe/Berlin")
    now = datetime.fromisoformat(told["generated_at"])
    week_summary = snapshot(tmp_path, now, "Europe/Berlin", Selection()).week_summary
    assert week_summary.start.timestamp() == instant(told["period"]["start"])
    assert week_summary.end.timestamp() == instant(told["period"]["end"])
    assert timedelta(0) <= now - week_summary.start < timedelta(days=7, hours=1)


@pytest.mark.parametrize("measure", list(Measure))
def test_tray_window_and_command_tell_the_same_week(
    tmp_path: Path, zone: str, measure: Measure
) -> None:
    folder = Paths.under(tmp_path).log_dir
    write_history(folder, datetime.now(UTC), seed=7)
    told = stats(tmp_path, zone)
    now = datetime.fromisoformat(told["generated_at"])
    with (folder / "requests.jsonl").open("ab") as log:  # one that reached no backend
        log.write(sample_line(now - timedelta(minutes=1), backend=None, status="error"))
    told = stats(tmp_path, zone)
    now = datetime.fromisoformat(told["generated_at"])
    boundary = WeekBoundary(day=1, hour=9, zone=ZoneInfo(zone))
    settings = TraySettings(count=measure.value, text="share")
    week = WeekLog(folder, boundary, lambda: now).totals()
    state = TrayState(now=now, boundary=boundary, settings=settings, week=week)
    of_all = told["period"]["backends"]
    assert None in week.by_backend
    counted = {name: (one.requests, one.tokens) for name, one in week.by_backend.items()}
    assert counted == {one["backend"]: (one["requests"], one["tokens"]) for one in of_all}
    share_field = {Measure.TOKENS: "token_share", Measure.REQUESTS: "request_share"}[measure]
    shares = {one["backend"]: one[share_field] for one in of_all if one["backend"]}
    assert dict(tray_state.shares(state) or ()) == {
        name: pytest.approx(part) for name, part in shares.items() if part
    }
    parts = snapshot(tmp_path, now, zone, Selection(measure=measure)).week_summary.parts
    in_window = [(one.backend, getattr(one, measure.value)) for one in parts]
    delegated = sum(count for name, count in in_window if name not in (None, "anthropic"))
    whole = sum(count for _, count in in_window)
    assert wording.label(state) == f"{format_percent(delegated / whole)} of {measure.value}"
    assert tuple(one.backend for one in parts if one.backend) == tuple(
        name for name in tray_state.shown_backends(state) if name in week.by_backend
    )
    assert wording.split(state).endswith(f" of {measure.value} this week")


@pytest.mark.parametrize("is_live", [True, False])
def test_tray_window_and_status_forecast_the_same(tmp_path: Path, is_live: bool) -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    zone = ZoneInfo("Europe/Berlin")
    sample_quota.write_history(tmp_path, now.astimezone(zone), 1)
    points = QuotaPoints(tmp_path)
    known = points.read(now)
    plans = []
    for backend in ("anthropic", "zai"):
        windows = tuple(
            QuotaWindow(
                name=name,
                used=sample_quota.used(backend, name, now.astimezone(zone), 1),
                resets=sample_quota.resets(backend, name, now.astimezone(zone)),
                read_at=now,
            )
            for name in ("5h", "7d")
        )
        plans.append(PlanQuota(backend=backend, account="demo", windows=windows, read_at=now))
    week = plans[0].windows[1]
    assert week.used is not None
    assert week.resets is not None
    likely = (1 + week.used) / 2
    outlooks = (
        PlanOutlook(
            backend="anthropic",
            at=now,
            resets=week.resets,
            low=week.used,
            likely=likely,
            high=1.0,
        ),
    )
    report = QuotaReport(plans=tuple(plans), outlooks=outlooks, is_live=is_live)
    source = QuotaSource(report=report, points=known, past=points.past)
    in_window = [
        f"{one.title} {one.text}" for one in quota_burnup.compose(source, now, zone).burn_ups
    ]
    told = history_log.read(tmp_path, now - forecast.KEPT)
    in_terminal = [
        line
        for plan in plans
        for line in quota_text.plan_texts(
            plan, now, zone, forecast.past_uses(told), outlooks, is_live=is_live
        )
    ]
    state = TrayState(
        now=now,
        boundary=WeekBoundary(day=1, hour=9, zone=zone),
        presence=Presence.RUNNING if is_live else Presence.NOT_RUNNING,
        status=status_of(quota=tuple(plans), outlooks=outlooks) if is_live else None,
        kept_plans=tuple(plans),
        past=QuotaLog(tmp_path / "quota.json").read(tmp_path, now).past,
    )
    in_tray = [row.text for row in menu.rows(state) if row.key.startswith("quota.")]
    assert in_window == in_terminal == in_tray
    shown = f"on pace for {quota_text.percent_text(likely)} ("
    assert any(shown in line for line in in_terminal) is is_live
    assert any("(" in line or "runs out" in line for line in in_terminal)
