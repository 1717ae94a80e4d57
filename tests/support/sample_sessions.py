"""Rows of the list of sessions, and pictures that hold them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sample_snapshots import NOW, full_snapshot

from offramp_core.usage.aggregation import Counts, Totals
from offramp_core.usage.sessions import Service, Session
from offramp_dashboard.data.sessions.session_rows import SessionRow
from offramp_dashboard.data.snapshot import ProjectOption, SessionFocus, Sessions, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

SONNET = Service("zai", "claude-sonnet-4-5-20250929", "glm-4.7")
OPUS = Service("anthropic", "claude-opus-4-6", "claude-opus-4-6")


def session_row(
    name: str,
    hours: float = 0,
    *,
    project: str = "~/src/shop",
    requests: int = 10,
    errors: int = 0,
    changes: int = 0,
    usd: float | None = 0.5,
) -> SessionRow:
    """A session whose latest request came `hours` ago; half of it was Z.ai's."""
    half = requests // 2
    session = Session(
        id=name,
        start=NOW - timedelta(hours=hours + 2),
        last=NOW - timedelta(hours=hours),
        services={
            SONNET: Totals(Counts(half, 1_000 * half, 200 * half, 30 * half, 4_000 * half), errors),
            OPUS: Totals(Counts(requests - half, 500, 100, 0, 9_000)),
        },
        changes=changes,
    )
    return SessionRow(session=session, total=session.total(), project=project, usd=usd)


def with_sessions(
    rows: Sequence[SessionRow], *, count: int | None = None, without_session: int = 0
) -> Snapshot:
    """A busy week with these sessions, the latest first."""
    sessions = Sessions(
        rows=tuple(rows),
        count=len(rows) if count is None else count,
        without_session=without_session,
    )
    return replace(full_snapshot(), sessions=sessions)


def with_projects(*names: str, chosen: Sequence[str] = ()) -> Snapshot:
    """A busy week of these projects, of which only some are shown."""
    options = tuple(
        ProjectOption(key=name, name=name or "no project", is_on=name in chosen if chosen else True)
        for name in names
    )
    return replace(full_snapshot(), projects=options)


def focused(name: str, project: str = "") -> Snapshot:
    """A busy week, of which the table shows one session."""
    return replace(full_snapshot(), focus=SessionFocus(id=name, project=project))
