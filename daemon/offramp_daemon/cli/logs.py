"""`offramp logs`: the latest requests as lines for a person, or as they stand in the log."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import click

from offramp_core import records
from offramp_core.log_reader import LogReader
from offramp_core.units import format_tokens
from offramp_core.usage import contains_any
from offramp_core.weeks import system_zone
from offramp_daemon.cli import request_log
from offramp_daemon.cli.common import demo_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_core.paths import Paths
    from offramp_core.records import RequestRecord

_DEFAULT_COUNT = 20
_MOST_COUNT = 100_000
_POLL_S = 0.2
_STATUS_COLOURS = {"success": "green", "error": "red", "cancelled": "yellow"}


@click.command("logs")
@click.option(
    "-n",
    "count",
    type=click.IntRange(0, _MOST_COUNT),
    default=_DEFAULT_COUNT,
    show_default=True,
    help="Show so many of the latest requests.",
)
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on until Ctrl-C.")
@request_log.filter_options
@click.option("--json", "is_json", is_flag=True, help="Print the log's own lines, one JSON each.")
@demo_option
def command(
    paths: Paths,
    count: int,
    is_following: bool,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    is_json: bool,
) -> None:
    """Show the latest requests: local time, model, backend, tokens in and out, status, reason.

    `+45.0k cached` counts the prompt's tokens that were written to or read from the cache.
    """
    settings = request_log.load_settings(paths)
    folder = request_log.log_folder(paths, settings)
    request_log.tolerate_encoding()
    printer = _Printer(backends, models, is_json=is_json)
    reader = LogReader(folder)
    reader.skip_to_end()
    try:
        if request_log.is_empty(folder) and not is_json:
            if is_following:
                click.echo(f"Waiting for requests in {folder}.", err=True)
            else:
                request_log.explain_empty(folder, settings)
        for line in printer.latest(reader, count):
            click.echo(line)
        while is_following:
            for raw in reader.read_lines():
                new_line = printer.format(raw)
                if new_line is not None:
                    click.echo(new_line)
            if _is_output_gone(_POLL_S):
                break
    except KeyboardInterrupt:
        # Ctrl-C is how following ends.
        pass
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    request_log.mention_skipped(printer.skipped_lines)


class _Printer:
    """Makes lines to print of the log's lines, and leaves out what the user filtered away."""

    def __init__(self, backends: Sequence[str], models: Sequence[str], *, is_json: bool) -> None:
        self.skipped_lines = 0
        self._backends = backends
        self._models = models
        self._is_json = is_json
        self._zone = system_zone(os.environ)
        self._arrow = "→" if sys.stdout.encoding.lower().startswith("utf") else "->"
        self._is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def latest(self, reader: LogReader, count: int) -> list[str | bytes]:
        """The last `count` lines before the reader's cursor that pass the filters, oldest first."""
        found: list[str | bytes] = []
        lines = reader.consumed_lines_backwards() if count else iter(())
        for raw in lines:
            line = self.format(raw)
            if line is not None:
                found.append(line)
                if len(found) == count:
                    break
        return found[::-1]

    def format(self, raw: bytes) -> str | bytes | None:
        """`raw` as it is to be printed; None if the filters or its being torn keep it out."""
        try:
            record = records.decode(raw)
        except records.UNREADABLE:
            self.skipped_lines += 1
            return None
        if not contains_any(record.backend, self._backends):
            return None
        if not contains_any(record.model, self._models):
            return None
        return raw if self._is_json else self._line(record)

    def _line(self, record: RequestRecord) -> str:
        status: str = record.status
        if status == "error" and record.http_status not in (None, 200):
            status = f"error {record.http_status}"
        parts = [
            _local_time(record.ts, self._zone),
            f"{request_log.printable(record.model):<27}",
            f"{request_log.printable(record.backend):<9}",
            f"{self._tokens(record):<27}",
        ]
        if self._is_coloured:
            status = click.style(status, fg=_STATUS_COLOURS[record.status])
        reason = f"({request_log.printable(record.reason)})" if record.reason else ""
        return "  ".join([*parts, f"{status} {reason}"]).rstrip()

    def _tokens(self, record: RequestRecord) -> str:
        text = f"{format_tokens(record.input_tokens)}{self._arrow}"
        text += format_tokens(record.output_tokens)
        cache = record.cache_creation_input_tokens + record.cache_read_input_tokens
        return f"{text} +{format_tokens(cache)} cached" if cache else text


def _local_time(ts: str, zone: tzinfo) -> str:
    """`ts` on the user's clock, to the second; as it stands if it is no time."""
    try:
        return f"{datetime.fromisoformat(ts).astimezone(zone):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return request_log.printable(ts)


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
