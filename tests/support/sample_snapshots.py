"""Pictures for the window's tests: a busy week, a first request, nothing at all."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from offramp_core.quota.windows import PlanQuota, QuotaPoint, QuotaWindow
from offramp_core.usage.measure import Measure
from offramp_core.usage.prices import Savings
from offramp_dashboard.data.events.daemon_gaps import Absence
from offramp_dashboard.data.quota import quota_burnup
from offramp_dashboard.data.quota.quota_burnup import QuotaReport, QuotaSource
from offramp_dashboard.data.snapshot import (
    Alert,
    BackendTotals,
    Bars,
    DaemonCondition,
    DaemonSummary,
    FeedState,
    FilterOption,
    LogStatus,
    Pace,
    PauseMark,
    Quota,
    Series,
    Snapshot,
    Split,
    TokenKinds,
    Tokens,
    WeekColumn,
    Weeks,
    WeekSummary,
)

ZONE: tzinfo = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 2, 10, 15, 26, tzinfo=ZONE)
WEEK_START = datetime(2026, 2, 5, 22, 0, tzinfo=ZONE)

_MODELS = (
    ("anthropic", "claude-opus-4-6", "opus-4-6", 5),
    ("anthropic", "claude-sonnet-4-5", "sonnet-4-5", 1),
    ("zai", "claude-sonnet-4-5", "sonnet-4-5", 14),
    ("zai", "claude-haiku-4-5", "haiku-4-5", 8),
)

RUNNING = DaemonSummary(state=DaemonCondition.RUNNING, text="Running: delegation is on.")
PAUSED = DaemonSummary(
    state=DaemonCondition.PAUSED,
    text="Paused until 16:26: everything goes to Claude.",
    paused_until=NOW + timedelta(hours=1),
)
AFTERNOON = NOW.replace(hour=17, minute=0)
"""When the sample's 5-hour windows reset."""

ABSENCES = (
    Absence(NOW - timedelta(hours=55), NOW - timedelta(hours=32)),
    Absence(NOW - timedelta(minutes=70), NOW - timedelta(minutes=52)),
)
"""When no daemon ran, so that nothing was told."""

DETOUR = DaemonSummary(
    state=DaemonCondition.RUNNING,
    text="Running, auto: Sonnet on Claude: the week is 12% under pace.",
    detour="Z.ai's quota is used up (5 hours): its requests go to Claude until 17:00.",
)
ALERT = Alert(
    key="zai refuses sonnet",
    cause="Z.ai refuses Sonnet 5.5 requests (HTTP 400, code 1210), so Claude serves them: "
    "20 since 09:00.",
    cure="Update Offramp, or set the limits of this route in config.toml (max_output_tokens, "
    "efforts) or another send_model.",
    since=NOW - timedelta(hours=7),
    reason="served by anthropic",
)
TROUBLE = DaemonSummary(
    state=DaemonCondition.TROUBLE,
    text="Running, but delegation does not work for Sonnet 5.5.",
    alerts=(ALERT,),
)
STOPPED = DaemonSummary(
    state=DaemonCondition.STOPPED,
    text="The daemon is not running (no reply at /run/user/1000/offramp/control.sock). "
    "Start it: offramp serve",
)


