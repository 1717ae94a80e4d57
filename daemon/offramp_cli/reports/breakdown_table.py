"""Draws a breakdown as a table on the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from offramp_core.wording.formatting import (
    format_percent,
    format_tokens,
    printable,
    share,
    short_model,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    console = Console(
        file=sys.stdout,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(Text(_heading(report), style="bold"))
    console.print(_table(report))


def _heading(report: BreakdownReport) -> str:
    if report.start is None:
        return "The whole log"
    start, end = (moment.astimezone(report.zone) for moment in (report.start, report.end))
    return f"From {start:%a %Y-%m-%d %H:%M} to {end:%a %Y-%m-%d %H:%M} ({report.zone})"


def _table(report: BreakdownReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
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
