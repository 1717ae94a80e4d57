"""Makes the `Snapshot` of one moment from the history. Pure: no Qt, no files, no clock.

Each number is a sum that `offramp_core.usage.aggregation` made, as in `offramp stats` and the
tray's menu.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.usage.aggregation import TimeGrid, UsageCells, by_backend, by_route, merge
from offramp_core.usage.measure import Measure
from offramp_core.usage.weeks import Span, WeekBoundary, a_week_before
from offramp_core.wording.formatting import backend_name, share
from offramp_dashboard.data import bar_cuts, display_names, filter_options, week_pace
from offramp_dashboard.data.bar_cuts import Range
from offramp_dashboard.data.quota import quota_burnup
from offramp_dashboard.data.quota.quota_burnup import QuotaSource
from offramp_dashboard.data.snapshot import (
    BackendTotals,
    Bars,
    LogStatus,
    PauseMark,
    Series,
    SessionFocus,
    Sessions,
    Snapshot,
    Split,
    TokenKinds,
    Tokens,
    WeekColumn,
    Weeks,
    WeekSummary,
)
from offramp_dashboard.data.usage.usage_table import SLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offramp_core.usage.aggregation import Totals
    from offramp_core.usage.prices import Savings
    from offramp_dashboard.data.events.pauses import PausePeriod
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.sessions.session_rows import Price
    from offramp_dashboard.data.snapshot import Pace
    from offramp_dashboard.data.usage.usage_history import UsageHistory

WEEKS = 8
SPLIT_SPAN = timedelta(days=28)
"""How far back the split over time reaches without a range of the user's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInput:
    """What a snapshot is made from."""

    past: UsageHistory
    boundary: WeekBoundary
    log_status: LogStatus
    pauses: Sequence[PausePeriod] = ()
    quota: QuotaSource = field(default_factory=QuotaSource)
    price: Callable[[UsageCells], Savings | None] = lambda _usage: None
    price_session: Price | None = None
    """None while there is no price list."""


def compose(source: SnapshotInput, now: datetime, selection: Selection) -> Snapshot:
    """The snapshot at `now`, of what is selected."""
    return _Composer(source, now, selection).snapshot()


