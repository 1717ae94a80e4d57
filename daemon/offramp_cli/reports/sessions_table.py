"""Draws the sessions as a table on the terminal; narrow ones get fewer columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from offramp_cli.reports.terminal import open_console, open_table
from offramp_core.usage.aggregation import Totals
from offramp_core.wording import session_text
from offramp_core.wording.formatting import (
    format_dollars,
    format_moment,
    format_tokens,
    printable,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from offramp_cli.reports.sessions import SessionReport
    from offramp_core.usage.sessions import Session

_ID_CHARACTERS = 8
_WIDE = 100
"""Width from which tables have room for their details."""


def show(report: SessionReport, zone: tzinfo) -> None:
    """Print the sessions of `report` on standard output, times on the clocks of `zone`."""
    console = open_console()
    is_wide = console.width >= _WIDE
    table = open_table()
    table.add_column("Session", no_wrap=True)
    table.add_column("Project", overflow="fold" if is_wide else "ellipsis", no_wrap=not is_wide)
    for title in ("Start", "Last") if is_wide else ("Last",):
        table.add_column(title, no_wrap=True)
    for title in _numbers(report, is_wide=is_wide):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Served by", overflow="fold")
    for session in report.sessions:
        table.add_row(*_cells(session, report, zone, is_wide=is_wide))
    console.print(table)
    if report.without_session:
        note = session_text.without_session(report.without_session)
        console.print(Text(note, style="dim"))


def _cells(session: Session, report: SessionReport, zone: tzinfo, *, is_wide: bool) -> list[str]:
    moments = (session.start, session.last) if is_wide else (session.last,)
    return [
        printable(session.id[:_ID_CHARACTERS]),
        printable(report.projects.get(session.id, session_text.NO_PROJECT)),
        *(format_moment(moment, report.now, zone) for moment in moments),
        *_numbers(report, session, is_wide=is_wide).values(),
        session_text.services(session) if is_wide else session_text.backends(session),
    ]


def _numbers(
    report: SessionReport, session: Session | None = None, *, is_wide: bool
) -> dict[str, str]:
    """The numbers of `session` by their headings; narrow terminals get fewer."""
    total = session.total() if session else Totals()
    numbers = {"Requests": f"{total.requests:,}", "Tokens": format_tokens(total.tokens)}
    if is_wide:
        numbers["Changes"] = f"{session.changes if session else 0:,}"
    numbers["Errors"] = f"{total.errors:,}"
    if is_wide and report.prices:
        price = report.prices.get(session.id) if session else None
        numbers["List price"] = "" if price is None else format_dollars(price)
    return numbers
