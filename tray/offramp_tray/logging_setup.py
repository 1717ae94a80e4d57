"""The tray's own messages: to a file of bounded size beside the daemon's, private to its user."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import time
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.redaction import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import TextIOWrapper

FILE_NAME = "tray.log"
MAX_FILE_BYTES = 1024 * 1024
MAX_OLD_FILES = 1

_LOGGERS = ("offramp_tray", "offramp_core", "py.warnings")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A file that only its user can read."""

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return private_files.open_file(Path(path), flags)

        return open(self.baseFilename, "a", encoding="utf-8", errors="replace", opener=opener)


class _LineFormatter(logging.Formatter):
    """One line a message, `name=value` for what it tells of, in UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback if there is one, without what looks like a credential."""
        return mask_credentials(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        """The line, control characters made visible."""
        extras = {name: value for name, value in vars(record).items() if name not in _USUAL}
        text = super().formatMessage(record)
        text += "".join(f" {name}={value!r}" for name, value in extras.items())
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@contextlib.contextmanager
def logging_to(folder: Path) -> Iterator[None]:
    """Write our own loggers' messages to the tray's file in `folder` meanwhile.

    Where it can't be written they are dropped: the tray has nowhere else to say them.
    """
    handler: logging.Handler
    try:
        private_files.make_folder(folder)
        handler = _PrivateFile(
            folder / FILE_NAME, maxBytes=MAX_FILE_BYTES, backupCount=MAX_OLD_FILES, delay=False
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(_LineFormatter())
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
