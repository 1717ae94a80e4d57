"""The terminal that the reports are drawn on, and the table that they are drawn as."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table


def open_console() -> Console:
    """Return standard output for drawing; without colours where NO_COLOR is set."""
    # Without a colour system rich writes no escape codes at all, bold ones included.
    return Console(
        file=sys.stdout,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


def open_table() -> Table:
    """Return a table without lines and columns."""
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