def full_snapshot(measure: Measure = Measure.TOKENS, *, scale: float = 1.0) -> Snapshot:
    """A week of work: everything has something to show."""
    factor = scale * (4_100 if measure is Measure.TOKENS else 1)
    return Snapshot(
        taken=NOW,
        zone=ZONE,
        measure=measure,
        log_status=LogStatus(state=FeedState.READY, log_dir="/home/ada/.local/share/offramp/log"),
        week_summary=_headline(),
        recent=_by_backend(
            NOW - timedelta(minutes=176), timedelta(minutes=3), 60, factor / 9, measure
        ),
        day=_by_model(
            NOW.replace(minute=0) - timedelta(hours=23), timedelta(hours=1), 24, factor, measure
        ),
        weeks=_weeks(factor, measure),
        split=Split(
            bars=_by_backend(WEEK_START, timedelta(hours=2), 57, factor, measure),
            pauses=(
                PauseMark(
                    start=WEEK_START + timedelta(hours=31), end=WEEK_START + timedelta(hours=37)
                ),
                PauseMark(
                    start=WEEK_START + timedelta(hours=82), end=WEEK_START + timedelta(hours=83)
                ),
            ),
        ),
        tokens=Tokens(
            start=WEEK_START,
            end=NOW,
            kinds=(
                _kinds("anthropic", 1_240_000, 610_400, 18_200_500, 2_150_000, 0.84),
                _kinds("zai", 3_820_000, 1_390_800, 41_650_300, 0, 0.92),
            ),
        ),
        providers=(
            FilterOption(key="anthropic", name="Claude", backend="anthropic", is_on=True),
            FilterOption(key="zai", name="Z.ai", backend="zai", is_on=True),
        ),
        quota=BOTH_PLANS,
        models=(
            FilterOption(key="claude-opus-4-6", name="opus-4-6", backend="anthropic", is_on=True),
            FilterOption(key="claude-sonnet-4-5", name="sonnet-4-5", backend="zai", is_on=True),
            FilterOption(key="claude-haiku-4-5", name="haiku-4-5", backend="zai", is_on=True),
        ),
    )


def quota_of(
    *plans: tuple[str, dict[str, float]], ends: dict[str, datetime] | None = None
) -> Quota:
    """Plans with so much used of each window, used by the working day, with an absence."""
    resets = {"5h": AFTERNOON, "7d": WEEK_START + timedelta(days=7), **(ends or {})}
    points: list[QuotaPoint] = []
    known = []
    for seed, (backend, windows) in enumerate(plans):
        told = []
        for name, used in windows.items():
            end = resets[name]
            steps = list(quota_points(backend, name, end, used, seed))
            points += steps
            told.append(QuotaWindow(name=name, used=used, resets=end, read_at=steps[-1].ts))
        known.append(
            PlanQuota(backend=backend, account="a", windows=tuple(told), read_at=told[0].read_at)
        )
    source = QuotaSource(
        report=QuotaReport(plans=tuple(known), since=NOW - timedelta(hours=30)),
        asked={"zai": True},
        points=quota_burnup.grouped(points),
        absences=ABSENCES,
    )
    return quota_burnup.compose(source, NOW.astimezone(UTC), ZONE)


def quota_points(
    backend: str, name: str, end: datetime, used: float, seed: int = 0
) -> list[QuotaPoint]:
    """How a window came to be used so far, a point for each percent, and the one before it."""
    span = timedelta(hours=5) if name == "5h" else timedelta(days=7)
    found = []
    for reset, whole in ((end - span, used * 1.3), (end, used)):
        start, now = reset - span, min(reset, NOW - timedelta(minutes=4))
        moments = [(start.astimezone(UTC) + (now - start) * i / 400) for i in range(1, 401)]
        weights = [0.02 + _busy(moment.astimezone(ZONE), seed) for moment in moments]
        total, told, so_far = sum(weights), 0.0, 0.0
        for moment, weight in zip(moments, weights, strict=True):
            so_far += whole * weight / total
            is_away = any(one.start <= moment <= (one.end or NOW) for one in ABSENCES)
            if not is_away and (so_far - told >= 0.01 or moment == moments[-1]):
                told = so_far
                found.append(
                    QuotaPoint(
                        ts=moment,
                        backend=backend,
                        account="a",
                        window=name,
                        used=round(so_far, 4),
                        resets=reset,
                    )
                )
    return found