class _Composer:
    """One snapshot in the making."""

    def __init__(self, source: SnapshotInput, now: datetime, selection: Selection) -> None:
        self._source = source
        self._past = source.past
        self._boundary = source.boundary
        self._zone = source.boundary.zone
        # Python compares two times of one zone by their wall clocks: wrong where these are changed.
        self._now = now.astimezone(UTC)
        self._selection = selection
        self._measure = selection.measure
        self._grid = TimeGrid.at(now, source.boundary)
        self._routes = source.past.routes()

    def snapshot(self) -> Snapshot:
        weeks = self._boundary.latest_weeks(self._now, WEEKS)
        of_weeks = self._past.series(weeks, self._selection)
        chosen = self._chosen_range()
        projects = self._selection.projects
        counted = self._past.routes(projects) if projects else self._routes
        shown = {route: n for route, n in counted.items() if self._selection.shows(*route)}
        first, since = self._past.first(), self._past.session_table.since
        return Snapshot(
            taken=self._local(self._now),
            zone=self._zone,
            measure=self._measure,
            log_status=self._source.log_status,
            week_summary=self._headline(weeks[-1], of_weeks[-1], chosen),
            recent=self._bars(self._grid.recent, self._by_backend, is_recent=True),
            day=self._bars(self._grid.hours, self._by_route),
            weeks=self._weeks(weeks, of_weeks),
            split=self._split(chosen),
            tokens=self._tokens(chosen, weeks[-1], of_weeks[-1]),
            quota=quota_burnup.compose(self._source.quota, self._now, self._zone),
            chosen=None
            if chosen is None
            else self._bars(chosen.bars, self._by_route, is_recent=chosen.is_recent),
            providers=filter_options.providers(self._routes, self._selection),
            models=filter_options.models(self._routes, self._selection),
            projects=filter_options.projects(self._past.session_table, self._selection),
            sessions=self._sessions(chosen) if self._selection.lists_sessions else None,
            sessions_since=since and self._local(since),
            focus=self._focus(),
            hides_everything=bool(self._routes) and not shown,
            first=first and self._local(first),
            requests=self._requests(chosen, sum(shown.values())),
        )

    # The week in figures.

    def _headline(self, week: Span, usage: UsageCells, chosen: Range | None) -> WeekSummary:
        """Sum up `week`, which is running; or the one that was chosen, if one was."""
        other = self._chosen_week(chosen)
        is_current = other is None or other == week
        if other is not None and not is_current:
            week, usage = other, self._past.series((other,), self._selection)[0]
        before = self._boundary.week_of(week.start - timedelta.resolution)
        until = self._same_hour(before) if is_current else before.end
        has_before = self._is_known(before)
        earlier = self._past.series((Span(before.start, until),), self._selection)[0]
        return WeekSummary(
            start=self._local(week.start),
            end=self._local(week.end),
            is_current=is_current,
            parts=_parts(usage),
            last_week_parts=_parts(earlier) if has_before else None,
            last_week_end=self._local(until) if has_before else None,
            savings=self._source.price(usage),
        )

    def _chosen_week(self, chosen: Range | None) -> Span | None:
        """Return the week that the user's range is, where it is just one."""
        span = self._selection.span
        if chosen is None or span is None:
            return None
        span = Span(span.start.astimezone(UTC), span.end.astimezone(UTC))
        return span if self._boundary.week_of(span.start) == span else None

    def _is_known(self, week: Span) -> bool:
        """Whether the log holds all of `week`, and begins before its end."""
        first, since = self._past.first(), self._past.session_table.since
        if self._selection.projects and since is not None and since > week.start:
            return False  # what is known of projects begins later
        return first is not None and first < week.end and self._past.is_complete(week.start)

    def _same_hour(self, last_week: Span) -> datetime:
        """The end of the last whole slot before this time by the clock, a week ago."""
        moment = a_week_before(self._now, self._zone)
        moment -= (moment - datetime(1970, 1, 1, tzinfo=UTC)) % SLOT
        return min(max(moment, last_week.start), last_week.end)

    # Bars over time.

    def _bars(
        self,
        spans: Sequence[Span],
        parts: Callable[[Sequence[UsageCells]], tuple[Series, ...]],
        *,
        is_recent: bool = False,
    ) -> Bars:
        read = self._past.recent_series if is_recent else self._past.series
        edges = [span.start for span in spans] + [spans[-1].end]
        return Bars(
            measure=self._measure,
            edges=tuple(map(self._local, edges)),
            series=parts(read(spans, self._selection)),
            now=self._local(self._now),
            is_complete=self._past.is_complete(spans[0].start),
        )

    def _by_backend(self, usages: Sequence[UsageCells]) -> tuple[Series, ...]:
        found = [by_backend(usage) for usage in usages]
        return tuple(
            Series(
                key=backend or "",
                name=backend_name(backend),
                backend=backend,
                values=tuple(self._value(totals.get(backend)) for totals in found),
            )
            for backend in display_names.backends_in_order(
                name for totals in found for name in totals
            )
        )

    def _by_route(self, usages: Sequence[UsageCells]) -> tuple[Series, ...]:
        found = [by_route(usage) for usage in usages]
        routes = display_names.routes_in_order(route for totals in found for route in totals)
        titles = filter_options.titles(routes)
        return tuple(
            Series(
                key=display_names.route_key(route),
                name=titles[route],
                backend=route[0],
                model=route[1],
                values=tuple(self._value(totals.get(route)) for totals in found),
            )
            for route in routes
        )

    def _chosen_range(self) -> Range | None:
        """The range that was dragged, if there is anything in it that could be shown."""
        span = self._selection.span
        if span is None:
            return None
        start = span.start.astimezone(UTC)
        end = min(span.end.astimezone(UTC), self._grid.recent[-1].end)
        first = self._past.first()
        if end <= max(start, first or start):
            return None
        recent = tuple(
            one for one in self._grid.recent if one.end > span.start and one.start < span.end
        )
        if span.start >= self._grid.recent[0].start and recent:
            return Range(recent, is_recent=True)
        return bar_cuts.exact(Span(start, end), self._boundary)

    def _read(self, chosen: Range) -> tuple[UsageCells, ...]:
        read = self._past.recent_series if chosen.is_recent else self._past.series
        return read(chosen.bars, self._selection)

    def _requests(self, chosen: Range | None, ever: int) -> int:
        """How many requests of what is shown there are, in the range or `ever`."""
        session = self._selection.session
        if session is not None:
            return self._past.requests_of(
                session,
                chosen.bars if chosen else None,
                self._selection,
                is_recent=chosen is not None and chosen.is_recent,
            )
        if chosen is None:
            return ever
        return sum(each.requests for each in by_backend(merge(*self._read(chosen))).values())

    # Sessions.

    def _sessions(self, chosen: Range | None) -> Sessions:
        span = Span(chosen.bars[0].start, chosen.bars[-1].end) if chosen else None
        found = self._past.sessions(
            self._selection,
            span,
            is_recent=chosen is not None and chosen.is_recent,
            price=self._source.price_session,
        )
        first = span.start if span else self._past.first() or self._now
        return Sessions(
            rows=found.rows,
            count=found.count,
            without_session=found.without_session,
            is_complete=self._past.is_complete(first),
        )

    def _focus(self) -> SessionFocus | None:
        session = self._selection.session
        if session is None:
            return None
        return SessionFocus(id=session, project=self._past.session_table.projects.get(session, ""))

    def _split(self, chosen: Range | None) -> Split:
        if chosen is None:
            first = self._past.first() or self._now
            start = max(self._now - SPLIT_SPAN, min(first, self._grid.hours[0].start))
            chosen = bar_cuts.holding(Span(start, self._grid.hours[-1].end), self._boundary)
        bars = self._bars(chosen.bars, self._by_backend, is_recent=chosen.is_recent)
        return Split(bars=bars, pauses=self._marks(bars.edges[0], bars.edges[-1]))

    def _marks(self, start: datetime, end: datetime) -> tuple[PauseMark, ...]:
        """The pauses that reach into the time from `start` to `end`; what is to come is open."""
        return tuple(
            PauseMark(
                start=self._local(pause.start),
                end=None if pause.end is None or pause.end > self._now else self._local(pause.end),
            )
            for pause in self._source.pauses
            if pause.start < min(end, self._now) and (pause.end is None or pause.end > start)
        )

    # Weeks side by side.

    def _weeks(self, weeks: Sequence[Span], usages: Sequence[UsageCells]) -> Weeks:
        found = [by_backend(usage) for usage in usages]
        backends = display_names.backends_in_order(name for totals in found for name in totals)
        values = [sum(map(self._value, totals.values())) for totals in found]
        return Weeks(
            measure=self._measure,
            backends=backends,
            weeks=tuple(
                WeekColumn(
                    start=self._local(week.start),
                    end=self._local(week.end),
                    values=tuple((name, self._value(totals.get(name))) for name in backends),
                    is_current=week is weeks[-1],
                )
                for week, totals in zip(weeks, found, strict=True)
            ),
            pace=self._pace(weeks, values),
            is_complete=self._past.is_complete(weeks[0].start),
        )

    def _pace(self, weeks: Sequence[Span], values: Sequence[int]) -> Pace | None:
        """What the running week comes to; `values` are what each of `weeks` counts."""
        return week_pace.expected(
            weeks,
            values,
            self._now,
            is_complete=self._past.is_complete,
            count=lambda spans: [
                sum(map(self._value, by_backend(usage).values()))
                for usage in self._past.series(spans, self._selection)
            ],
        )

    # Tokens by kind.

    def _tokens(self, chosen: Range | None, week: Span, of_week: UsageCells) -> Tokens:
        usage, shown = of_week, week
        if chosen is not None:
            usage = merge(*self._read(chosen))
            shown = Span(chosen.bars[0].start, chosen.bars[-1].end)
        totals = by_backend(usage)
        return Tokens(
            start=self._local(shown.start),
            end=self._local(min(shown.end, self._now)),
            kinds=tuple(
                _kinds(name, totals[name]) for name in display_names.backends_in_order(totals)
            ),
        )

    def _value(self, totals: Totals | None) -> int:
        if totals is None:
            return 0
        return totals.requests if self._measure is Measure.REQUESTS else totals.tokens

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone)


def _parts(usage: UsageCells) -> tuple[BackendTotals, ...]:
    totals = by_backend(usage)
    return tuple(
        BackendTotals(
            backend=name,
            requests=totals[name].requests,
            tokens=totals[name].tokens,
            errors=totals[name].errors,
        )
        for name in display_names.backends_in_order(totals)
    )


def _kinds(backend: str | None, totals: Totals) -> TokenKinds:
    counts = totals.counts
    read, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
    whole = counts.input_tokens + read + written
    return TokenKinds(
        backend=backend,
        input=counts.input_tokens,
        output=counts.output_tokens,
        cache_read=read,
        cache_write=written,
        cache_hit_rate=share(read, whole) if whole else None,
    )
