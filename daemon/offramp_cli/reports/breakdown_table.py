"""Draws a breakdown as a table on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from offramp_cli.reports.terminal import open_console, open_table
from offramp_core.wording.formatting import (
    format_percent,
    format_tokens,
    printable,
    share,
    short_model,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from offramp_cli.reports.breakdown import BreakdownReport
    from offramp_core.usage.aggregation import Totals
    from offramp_core.usage.breakdown import By

NAMELESS: Mapping[By, str] = {
    "project": "no project",
    "session": "no session",
    "model": "no model",
    "reason": "no reason",
    "day": "no day",
}
"""What stands for records without that."""


def show(report: BreakdownReport) -> None:
    """Print the report as a table on standard output."""
    console = open_console()
    console.print(Text(_heading(report), style="bold"))
    console.print(_table(report))


def _heading(report: BreakdownReport) -> str:
    if report.start is None:
        return "The whole log"
    start, end = (moment.astimezone(report.zone) for moment in (report.start, report.end))
    return f"From {start:%a %Y-%m-%d %H:%M} to {end:%a %Y-%m-%d %H:%M} ({report.zone})"


def _table(report: BreakdownReport) -> Table:
    table = open_table()
    for title in (report.by.title(), "Requests", "Errors", "Tokens", "Share"):
        is_name = title == report.by.title()
        table.add_column(title, justify="left" if is_name else "right", overflow="fold")
    whole = report.total()
    for name, totals in report.totals.items():
        table.add_row(_shown(report.by, name), *_cells(totals, whole))
    if len(report.totals) > 1:
        table.add_row("all", *_cells(whole, whole))
    return table


def _cells(totals: Totals, whole: Totals) -> tuple[str, ...]:
    return (
        f"{totals.requests:,}",
        f"{totals.errors:,}",
        format_tokens(totals.tokens),
        format_percent(share(totals.tokens, whole.tokens)),
    )


def _shown(by: By, name: str | None) -> str:
    if name is None:
        return NAMELESS[by]
    return short_model(name) if by == "model" else printable(name)