def empty_snapshot(state: FeedState = FeedState.EMPTY, problem: str = "") -> Snapshot:
    """No record yet, or no log that could be read."""
    full = full_snapshot()
    nothing = WeekSummary(
        start=full.week_summary.start,
        end=full.week_summary.end,
        parts=(),
        last_week_parts=None,
        savings=None,
    )
    return replace(
        full,
        log_status=replace(full.log_status, state=state, problem=problem),
        week_summary=nothing,
        recent=_without_series(full.recent),
        day=_without_series(full.day),
        weeks=replace(full.weeks, backends=(), weeks=_empty_weeks(full.weeks), pace=None),
        split=Split(bars=_without_series(full.split.bars)),
        tokens=Tokens(start=WEEK_START, end=NOW, kinds=()),
        quota=NO_QUOTA,
        providers=(),
        models=(),
    )


def single_snapshot() -> Snapshot:
    """One request, ten minutes ago."""
    empty = empty_snapshot(FeedState.READY)
    full = full_snapshot()
    last = len(full.recent.edges) - 2
    recent = _with_one(full.recent, last - 3, "zai", None)
    day = _with_one(full.day, 23, "zai", "claude-sonnet-4-5")
    weeks = tuple(
        replace(week, values=(("zai", 2140),)) if week.is_current else week
        for week in empty.weeks.weeks
    )
    return replace(
        empty,
        week_summary=replace(
            empty.week_summary,
            parts=(BackendTotals(backend="zai", requests=1, tokens=2140, errors=0),),
        ),
        recent=recent,
        day=day,
        weeks=replace(empty.weeks, backends=("zai",), weeks=weeks),
        split=Split(bars=_with_one(full.split.bars, len(full.split.bars.edges) - 2, "zai", None)),
        tokens=Tokens(start=WEEK_START, end=NOW, kinds=(_kinds("zai", 1250, 890, 0, 0, 0.0),)),
        providers=full.providers[1:],
        models=full.models[1:2],
    )


def loading_snapshot(progress: float = 0.42) -> Snapshot:
    """The recent windows are there, older months are still being read."""
    full = full_snapshot()
    return replace(
        full,
        log_status=replace(full.log_status, state=FeedState.LOADING, progress=progress),
        week_summary=replace(full.week_summary, last_week_parts=None, savings=None),
        weeks=replace(full.weeks, is_complete=False, pace=None),
        split=replace(full.split, bars=replace(full.split.bars, is_complete=False)),
    )


def filtered_snapshot() -> Snapshot:
    """All that there is, is hidden."""
    full = full_snapshot()
    empty = empty_snapshot(FeedState.READY)
    return replace(
        empty,
        providers=tuple(replace(choice, is_on=False) for choice in full.providers),
        models=full.models,
        hides_everything=True,
    )


def chosen_snapshot() -> Snapshot:
    """A range of the user's own."""
    chosen = _by_model(NOW - timedelta(hours=9), timedelta(minutes=15), 24, 1000, Measure.TOKENS)
    return replace(full_snapshot(), chosen=chosen)


def _headline() -> WeekSummary:
    return WeekSummary(
        start=WEEK_START,
        end=WEEK_START + timedelta(days=7),
        parts=(
            BackendTotals(backend="anthropic", requests=412, tokens=22_200_900, errors=3),
            BackendTotals(backend="zai", requests=1_846, tokens=46_861_100, errors=9),
        ),
        last_week_parts=(
            BackendTotals(backend="anthropic", requests=489, tokens=25_100_000, errors=1),
            BackendTotals(backend="zai", requests=1_502, tokens=36_900_000, errors=4),
        ),
        savings=Savings(usd=84.31, priced_on=date(2026, 1, 28)),
    )


def _busy(moment: datetime, seed: int) -> float:
    """How much is done at `moment`, 0 to about 1: days more than nights, and never quite even."""
    hour = moment.hour + moment.minute / 60
    day = max(0.0, math.sin((hour - 7.5) / 14 * math.pi)) if 7.5 <= hour <= 21.5 else 0.0
    wobble = 0.55 + 0.45 * math.sin(moment.timestamp() / 1700 + seed * 1.7)
    spike = 0.35 * (int(moment.timestamp() / 180 + 13 * seed) * 7919 % 11) / 10
    return day * wobble + day * spike


