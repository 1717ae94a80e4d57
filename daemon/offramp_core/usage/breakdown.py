"""Folds records into totals by project, session, model, reason or day.

Pure: no clock, no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from offramp_core.usage import tally
from offramp_core.usage.weeks import days

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, tzinfo

    from offramp_core.usage.aggregation import Totals
    from offramp_core.usage.records import DetailRecord

By = Literal["project", "session", "model", "reason", "day"]


@dataclass(slots=True)
class Breakdown:
    """Totals per name while they are counted; None is the name of what has none.

    A day is named by its date on the clocks of `zone`. `projects` has the project of each session.
    """

    by: By
    zone: tzinfo
    projects: Mapping[str, str] = field(default_factory=dict)
    _cells: dict[str | None, tally.Tally] = field(default_factory=dict)
    _day: tuple[datetime, datetime, str] | None = None

    def add(self, records: Iterable[DetailRecord]) -> None:
        """Count `records`; nearly sorted by time is fastest."""
        for record in records:
            name = self._name(record)
            cell = self._cells.get(name)
            if cell is None:
                cell = self._cells[name] = tally.zero()
            tally.count(cell, record)

    def totals(self) -> dict[str | None, Totals]:
        """Return the totals: days in order, everything else with the most tokens first."""
        found = {name: tally.totals(cell) for name, cell in self._cells.items()}
        if self.by == "day":
            return dict(sorted(found.items(), key=lambda item: item[0] or ""))
        return dict(
            sorted(found.items(), key=lambda item: (-item[1].tokens, -item[1].requests, str(item)))
        )

    def _name(self, record: DetailRecord) -> str | None:
        match self.by:
            case "model":
                return record.model
            case "session":
                return record.session_id
            case "reason":
                return record.reason
            case "project":
                return self.projects.get(record.session_id or "")
            case "day":
                return self._day_of(record.ts)

    def _day_of(self, moment: datetime) -> str:
        if self._day is None or not self._day[0] <= moment < self._day[1]:
            (day,) = days(moment, moment.resolution + moment, self.zone)
            self._day = day.start, day.end, f"{moment.astimezone(self.zone):%Y-%m-%d}"
        return self._day[2]
