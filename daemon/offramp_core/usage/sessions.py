"""Folds records into sessions: what one conversation of Claude Code used, subagents included.

Pure: no clock, no files. Subagents send the id of the session that started them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from offramp_core.settings import ANTHROPIC
from offramp_core.usage import tally
from offramp_core.usage.aggregation import Totals, sum_totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from offramp_core.usage.prices import PriceList
    from offramp_core.usage.records import DetailRecord


class Service(NamedTuple):
    """Which model was asked for, and who answered; `served_model` is what the answer names."""

    backend: str | None
    model: str | None
    served_model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation; `start` and `last` are the arrivals of its first and latest request."""

    id: str
    start: datetime
    last: datetime
    services: Mapping[Service, Totals]
    """Who served it, in the order of their first requests."""
    changes: int
    """How often a model's requests went to another backend than those before."""

    def total(self) -> Totals:
        """Return everything in one sum."""
        return sum_totals(self.services.values())


def price_of(session: Session, prices: PriceList) -> float | None:
    """Return what the delegated tokens of `session` would have cost, US dollars.

    None without a price list, which is asked only where something was delegated.
    """
    parts = [(service, totals.counts) for service, totals in session.services.items()]
    if all(service.backend in (None, ANTHROPIC) for service, _ in parts):
        return 0.0
    savings = prices.estimate((each.backend, each.model, counts) for each, counts in parts)
    return None if savings is None else savings.usd


@dataclass(slots=True)
class SessionTable:
    """Sessions while they are counted; add records in any number of calls."""

    without_session: int = 0
    """Requests so far that name no session."""
    _open: dict[str, _Counting] = field(default_factory=dict)

    def add(self, records: Iterable[DetailRecord]) -> None:
        """Count `records`. Nearly sorted by time, as the log is, gives exact changes."""
        sessions = self._open
        for record in records:
            name = record.session_id
            if not name:
                self.without_session += 1
                continue
            session = sessions.get(name)
            if session is None:
                session = sessions[name] = _Counting(record.ts, record.ts)
            session.add(record)

    def sessions(self) -> tuple[Session, ...]:
        """Return all sessions, the one with the latest request first."""
        found = (session.finish(name) for name, session in self._open.items())
        return tuple(sorted(found, key=lambda each: (each.last, each.id), reverse=True))


@dataclass(slots=True)
class _Counting:
    """One session so far."""

    start: datetime
    last: datetime
    changes: int = 0
    cells: dict[tuple[str | None, str | None, str | None], tally.Tally] = field(
        default_factory=dict
    )
    """By backend, model and served model: a `Service` made for each record would be slow."""
    backends: dict[str | None, str | None] = field(default_factory=dict)
    """By model, the backend that its latest request went to."""

    def add(self, record: DetailRecord) -> None:
        if record.ts > self.last:
            self.last = record.ts
        elif record.ts < self.start:
            self.start = record.ts
        if self.backends.setdefault(record.model, record.backend) != record.backend:
            self.changes += 1
            self.backends[record.model] = record.backend
        service = record.backend, record.model, record.served_model
        cell = self.cells.get(service)
        if cell is None:
            cell = self.cells[service] = tally.zero()
        tally.count(cell, record)

    def finish(self, name: str) -> Session:
        services = {Service(*names): tally.totals(cell) for names, cell in self.cells.items()}
        return Session(
            id=name, start=self.start, last=self.last, services=services, changes=self.changes
        )