def _edges(start: datetime, step: timedelta, count: int) -> tuple[datetime, ...]:
    first = start.astimezone(UTC)
    return tuple((first + step * i).astimezone(ZONE) for i in range(count + 1))


def _by_backend(
    start: datetime, step: timedelta, count: int, factor: float, measure: Measure
) -> Bars:
    by_model = _by_model(start, step, count, factor, measure)
    series = []
    for backend, name in (("anthropic", "Claude"), ("zai", "Z.ai")):
        parts = [each.values for each in by_model.series if each.backend == backend]
        values = tuple(sum(column) for column in zip(*parts, strict=True))
        series.append(Series(key=backend, name=name, backend=backend, values=values))
    return replace(by_model, series=tuple(series))


def _by_model(
    start: datetime, step: timedelta, count: int, factor: float, measure: Measure
) -> Bars:
    edges = _edges(start, step, count)
    series = tuple(
        Series(
            key=f"{backend}/{model}",
            name=f"{name} · {'Z.ai' if backend == 'zai' else 'Anthropic'}",
            backend=backend,
            model=model,
            values=tuple(
                int(factor * weight * 12 * _busy(edge, seed)) if edge <= NOW else 0
                for edge in edges[:-1]
            ),
        )
        for seed, (backend, model, name, weight) in enumerate(_MODELS)
    )
    return Bars(measure=measure, edges=edges, series=series, now=NOW)


def _weeks(factor: float, measure: Measure) -> Weeks:
    weeks = []
    for ago in range(7, -1, -1):
        start = WEEK_START - timedelta(days=7 * ago)
        part = 0.68 if ago == 0 else 0.75 + 0.25 * math.sin(ago * 2.1)
        values = (
            ("anthropic", int(5400 * factor * part)),
            ("zai", int((14_000 - 900 * ago) * factor * part)),
        )
        weeks.append(
            WeekColumn(
                start=start, end=start + timedelta(days=7), values=values, is_current=ago == 0
            )
        )
    now = sum(value for _, value in weeks[-1].values)
    pace = Pace(likely=int(now * 1.44), low=int(now * 1.3), high=int(now * 1.58))
    return Weeks(measure=measure, backends=("anthropic", "zai"), weeks=tuple(weeks), pace=pace)


def _kinds(
    backend: str, fresh: int, output: int, read: int, written: int, rate: float
) -> TokenKinds:
    return TokenKinds(
        backend=backend,
        input=fresh,
        output=output,
        cache_read=read,
        cache_write=written,
        cache_hit_rate=rate,
    )


def _without_series(bars: Bars) -> Bars:
    return replace(bars, series=())


def _empty_weeks(weeks: Weeks) -> tuple[WeekColumn, ...]:
    return tuple(replace(week, values=()) for week in weeks.weeks)


def _with_one(bars: Bars, place: int, backend: str, model: str | None) -> Bars:
    values = tuple(2140 if i == place else 0 for i in range(len(bars.edges) - 1))
    name = "Z.ai" if model is None else "sonnet-4-5 · Z.ai"
    one = Series(key=f"{backend}/{model}", name=name, backend=backend, model=model, values=values)
    return replace(bars, series=(one,))


BOTH_PLANS = quota_of(("anthropic", {"5h": 0.41, "7d": 0.63}), ("zai", {"5h": 0.59, "7d": 0.23}))
SPENT = quota_of(
    ("anthropic", {"5h": 0.97, "7d": 1.02, "7d_opus": 0.34}),
    ("zai", {"5h": 1.0, "7d": 0.88}),
    ends={"7d_opus": WEEK_START + timedelta(days=7)},
)
ONE_WINDOW = quota_of(("anthropic", {"7d": 0.91}))
NO_QUOTA = quota_of()
