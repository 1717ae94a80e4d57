"""Answers `offramp statusline`: the line that Claude Code shows below its prompt.

What was served last comes from memory, so that it is true at once. The week and how the plan was
used before come from files, read in a thread; a line that can't wait for them goes without.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.quota import forecast, history_log, week_start, windows
from offramp_core.settings import ANTHROPIC
from offramp_core.usage.week_log import WeekLog
from offramp_core.wording import quota_text, status_line_text
from offramp_core.wording.status_line_text import Part, Session
from offramp_daemon.recording import last_served

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo
    from pathlib import Path

    from offramp_core.control.api import Status
    from offramp_core.quota.forecast import PastUse
    from offramp_core.usage.records import RequestRecord
    from offramp_daemon.clock import Clock
    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.recording.last_served import LastServed

_PATIENCE_S = 0.3
"""For the files. Claude Code waits for the line, and the week of a busy user is long."""
_READ_EVERY_S = 1.0
_PAST_EVERY_S = 900.0
"""How the plan was used in earlier weeks changes slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromFiles:
    """What the files said."""

    tokens: Mapping[str | None, int] = field(default_factory=dict)
    """This week's, by backend."""
    past: Mapping[tuple[str, str], PastUse] = field(default_factory=dict)


class StatusLine:
    """One daemon's; used from the event loop."""

    def __init__(
        self,
        served: LastServed,
        live: LiveSettings,
        *,
        folder: Path,
        quota_file: Path,
        zone: Callable[[], tzinfo],
        clock: Clock,
    ) -> None:
        """Read the records in `folder`, and write times as people in `zone` read them."""
        self._served = served
        self._live = live
        self._folder = folder
        self._quota_file = quota_file
        self._zone = zone
        self._clock = clock
        self._found = _FromFiles()
        self._reading: asyncio.Future[_FromFiles] | None = None
        self._read_at_s = -_READ_EVERY_S
        self._earlier: Mapping[str, RequestRecord] | None = None
        self._has_earlier = False
        self._week: WeekLog | None = None
        self._past_at_s = -_PAST_EVERY_S
        self._past: Mapping[tuple[str, str], PastUse] = {}

    async def line(
        self, said: bytes, status: Callable[[], Status], *, columns: int, has_colour: bool
    ) -> str:
        """Return the line for the session that Claude Code's JSON, `said`, speaks of."""
        await self._look()
        now, zone = self._clock(), self._zone()
        told = _told(said)
        named = told.get("session_id")
        session_id = named if isinstance(named, str) else None
        session = Session(
            last=self._served.of(session_id),
            is_at_work=session_id is not None and _is_at_work(told),
        )
        at_present = status()
        return status_line_text.line(
            status_line_text.who_parts(session, at_present, now, zone),
            status_line_text.split_parts(self._found.tokens),
            self._quota(at_present, now, zone),
            columns=columns,
            has_colour=has_colour,
        )

    async def tokens(self) -> Mapping[str | None, int]:
        """Return this week's tokens by backend, as far as they are known by now."""
        await self._look()
        return self._found.tokens

    def _quota(self, status: Status, now: datetime, zone: tzinfo) -> tuple[Part, Part] | None:
        plan = windows.find(status.quota, ANTHROPIC)
        if plan is None:
            return None
        past = self._found.past
        found = status_line_text.tightest(
            (
                (
                    window,
                    forecast.expect_in_plan(ANTHROPIC, window, now, past, status.outlooks, zone),
                )
                for window in quota_text.important(plan.windows)
            ),
            now,
        )
        return None if found is None else status_line_text.quota_parts(*found, now, zone)

    async def _look(self) -> None:
        """Have the files read, and wait for them a little."""
        if self._reading is None:
            if time.monotonic() - self._read_at_s < _READ_EVERY_S:
                return
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(None, self._read)
        reading = self._reading
        await asyncio.wait([reading], timeout=_PATIENCE_S)
        if reading.done() and reading is self._reading:  # nobody else has taken it over
            self._reading = None
            self._read_at_s = time.monotonic()
            self._found = reading.result()
            if self._earlier is not None and not self._has_earlier:
                self._served.take_up(self._earlier)
                self._has_earlier = True

    def _read(self) -> _FromFiles:
        """Read what is new in the files; one call at a time, in a thread."""
        if self._earlier is None:
            self._earlier = last_served.from_log(self._folder)
        try:
            tokens = self._week_tokens()
            self._read_past()
        except OfframpError:
            return _FromFiles()
        return _FromFiles(tokens=tokens, past=self._past)

    def _week_tokens(self) -> dict[str | None, int]:
        settings, origins = self._live.current, self._live.origins
        week = week_start.find(settings, origins, self._quota_file, self._zone())
        if self._week is None or self._week.boundary != week.boundary:
            self._week = WeekLog(self._folder, week.boundary, self._clock)
        totals = self._week.totals()
        return {name: each.tokens for name, each in totals.by_backend.items()}

    def _read_past(self) -> None:
        if time.monotonic() - self._past_at_s >= _PAST_EVERY_S:
            points = history_log.read(self._folder, self._clock() - forecast.KEPT)
            self._past = forecast.past_uses(points)
            self._past_at_s = time.monotonic()


def _told(said: bytes) -> dict[str, object]:
    """Return what Claude Code said of the session; nothing of what is not a JSON object."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_at_work(told: Mapping[str, object]) -> bool:
    """Whether the session has just had answers from the API: they should have passed here.

    It takes both signs. After `/clear` some versions keep the time spent (seen with 2.1.197), and a
    resumed session holds answers of another day.
    """
    cost, context = told.get("cost"), told.get("context_window")
    spent = cost.get("total_api_duration_ms") if isinstance(cost, dict) else None
    has_answer = isinstance(context, dict) and isinstance(context.get("current_usage"), dict)
    return has_answer and isinstance(spent, int | float) and spent > 0
