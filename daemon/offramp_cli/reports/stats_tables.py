"""Draws a stats report on the terminal: tables, shares as bars, time as rows of small columns.

It fits narrow terminals. An output that is not a terminal, or NO_COLOR, gets plain text. A
terminal that can't show block characters gets ASCII.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from offramp_cli.reports.terminal import open_console, open_table
from offramp_core.quota import week_start
from offramp_core.settings import ANTHROPIC
from offramp_core.usage.aggregation import Totals, by_backend, by_model, merge
from offramp_core.wording.formatting import backend_id, format_percent, format_tokens, share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rich.console import Console, RenderableType
    from rich.table import Table

    from offramp_cli.reports.stats_report import Bucket, Report
    from offramp_core.usage.aggregation import UsageCells

_WIDE = 80
"""Width from which tables have room for their details."""
_LONGEST_WEEK_BAR = 16
_SHORTEST_WEEK_BAR = 6
_WEEK_COLUMNS_WIDTH = 49
"""What the table of weeks takes without the columns of the backends and the bar."""
_SPLIT_BAR_WIDTH = 60
_TOKENS_ROOM = 11
"""What the token column and the gaps take beside a row of columns."""

_Names = dict[str | None, Totals]


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """Characters to draw with; `columns` rise from next to nothing to a full cell."""

    columns: str
    fills: str
    nothing: str
    dash: str


_BLOCKS = _Glyphs("▁▂▃▄▅▆▇█", "█░▓▒", "·", "\N{EN DASH}")
_ASCII = _Glyphs(".:-=+*#", "#-=+", " ", "-")
_COLOURS = ("cyan", "magenta", "green", "yellow")


def show(report: Report) -> None:
    """Print `report` on standard output."""
    console = open_console()
    is_unicode = console.encoding.lower().startswith("utf")
    _View(report, console, _BLOCKS if is_unicode else _ASCII).show()


class _View:
    """One report on one console; every backend has its place, colour and fill throughout."""

    def __init__(self, report: Report, console: Console, glyphs: _Glyphs) -> None:
        self._report = report
        self._console = console
        self._glyphs = glyphs
        self._is_wide = console.width >= _WIDE
        self._is_learnt = report.week_origin == week_start.LEARNT
        self._backends = tuple(dict.fromkeys((ANTHROPIC, *report.backends)))
        """Anthropic even where the log has none: the others keep their fills when it comes."""

    def show(self) -> None:
        """Print every part."""
        self._show_period()
        self._heading("Last 3 hours: tokens, a column for 3 minutes")
        self._show_columns(self._report.recent, by_backend, self._style, order=self._backends)
        self._heading("Last 24 hours: tokens by model, a column for an hour")
        self._show_columns(self._report.hours, by_model, lambda _name: "")
        self._show_weeks()

    def _show_period(self) -> None:
        report = self._report
        title = f"Since {self._moment(report.period.span.start)}"
        if report.since is None:
            until = self._moment(report.period.span.end)
            of = "This Claude week" if self._is_learnt else "This week"
            title = f"{of}: {title.removeprefix('Since ')} {self._glyphs.dash} {until}"
        self._console.print(Text(f"{title} ({report.boundary.zone})", style="bold"))
        for name, texts in (("backend", report.filters.backends), ("model", report.filters.models)):
            if texts:
                self._note(f"only {name}: {', '.join(map(backend_id, texts))}")
        usage = report.period.usage
        if not usage.cells:
            self._note("no requests")
            return
        parts = self._by_backend(usage)
        width = max(10, min(_SPLIT_BAR_WIDTH, self._console.width - len("Requests  ")))
        bars = _table("", "")
        bars.show_header = False
        bars.add_row("Requests", self._bar({name: parts[name].requests for name in parts}, width))
        bars.add_row("Tokens", self._bar({name: parts[name].tokens for name in parts}, width))
        self._console.print(bars)
        self._console.print(self._split_table(parts, usage.total()))

    def _split_table(self, parts: _Names, whole: Totals) -> Table:
        failures = ("Errors", "Cancelled") if self._is_wide else ()
        kinds = ("Input", "Output", "Cache") if self._is_wide else ()
        table = _table("Backend", "Requests", *failures, "Tokens", *kinds)
        for name, totals in parts.items():
            label = f"{self._fill(name)} {backend_id(name)}"
            table.add_row(Text(label, style=self._style(name)), *self._split_cells(totals, whole))
        if len(parts) > 1:
            table.add_row("  all", *self._split_cells(whole, whole))
        return table

    def _split_cells(self, totals: Totals, whole: Totals) -> list[str]:
        counts = totals.counts
        cache = counts.cache_creation_input_tokens + counts.cache_read_input_tokens
        kinds = (counts.input_tokens, counts.output_tokens, cache) if self._is_wide else ()
        request_share = format_percent(share(totals.requests, whole.requests))
        token_share = format_percent(share(totals.tokens, whole.tokens))
        return [
            f"{totals.requests:,} {request_share:>4}",
            *self._failures(totals),
            f"{format_tokens(totals.tokens)} {token_share:>4}",
            *map(format_tokens, kinds),
        ]

    def _failures(self, totals: Totals) -> tuple[str, ...]:
        return (f"{totals.errors:,}", f"{totals.cancelled:,}") if self._is_wide else ()

    def _show_columns(
        self,
        buckets: Sequence[Bucket],
        group: Callable[[UsageCells], _Names],
        style: Callable[[str | None], str],
        *,
        order: Sequence[str | None] = (),
    ) -> None:
        """A row of columns per name, all on one scale; the last column is now.

        Names of `order` come in that order, others after them with the most tokens first.
        """
        parts = [group(bucket.usage) for bucket in buckets]
        sums = _tokens_by_name(parts, order)
        if not sums:
            self._note("no requests")
            return
        most = max(totals.tokens for part in parts for totals in part.values())
        longest = max(len(backend_id(name)) for name in sums)
        room = self._console.width - min(longest, self._console.width // 2) - _TOKENS_ROOM
        width = _columns_per_line(len(buckets), room)
        table = _table("", self._axis(buckets) if width == len(buckets) else "", "Tokens")
        for name, tokens in sums.items():
            values = [part[name].tokens if name in part else None for part in parts]
            columns = Text(_folded(self._columns(values, most), width), style=style(name))
            table.add_row(Text(backend_id(name), style=style(name)), columns, format_tokens(tokens))
        table.columns[1].justify = "left"
        self._console.print(table)

    def _show_weeks(self) -> None:
        buckets = self._report.weeks
        used = [index for index, bucket in enumerate(buckets) if bucket.usage.cells]
        if not used:
            return
        backends = self._largest_backends(buckets)
        failures = ("Errors", "Cancelled") if self._is_wide else ()
        table = _table("From", "Requests", *failures, "Tokens", *map(backend_id, backends))
        bar_width = self._week_bar_width(backends)
        begin = self._local(buckets[-1].span.start)
        legend = "; bar length is the total" if bar_width else ""
        weeks = "Claude weeks" if self._is_learnt else "Weeks"
        self._heading(f"{weeks} from {begin:%A %H:%M}: shares of tokens{legend}")
        if bar_width:
            table.add_column("")
        most = max(bucket.usage.total().tokens for bucket in buckets)
        for bucket in reversed(buckets[used[0] :]):
            parts, total = by_backend(bucket.usage), bucket.usage.total()
            tokens = {name: parts[name].tokens for name in backends if name in parts}
            shares = [
                format_percent(share(tokens[name], total.tokens)) if name in tokens else ""
                for name in backends
            ]
            cells: list[RenderableType] = [f"{self._local(bucket.span.start):%Y-%m-%d}"]
            cells += [f"{total.requests:,}", *self._failures(total), format_tokens(total.tokens)]
            bar = self._bar(tokens, round(share(total.tokens, most) * bar_width))
            table.add_row(*cells, *shares, *([bar] if bar_width else []))
        self._console.print(table)

    def _by_backend(self, usage: UsageCells) -> _Names:
        parts = by_backend(usage)
        return {name: parts[name] for name in self._backends if name in parts}

    def _largest_backends(self, buckets: Sequence[Bucket]) -> list[str | None]:
        """As many as have a fill of their own, in the order that they have everywhere."""
        most_first = list(by_backend(merge(*(bucket.usage for bucket in buckets))))
        return sorted(most_first[: len(self._glyphs.fills)], key=self._backends.index)

    def _week_bar_width(self, backends: Sequence[str | None]) -> int:
        """What the columns leave for a bar; 0 where that is too little."""
        if not self._is_wide:
            return 0
        names = sum(max(len("100%"), len(backend_id(name))) + 2 for name in backends)
        room = self._console.width - _WEEK_COLUMNS_WIDTH - names
        return min(room, _LONGEST_WEEK_BAR) if room >= _SHORTEST_WEEK_BAR else 0

    def _bar(self, parts: dict[str | None, int], width: int) -> Text:
        """`width` cells, shared out between `parts` in the order of the backends."""
        bar, done, whole = Text(), 0, sum(parts.values())
        before = 0
        for name in self._backends:
            before += parts.get(name, 0)
            upto = round(share(before, whole) * width)
            bar.append(self._fill(name) * (upto - done), self._style(name))
            done = upto
        return bar

    def _axis(self, buckets: Sequence[Bucket]) -> str:
        first, last = (f"{self._local(buckets[at].span.start):%H:%M}" for at in (0, -1))
        return f"{first}{last:>{len(buckets) - len(first)}}"

    def _columns(self, values: Sequence[int | None], most: int) -> str:
        """`values` as one character each; None, where there was no request, has its own."""
        columns = self._glyphs.columns
        steps = len(columns) - 1
        return "".join(
            self._glyphs.nothing if value is None else columns[round(share(value, most) * steps)]
            for value in values
        )

    def _fill(self, backend: str | None) -> str:
        fills = self._glyphs.fills
        return fills[self._backends.index(backend) % len(fills)]

    def _style(self, backend: str | None) -> str:
        return _COLOURS[self._backends.index(backend) % len(_COLOURS)]

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self._report.boundary.zone)

    def _moment(self, instant: datetime) -> str:
        return f"{self._local(instant):%a %Y-%m-%d %H:%M}"

    def _heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def _note(self, text: str) -> None:
        self._console.print(Text(text, style="dim"))


def _table(*titles: str) -> Table:
    """A table without lines; all columns but the first are numbers."""
    table = open_table()
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index else "left", overflow="fold")
    return table


def _tokens_by_name(parts: Sequence[_Names], order: Sequence[str | None]) -> dict[str | None, int]:
    """Tokens per name over all `parts`: the names of `order` first, then the most first."""
    sums: dict[str | None, int] = {}
    for part in parts:
        for name, totals in part.items():
            sums[name] = sums.get(name, 0) + totals.tokens
    most_first = sorted(sums, key=lambda name: (-sums[name], str(name)))
    return {name: sums[name] for name in dict.fromkeys((*order, *most_first)) if name in sums}


def _columns_per_line(count: int, room: int) -> int:
    """The largest equal part of `count` that fits in `room`."""
    parts = (1, 2, 3, 4, 6)
    return next((count // part for part in parts if count // part <= room), count // parts[-1])


def _folded(text: str, width: int) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))
