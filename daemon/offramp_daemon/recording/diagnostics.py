"""The daemon's own messages: from Python's logging to a file of bounded size, off the event loop.

Nothing secret at any level: callers log no content and no keys, and what still looks like a
credential is masked here. Request records are no business of this file.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_core.redaction import MASK, Redactor, is_credential_name
from offramp_core.usage.records import format_timestamp
from offramp_daemon.recording.stream_writer import TextOutput
from offramp_daemon.storage.background_writer import BackgroundWriter, WriteQueue
from offramp_daemon.storage.locked_file import open_locked

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from offramp_core.settings import LogFormat, LogLevel

MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_FILES = 3

_OWN_LOGGERS = ("offramp_daemon", "offramp_cli", "offramp_core")
_OTHER_LOGGERS = ("aiohttp", "asyncio", "py.warnings")
"""Kept only from `warning` up: at a lower level they quote content."""
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_CAPACITY = 5000
_BATCH = 100
_CLOSE_TIMEOUT_S = 2.0
_SHOWN_CHARACTERS = 16 * 1024
"""The most that is shown of one message, value or traceback."""
_KEPT_CHARACTERS = 2 * _SHOWN_CHARACTERS

_NOT_EXTRA = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[\w.:/@%+*-]+", re.ASCII)
_UNSAFE = re.compile(
    r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]"
)

_Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogEntry:
    """A log record reduced to plain values, so that another thread may format it.

    It holds no object of the caller's: one that is let go of on another thread may do its tidying
    up there, which asyncio's do not survive.
    """

    created: float
    level: str
    logger: str
    message: str
    extras: dict[str, _Value]
    error: traceback.TracebackException | None


class Diagnostics:
    """The way from the loggers to the file, for as long as it is not closed."""

    def __init__(
        self,
        file: Path,
        *,
        level: LogLevel,
        log_format: LogFormat,
        fallback: TextIO,
        redactor: Redactor | None = None,
    ) -> None:
        """Write to `file`, or to the stream `fallback` while the file cannot be written."""
        self._file = file
        self._level = _LEVELS[level]
        self._is_json = log_format == "json"
        self._redactor = redactor or Redactor()
        self._writer = BackgroundWriter("offramp-diagnostics")
        self._queue: WriteQueue[_LogEntry] = WriteQueue(
            self._write, self._writer, capacity=_CAPACITY, batch=_BATCH
        )
        self._fallback = TextOutput(fallback, self._writer.given_up)
        self._is_fallen_back = False
        self._failed = 0
        self._lost_said = 0
        self._handler = _QueueingHandler(self._queue)
        self._before: list[tuple[logging.Logger, int, bool]] = []

    def start(self) -> None:
        """Take over the loggers and the interpreter's warnings."""
        for name in (*_OWN_LOGGERS, *_OTHER_LOGGERS):
            logger = logging.getLogger(name)
            self._before.append((logger, logger.level, logger.propagate))
            # Another handler further up would print what is not redacted.
            logger.propagate = False
            logger.addHandler(self._handler)
        self._apply_level()
        logging.captureWarnings(capture=True)
        self._open()
        self._writer.start()

    def hide(self, secret: str) -> None:
        """Mask `secret` wherever it would be written, from now on."""
        self._redactor.hide(secret)

    def set_level(self, level: LogLevel) -> None:
        """Hear messages from `level` up, from now on; from any thread."""
        self._level = _LEVELS[level]
        self._apply_level()

    def close(self) -> None:
        """Write what waits and give the loggers back; within two seconds."""
        logging.captureWarnings(capture=False)
        for logger, level, propagate in self._before:
            logger.removeHandler(self._handler)
            logger.setLevel(level)
            logger.propagate = propagate
        self._before.clear()
        if self._writer.close(_CLOSE_TIMEOUT_S):
            self._fallback.close()

    def _apply_level(self) -> None:
        for name in (*_OWN_LOGGERS, *_OTHER_LOGGERS):
            is_own = name in _OWN_LOGGERS
            level = self._level if is_own else max(self._level, logging.WARNING)
            logging.getLogger(name).setLevel(level)

    def _open(self) -> None:
        """Find out now, not at the first message, whether the file can be written."""
        try:
            self.append([])
        except OSError as error:
            self._fall_back([], error)

    def _write(self, batch: list[_LogEntry]) -> list[_LogEntry]:
        lines = [self._format(entry) for entry in batch]
        lost = self._queue.lost + self._failed
        if lost > self._lost_said:
            lines.insert(
                0, self._format(_notice("Messages were lost", lost=lost - self._lost_said))
            )
        try:
            self.append(lines)
        except OSError as error:
            is_written = self._fall_back(lines, error)
        else:
            is_written = True
            self._is_fallen_back = False
        if is_written:
            self._lost_said = lost
        else:
            self._failed += len(batch)
        return []

    def append(self, lines: list[str]) -> None:
        """Write `lines` to the file, beside whatever other process writes to it.

        Raises:
            OSError: they can't be written.
        """
        data = "".join(f"{line}\n" for line in lines).encode(errors="replace")
        with open_locked(self._file) as file:
            if not file.end_bytes or file.end_bytes + len(data) <= MAX_FILE_BYTES:
                file.append(data)
                return
            self._rotate()  # under the lock: whoever waits for it sees that the file has changed
        with open_locked(self._file) as file:
            file.append(data)

    def _rotate(self) -> None:
        names = [self._file, *(self._numbered(number) for number in range(1, MAX_FILES))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)

    def _numbered(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}")

    def _fall_back(self, lines: list[str], error: OSError) -> bool:
        """Write to the fallback, saying once why; whether that worked."""
        if not self._is_fallen_back:
            self._is_fallen_back = True
            why = error.strerror or str(error)
            lines = [
                f"offramp: cannot write to {self._file} ({why}); "
                "the daemon's messages come here until it can be.",
                *lines,
            ]
        try:
            return self._fallback.write("".join(f"{line}\n" for line in lines))
        except (OSError, ValueError):
            return False

    def _format(self, entry: _LogEntry) -> str:
        message = self._clip(entry.message)
        extras = {name: self._redacted(name, value) for name, value in entry.extras.items()}
        error = self._clip(_traceback_of(entry)) if entry.error else None
        when = format_timestamp(datetime.fromtimestamp(entry.created, UTC))
        if self._is_json:
            return _to_json(entry, when, message, extras, error)
        return _to_text(entry, when, message, extras, error)

    def _redacted(self, name: str, value: _Value) -> _Value:
        if is_credential_name(name):
            return MASK
        return self._clip(value) if isinstance(value, str) else value

    def _clip(self, text: str) -> str:
        """`text` redacted, then cut, for half a key has no shape to know it by."""
        return self._redactor.redact(text[:_KEPT_CHARACTERS])[:_SHOWN_CHARACTERS]


