"""What other machines were told of the same plans, from their files in the folder they share.

Their accounts have other names there, as each machine names accounts in its own way: the tracker
finds out whose windows they are. It writes nothing, and raises nothing.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from offramp_core import log_names
from offramp_core.errors import OfframpError
from offramp_core.quota import history_log
from offramp_core.quota.windows import QuotaWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from datetime import datetime
    from pathlib import Path

    from offramp_core.quota.windows import QuotaPoint

Told = dict[tuple[str, str], list[QuotaWindow]]
"""By backend and account, the windows that were told last."""

_LOOK_EVERY_S: Final = 15.0
_LOOK_BACK = timedelta(days=8)
_MOST_POINTS: Final = 2000
_CLOCKS_DIFFER = timedelta(minutes=1)
_LOG = logging.getLogger(__name__)


class OtherMachines:
    """Looks, now and then, at what the other machines that share the folder wrote."""

    def __init__(
        self,
        folder: Path,
        machine: str,
        clock: Callable[[], datetime],
        take: Callable[[Told], None],
    ) -> None:
        """Look in `folder`, where this one is `machine`; `take` is told of what is new."""
        self._folder = folder
        self._machine = machine
        self._clock = clock
        self._take = take
        self._seen: Hashable = ()

    async def watch(self) -> None:
        """Go on looking; at nothing where this machine has no name, and so shares with none."""
        while self._machine:
            try:
                told = await asyncio.to_thread(self.look)
                if told:
                    self._take(told)
            except Exception:  # noqa: BLE001 - requests go on by what this machine was told
                _LOG.exception("What other machines were told could not be counted")
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self) -> Told:
        """Return what the others' files hold, if they changed since the last look. Blocks."""
        seen = history_log.mark(self._folder)
        if seen == self._seen:
            return {}
        self._seen = seen
        try:
            return _latest(self._points(self._clock()))
        except OSError:
            return {}

    def _points(self, now: datetime) -> Iterable[QuotaPoint]:
        """All that the other machines were told of late, but what their clocks date ahead."""
        for file in log_names.find(self._folder, log_names.QUOTA):
            if log_names.machine_of(file) in (self._machine, ""):
                continue
            try:
                points = history_log.read_file(file, now - _LOOK_BACK, most=_MOST_POINTS)
            except OfframpError:
                self._seen = ()  # to be tried again; the others' files are read
                continue
            yield from (point for point in points if point.ts <= now + _CLOCKS_DIFFER)


def _latest(points: Iterable[QuotaPoint]) -> Told:
    latest: dict[tuple[str, str, str], QuotaPoint] = {}
    for point in points:
        key = point.backend, point.account, point.window
        if key not in latest or latest[key].ts <= point.ts:
            latest[key] = point
    told: Told = {}
    for point in latest.values():
        window = QuotaWindow(
            name=point.window, used=point.used, resets=point.resets, read_at=point.ts
        )
        told.setdefault((point.backend, point.account), []).append(window)
    return told
