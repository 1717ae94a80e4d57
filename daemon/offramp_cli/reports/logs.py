"""`offramp logs`: the latest requests as lines for a person, or as the log has them."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from offramp_cli.options import WholeNumber, demo_option
from offramp_cli.reports import log_filters
from offramp_core.usage import records
from offramp_core.usage.aggregation import contains_any
from offramp_core.usage.log_reader import LogReader
from offramp_core.usage.weeks import system_zone
from offramp_core.wording.formatting import (
    backend_id,
    escaped,
    format_tokens,
    printable,
    short_model,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from offramp_core.paths import Paths
    from offramp_core.usage.records import RequestRecord

_DEFAULT_COUNT = 20
_MOST_COUNT = 100_000
_POLL_S = 0.2
_WIDEST_COLUMN = 24
"""Characters up to which a column is made as wide as its longest cell."""
_STATUS_COLOURS = {"success": "green", "error": "red", "cancelled": "yellow"}


@click.command("logs")
@click.option(
    "-n",
    "count",
    type=WholeNumber(0, _MOST_COUNT),
    default=_DEFAULT_COUNT,
    show_default=True,
    help="Show this many of the latest requests.",
)
@click.option(
    "-f",
    "--follow",
    "is_following",
    is_flag=True,
    help="Show new requests as they come, until Ctrl-C.",
)
@log_filters.filter_options
@click.option(
    "--session",
    metavar="ID",
    help="Only requests of the session whose id begins with ID; `offramp sessions` lists them.",
)
@click.option(
    "--json", "is_json", is_flag=True, help="Print the log's own lines: JSON, one per line."
)
@demo_option
def command(
    paths: Paths,
    count: int,
    is_following: bool,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    session: str | None,
    is_json: bool,
) -> None:
    """Show the latest requests: local time, model, service, tokens in and out, status, reason.

    In the tokens `1.3k→890 +45.0k` the last number is the part of the prompt that was written
    to or read from the cache. Today's date is left out. The names of models are shown without
    `claude-` and without a snapshot's date. --json shows everything in full.
    """
    settings = log_filters.load_settings(paths)
    folder = log_filters.log_folder(paths, settings)
    log_filters.tolerate_encoding()
    log_filters.mention_zone()
    printer = _Printer(backends, models, session or "", is_json=is_json)
    # What another machine's file held long before it arrived is not news.
    reader = LogReader(folder, since=datetime.now(UTC))
    reader.skip_to_end()
    try:
        if log_filters.is_empty(folder) and not is_json:
            if is_following:
                click.echo(f"Waiting for requests in {folder}.", err=True)
            else:
                log_filters.explain_empty(paths, settings)
        found = printer.latest(reader, count)
        printer.print(found)
        is_unmatched = count and not found and not log_filters.is_empty(folder)
        if is_unmatched and not is_following:
            click.echo("No request matches.", err=True)
        while is_following:
            printer.print(list(printer.read(reader.read_lines())))
            if _is_output_gone(_POLL_S):
                break
    except KeyboardInterrupt:
        # Ctrl-C is how following ends.
        pass
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    log_filters.mention_skipped(printer.skipped_lines)


_Row = tuple[str, ...]
"""The cells of one request; the last, status and reason, may be of any length."""


class _Printer:
    """Makes rows of the log's lines, leaves out what the user filtered away, and prints them.

    Its columns grow with what they hold and never shrink, so that they stay put while following.
    """

    def __init__(
        self, backends: Sequence[str], models: Sequence[str], session: str, *, is_json: bool
    ) -> None:
        self.skipped_lines = 0
        self._session = session
        self._backends = backends
        self._models = models
        self._is_json = is_json
        self._zone = system_zone(os.environ)
        self._arrow = "→" if sys.stdout.encoding.lower().startswith("utf") else "->"
        self._is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._widths = [0, 0, 0, 0]

    def latest(self, reader: LogReader, count: int) -> list[_Row | bytes]:
        """The last `count` lines before the reader's cursor that pass the filters, oldest first."""
        lines = reader.consumed_lines_backwards() if count else iter(())
        return list(islice(self.read(lines), count))[::-1]

    def read(self, lines: Iterable[bytes]) -> Iterator[_Row | bytes]:
        """What is to be printed of `lines`: not what the filters or its being torn keep out."""
        for raw in lines:
            try:
                record = records.decode(raw)
            except records.UNREADABLE:
                self.skipped_lines += 1
                continue
            if self._is_wanted(record):
                yield raw if self._is_json else self._row(record)

    def _is_wanted(self, record: RequestRecord) -> bool:
        return (
            contains_any(record.backend, self._backends)
            and contains_any(record.model, self._models)
            and (record.session_id or "").startswith(self._session)
        )

    def print(self, found: Sequence[_Row | bytes]) -> None:
        """Print what `read` or `latest` gave."""
        for row in found:
            if isinstance(row, tuple):
                lengths = (min(len(cell), _WIDEST_COLUMN) for cell in row[:-1])
                self._widths = list(map(max, self._widths, lengths))
        for row in found:
            click.echo(self._aligned(row) if isinstance(row, tuple) else self._line(row))

    def _line(self, raw: bytes) -> str | bytes:
        """A line of the log, byte for byte where it goes into a file or another program."""
        return escaped(raw) if sys.stdout.isatty() else raw

    def _aligned(self, row: _Row) -> str:
        *cells, last = row
        return f"{' '.join(map(str.ljust, cells, self._widths))}  {last}"

    def _row(self, record: RequestRecord) -> _Row:
        return (
            short_time(record.ts, datetime.now(self._zone)),
            short_model(record.model),
            backend_id(record.backend),
            self._tokens(record),
            self._outcome(record),
        )

    def _outcome(self, record: RequestRecord) -> str:
        status: str = "ok" if record.status == "success" else record.status
        if record.status == "error" and record.http_status not in (None, 200):
            status = f"error {record.http_status}"
        if self._is_coloured:
            status = click.style(status, fg=_STATUS_COLOURS[record.status])
        return f"{status}  {printable(record.reason)}" if record.reason else status

    def _tokens(self, record: RequestRecord) -> str:
        text = f"{format_tokens(record.input_tokens)}{self._arrow}"
        text += format_tokens(record.output_tokens)
        cache = record.cache_creation_input_tokens + record.cache_read_input_tokens
        return f"{text} +{format_tokens(cache)}" if cache else text


def short_time(ts: str, now: datetime) -> str:
    """Return `ts` on the clock of `now`, with the date unless it is today's; else as it stands."""
    try:
        moment = datetime.fromisoformat(ts).astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return printable(ts)
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%m-%d %H:%M}" if moment.year == now.year else f"{moment:%Y-%m-%d %H:%M}"


def _is_output_gone(timeout_s: float) -> bool:
    """Wait, and say whether whoever read a pipe at standard output went away meanwhile.

    Only pipes are polled: macOS can't poll a terminal.
    """
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:
        is_pipe = False
    if not is_pipe:
        time.sleep(timeout_s)
        return False
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    return bool(poller.poll(timeout_s * 1000))
