"""States of the tray for the tests, and a host and a desktop that only remember."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from patience import PATIENCE_S

from offramp_core.control import api
from offramp_core.control.api import (
    BackendError,
    BackendStatus,
    Bypass,
    Pause,
    RecordsStatus,
    Status,
)
from offramp_core.quota.windows import QuotaWindow
from offramp_core.settings import default_routes
from offramp_core.usage.aggregation import Counts, Totals
from offramp_core.usage.week_log import WeekTotals
from offramp_core.usage.weeks import WeekBoundary
from offramp_tray.state.tray_state import Presence, TrayState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offramp_core.errors import OfframpError
    from offramp_tray.view.view_model import MenuRow, Notification, ViewModel

NOW = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
"""A Wednesday, 14:00 in Berlin."""
BOUNDARY = WeekBoundary(day=4, hour=22, zone=ZoneInfo("Europe/Berlin"))
HOUR = timedelta(hours=1)
_LOOK_AGAIN_S = 0.05


def status_of(
    *,
    pause: Pause | None = None,
    zai_key: str = "present",
    errors: dict[str, BackendError] | None = None,
    records: RecordsStatus | None = None,
    key_note: str | None = None,
    bypasses: dict[str, Bypass] | None = None,
    waiting: int = 0,
    at_once: int | None = None,
    **fields: Any,
) -> Status:
    """A daemon that runs, with the two usual backends; it is Z.ai that requests wait for."""
    found, elsewhere = errors or {}, bypasses or {}
    values: dict[str, Any] = {
        "pid": 4711,
        "started": NOW - timedelta(hours=3),
        "uptime_s": 10800,
        "address": "http://localhost:3001",
        "settings_file": "config.toml",
        **fields,
    }
    return Status(
        pause=pause,
        backends=(
            BackendStatus(
                name="anthropic",
                key="not needed",
                last_error=found.get("anthropic"),
                bypass=elsewhere.get("anthropic"),
            ),
            BackendStatus(
                name="zai",
                key="missing" if zai_key == "missing" else "present",
                key_note=key_note,
                last_error=found.get("zai"),
                bypass=elsewhere.get("zai"),
                waiting=waiting,
                at_once=at_once,
            ),
        ),
        records=records or RecordsStatus(written=5, waiting=0, lost=0),
        **values,
    )


def error_of(kind: str, *, count: int = 1, **fields: Any) -> BackendError:
    """A backend's error, of a few minutes ago."""
    values = {"at": NOW - timedelta(minutes=5), "why": "zai refused it", "http_status": 429}
    return BackendError(kind=kind, count=count, **{**values, **fields})


def bypass_of(cause: str = api.LIMIT, **fields: Any) -> Bypass:
    """Claude stands in since a few minutes ago, for three hours."""
    values = {"to": "anthropic", "since": NOW - timedelta(minutes=5), "until": NOW + 3 * HOUR}
    return Bypass(cause=cause, **{**values, **fields})


def window_of(
    name: str = "7d",
    *,
    used: float | None = 0.4,
    resets_in: timedelta | None = timedelta(days=3),
    age: timedelta = timedelta(),
    **fields: Any,
) -> QuotaWindow:
    """A window of a plan, as it was told just now or `age` ago."""
    resets = None if resets_in is None else NOW + resets_in
    return QuotaWindow(name=name, used=used, resets=resets, read_at=NOW - age, **fields)


def totals_of(requests: int, tokens: int = 0) -> Totals:
    """So many requests, with so many tokens in all."""
    return Totals(Counts(requests=requests, input_tokens=tokens))


def week_of(**by_backend: tuple[int, int]) -> WeekTotals:
    """The running week: backend=(requests, tokens)."""
    return WeekTotals(
        span=BOUNDARY.week_of(NOW),
        by_backend={name: totals_of(*counts) for name, counts in by_backend.items()},
    )


def running(status: Status | None = None, **fields: Any) -> TrayState:
    """All is well: two thirds delegated."""
    values: dict[str, Any] = {
        "now": NOW,
        "boundary": BOUNDARY,
        "presence": Presence.RUNNING,
        "status": status or status_of(),
        "address": "http://localhost:3001",
        "routed": {"zai": ("sonnet", "haiku")},
        "routes": default_routes(),
        "week": week_of(zai=(68, 1_234_000), anthropic=(32, 3_000_000)),
        **fields,
    }
    return TrayState(**values)


def row(rows: tuple[MenuRow, ...], key: str) -> MenuRow:
    """The row of that key, however deep."""
    for each in rows:
        if each.key == key:
            return each
        for below in each.rows:
            if below.key == key:
                return below
    raise LookupError(key)


def whole_text(rows: tuple[MenuRow, ...], key: str) -> str:
    """A row's text, with the rows that it goes on in."""
    keys = {each.key for each in rows}
    parts = [key, *(f"{key}.more{n}" for n in (1, 2) if f"{key}.more{n}" in keys)]
    return " ".join(filter(None, (row(rows, part).text for part in parts)))


class FakeHost:
    """Shows nothing, and remembers all."""

    def __init__(self) -> None:
        self.faces: list[ViewModel] = []
        self.messages: list[Notification] = []
        self.changed = threading.Condition()
        self.over = threading.Event()
        self.ready = threading.Event()
        self.on_click: Callable[[str], None] = lambda _key: None
        self.on_open: Callable[[], None] | None = None
        self.on_presence: Callable[[bool], None] | None = None
        self.on_restart: Callable[[], None] | None = None

    def run(
        self,
        view: ViewModel,
        *,
        on_click: Callable[[str], None],
        on_ready: Callable[[], None],
        on_open: Callable[[], None] | None = None,
        on_presence: Callable[[bool], None] | None = None,
        on_restart: Callable[[], None] | None = None,
    ) -> None:
        self.on_click, self.on_open, self.on_presence = on_click, on_open, on_presence
        self.on_restart = on_restart
        self.show(view)
        on_ready()
        self.ready.set()
        self.over.wait()

    def show(self, view: ViewModel) -> None:
        with self.changed:
            self.faces.append(view)
            self.changed.notify_all()

    def notify(self, message: Notification) -> None:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def stop(self) -> None:
        self.over.set()

    @property
    def view(self) -> ViewModel:
        return self.faces[-1]

    def row(self, key: str) -> MenuRow:
        return row(self.view.rows, key)

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so; what the host is not told of is looked at now and then."""
        over_s = time.monotonic() + PATIENCE_S
        with self.changed:
            while not is_so():
                assert time.monotonic() < over_s, [
                    each.text for each in self.view.rows if each.is_visible
                ]
                self.changed.wait(_LOOK_AGAIN_S)


class FakeDesktop:
    """Remembers what it was asked for, and refuses what it is told to refuse."""

    def __init__(self, *, can_copy: bool = True) -> None:
        self.can_copy = can_copy
        self.opened: list[Path] = []
        self.copied: list[str] = []
        self.commands: list[tuple[str, ...]] = []
        self.launched: list[tuple[str, ...]] = []
        self.refusal: OfframpError | None = None
        self.program = "/bin/sh"

    def offramp(self) -> list[str]:
        return [self.program]

    def open_path(self, path: Path, *, is_text: bool = False) -> None:
        del is_text
        self.opened.append(path)
        self._refuse()

    def copy(self, text: str) -> bool:
        self.copied.append(text)
        return self.can_copy

    def command(self, *arguments: str) -> None:
        self.commands.append(arguments)
        self._refuse()

    def launch(self, *arguments: str) -> None:
        self.launched.append(arguments)
        self._refuse()

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal
