"""Remembers what the tray has said, so that a restart or the next login does not say it again."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

FOR_SO_LONG = timedelta(days=7)
"""After that a start of the tray says it again, as a reminder."""

_MOST_BYTES = 64 * 1024
_MOST_NAMES = 100

_LOG = logging.getLogger(__name__)


class SaidNotifications:
    """A small file of names and moments. One that can't be used forgets, and stops nothing."""

    def __init__(self, file: Path) -> None:
        """Keep it in `file`, which is read at once."""
        self._file = file
        self._said = _read(file)

    def was_said(self, name: str, now: datetime) -> bool:
        """Whether it was said within the last days."""
        said = self._said.get(name)
        return said is not None and abs(now - said) < FOR_SO_LONG

    def was_said_in_week(self, name: str, begin: datetime) -> bool:
        """Whether it was said within the week from `begin` on."""
        said = self._said.get(name)
        return said is not None and timedelta() <= said - begin < FOR_SO_LONG

    def keep(self, name: str, now: datetime) -> None:
        """Remember that it was said at `now`."""
        newest = sorted({**self._said, name: now}.items(), key=lambda item: item[1])
        self._said = {each: at for each, at in newest[-_MOST_NAMES:] if now - at < FOR_SO_LONG}
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_file.replace(self._file, msgspec.json.encode(self._said), waits_for_disk=False)
        except OSError as error:
            _LOG.warning("The shown notifications can't be saved", extra={"why": str(error)})


def _read(file: Path) -> dict[str, datetime]:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        data = atomic_file.load(file, _MOST_BYTES)
        if data is not None:
            said = msgspec.json.decode(data, type=dict[str, datetime])
            return {name: at for name, at in said.items() if at.tzinfo is not None}
    return {}