class _QueueingHandler(logging.Handler):
    """Turns log records into entries, on the thread that logs; all else is the queue's."""

    def __init__(self, queue: WriteQueue[_LogEntry]) -> None:
        super().__init__()
        self._queue = queue

    def emit(self, record: logging.LogRecord) -> None:
        """Queue what `record` says; whoever logs is never made to fail by it."""
        try:
            entry = _to_entry(record)
        except Exception as error:  # noqa: BLE001 - whatever formatting a stranger's value raises
            why = type(error).__name__
            entry = _notice("A message could not be formatted", source=record.name, error=why)
        self._queue.put(entry)


def configure(
    file: Path,
    *,
    level: LogLevel,
    log_format: LogFormat,
    fallback: TextIO | None = None,
    redactor: Redactor | None = None,
) -> Diagnostics:
    """Send the loggers of the daemon, of its core and of aiohttp to `file`, rotated by size.

    While `file` cannot be written, messages go to `fallback` (standard error where None), and one
    says why. Opens the file, so call it before the event loop runs.
    """
    stream = sys.stderr if fallback is None else fallback
    diagnostics = Diagnostics(
        file, level=level, log_format=log_format, fallback=stream, redactor=redactor
    )
    diagnostics.start()
    return diagnostics


def _notice(message: str, **extras: _Value) -> _LogEntry:
    return _LogEntry(
        created=datetime.now(UTC).timestamp(),
        level="WARNING",
        logger=__name__,
        message=message,
        extras=extras,
        error=None,
    )


def _to_entry(record: logging.LogRecord) -> _LogEntry:
    """What `record` says; no more of it than is kept."""
    error = None
    if record.exc_info and record.exc_info[0] is not None:
        # Source lines are left to be read by the thread that writes.
        error = traceback.TracebackException(*record.exc_info, lookup_lines=False, compact=True)
    return _LogEntry(
        created=record.created,
        level=record.levelname,
        logger=record.name,
        message=record.getMessage()[:_KEPT_CHARACTERS],
        extras={
            name: _to_value(value) for name, value in vars(record).items() if name not in _NOT_EXTRA
        },
        error=error,
    )


def _to_value(value: object) -> _Value:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)[:_KEPT_CHARACTERS]


def _traceback_of(entry: _LogEntry) -> str:
    """The traceback as text, without the values of variables."""
    return "".join(entry.error.format()).rstrip() if entry.error else ""


def _to_json(
    entry: _LogEntry, when: str, message: str, extras: dict[str, _Value], error: str | None
) -> str:
    fields: dict[str, _Value] = {
        "time": when,
        "level": entry.level.lower(),
        "logger": entry.logger,
        "message": message,
    }
    fields |= {f"{name}_" if name in fields else name: value for name, value in extras.items()}
    if error is not None:
        fields["exception"] = error
    return json.dumps(fields)


def _to_text(
    entry: _LogEntry, when: str, message: str, extras: dict[str, _Value], error: str | None
) -> str:
    values = "".join(f" {name}={_quoted(value)}" for name, value in extras.items())
    text = f"{when} {entry.level} {entry.logger}: {message}{values}"
    if error is not None:
        text = f"{text}\n{error}"
    # No line of a message may pass for a message of its own, nor for a terminal's command.
    return _UNSAFE.sub(_escaped, text).replace("\n", "\n    ")


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()


def _quoted(value: _Value) -> str:
    """`value` as it stands beside its name: bare where it is one plain word, else quoted."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
