"""What the window shows at one moment, as plain data: the border between numbers and drawing.

`feed` and the models make a `Snapshot` from the log, only by `offramp_core`'s folding; the views
draw it and count nothing. All times are aware, in the user's zone; compare and subtract them by
`timestamp()`, for Python does both by the wall clock within one zone, which is wrong where clocks
are changed. All values are requests or tokens, as `measure` says, never rounded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from offramp_core.usage.measure import Measure
    from offramp_core.usage.prices import Savings
    from offramp_dashboard.data.sessions.session_rows import SessionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One part of stacked bars. `key` keeps its colour wherever it appears."""

    key: str
    name: str
    backend: str | None
    model: str | None = None
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Stacked bars over time: bar `i` reaches from `edges[i]` to `edges[i + 1]`."""

    measure: Measure
    edges: tuple[datetime, ...]
    series: tuple[Series, ...]
    now: datetime
    is_complete: bool = True
    """False while older history is still being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekColumn:
    """One week of the user's; the running one ends in the future."""

    start: datetime
    end: datetime
    values: tuple[tuple[str | None, int], ...]
    """Per backend, in the order of `Weeks.backends`."""
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a week is expected to come to: likely, and between what in four of five cases."""

    likely: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """Weeks side by side, the oldest first."""

    measure: Measure
    backends: tuple[str | None, ...]
    weeks: tuple[WeekColumn, ...]
    pace: Pace | None = None
    """What the running week is expected to come to; None while that can't be told."""
    is_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseMark:
    """Delegation was paused from `start` to `end` (None: it still is)."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Each backend's part of each bar of time, and when delegation was paused."""

    bars: Bars
    pauses: tuple[PauseMark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKinds:
    """One backend's tokens by kind, of the span that `Tokens` names."""

    backend: str | None
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_hit_rate: float | None
    """Cache reads in all input (0 to 1); None without any input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens by kind and backend since `start`."""

    start: datetime
    end: datetime
    kinds: tuple[TokenKinds, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendTotals:
    """One backend's part of the week so far."""

    backend: str | None
    requests: int
    tokens: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekSummary:
    """A week in figures, beside those of the week before it.

    This week, compared up to the same hour; or the one week that the user has chosen.
    """

    start: datetime
    end: datetime
    is_current: bool = True
    parts: tuple[BackendTotals, ...]
    last_week_parts: tuple[BackendTotals, ...] | None
    """None while there is no week before it in the log, or it is not read yet."""
    last_week_end: datetime | None = None
    """Up to which `last_week_parts` counts: of this week, the same hour of last week."""
    savings: Savings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnPoint:
    """From `moment` on that fraction of the window was used, as the service told it."""

    moment: datetime
    used: float
    is_after_gap: bool = False
    """Nobody watched since the point before: when in between it was reached is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadPoint:
    """What is expected to be used at `moment`: likely, and between what in four of five cases."""

    moment: datetime
    likely: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnUp:
    """How one window of a plan was used up so far; fractions, more than 1 where it was overrun."""

    backend: str
    window: str
    """The service's own name of it."""
    title: str
    text: str
    """The figure, the reset and the pace in words, without the title."""
    start: datetime
    end: datetime
    """When it resets."""
    now: datetime
    used: float
    told_at: datetime
    """When the service said so last; what was used since is not known."""
    points: tuple[BurnPoint, ...]
    """In order, from the window's beginning, when nothing was used, to `told_at`."""
    before: tuple[BurnPoint, ...] = ()
    """The same of the window before this one, each moved on by a window's length."""
    ahead: tuple[AheadPoint, ...] = ()
    """How it is expected to go on, from now to the reset; empty while that can't be told."""
    runs_out: datetime | None = None
    """When all is likely to be used; None where the reset comes first."""
    is_spent: bool = False

    @property
    def forecast(self) -> float | None:
        """What the reset is likely to find; None while that can't be told."""
        return self.ahead[-1].likely if self.ahead else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The plans' windows that run now, and a line for each of which there is no chart."""

    burn_ups: tuple[BurnUp, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOption:
    """A provider or model that can be shown or hidden."""

    key: str
    name: str
    backend: str | None
    is_on: bool
    also: tuple[str | None, ...] = ()
    """Backends besides that have served the model, now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOption:
    """A project whose requests can be shown alone; those without a project are one as well."""

    key: str
    """Its path or its folder's name; empty for no project."""
    name: str
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The sessions of what is shown, the one with the latest request first."""

    rows: Sequence[SessionRow]
    count: int
    """How many there are; the latest of them are in `rows`."""
    without_session: int
    """Requests that name no session."""
    is_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFocus:
    """The only session whose requests the table shows."""

    id: str
    project: str
    """Empty where it has none."""


class FeedState(Enum):
    """How the history is doing."""

    LOADING = "loading"
    READY = "ready"
    EMPTY = "empty"
    """There is no record yet."""
    MISSING = "missing"
    """There is no log folder."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How far the log is read, and what is wrong with it."""

    state: FeedState
    log_dir: str
    progress: float = 1.0
    """0 to 1 while loading."""
    problem: str = ""
    torn_lines: int = 0


class DaemonCondition(Enum):
    """What the toolbar says of the daemon."""

    RUNNING = "running"
    TROUBLE = "trouble"
    """It runs, but something keeps requests from being delegated."""
    PAUSED = "paused"
    NO_KEY = "no key"
    STOPPED = "not running"
    UNKNOWN = "unknown"

    @property
    def can_pause(self) -> bool:
        """Whether there is delegation to pause."""
        return self in (self.RUNNING, self.TROUBLE, self.NO_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that keeps requests from being delegated, until it is cured or put away."""

    key: str
    """What stays the same while only numbers change."""
    cause: str
    cure: str
    is_of_client: bool = False
    """Whether it is that Claude Code has left Offramp."""
    since: datetime | None = None
    """When the first of its requests came; None where it is not about requests."""
    reason: str = ""
    """What its requests have in their reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSummary:
    """The daemon, in the toolbar and above the charts."""

    state: DaemonCondition
    text: str
    """One line in words, with the cure where something is wrong."""
    paused_until: datetime | None = None
    detour: str = ""
    """What goes elsewhere than it belongs for now, and until when; empty mostly."""
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the charts show; the table of requests has a model of its own."""

    taken: datetime
    zone: tzinfo
    measure: Measure
    log_status: LogStatus
    week_summary: WeekSummary
    recent: Bars
    """The last 3 hours in 3 minutes each."""
    day: Bars
    """The last 24 hours by the hour, by model."""
    weeks: Weeks
    split: Split
    tokens: Tokens
    quota: Quota = Quota()
    """Of the plans, whatever the filters hide."""
    chosen: Bars | None = None
    """A range of the user's own, where one was dragged."""
    providers: tuple[FilterOption, ...] = ()
    models: tuple[FilterOption, ...] = ()
    projects: tuple[ProjectOption, ...] = ()
    """Empty where projects are not looked for, or not known yet."""
    sessions: Sessions | None = None
    """None unless they were asked for."""
    sessions_since: datetime | None = None
    """What sessions and projects used before is not kept, for want of room; None mostly."""
    focus: SessionFocus | None = None
    hides_everything: bool = False
    """There are records, but the filters leave none."""
    first: datetime | None = None
    """When the earliest record that is read so far arrived, to a quarter of an hour."""
    requests: int = 0
    """Of what the table shows: in the range where one was dragged, else in all of the log."""

    @property
    def is_filtered(self) -> bool:
        """Whether any provider, model or project is not shown."""
        chips = (*self.providers, *self.models)
        is_any_off = not all(choice.is_on for choice in chips)
        return is_any_off or not all(project.is_on for project in self.projects)
