"""Which fill each backend and model has: the same in every chart, whatever is hidden."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_dashboard.data.snapshot import FilterOption, Snapshot
    from offramp_dashboard.theme import Fill, Theme


@dataclass(frozen=True, slots=True)
class SeriesFills:
    """A backend gives the hue, its model the shade and the pattern.

    A backend's own models, those that it serves mostly, have the first shades; a model that it
    serves now and then (while delegation is paused, say) has one behind them.
    """

    backends: tuple[str, ...] = ()
    _places: Mapping[tuple[str | None, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> SeriesFills:
        """By the choices of `snapshot`, which hold all there is, hidden or not."""
        backends = tuple(choice.key for choice in snapshot.providers)
        homes: dict[str | None, list[FilterOption]] = {}
        for choice in snapshot.models:
            homes.setdefault(choice.backend, []).append(choice)
        places = {}
        for backend in {*homes, *(key or None for key in backends)}:
            own = homes.get(backend, [])
            others = [choice for choice in snapshot.models if choice not in own]
            for place, choice in enumerate((*own, *others)):
                places[backend, choice.key] = place
        return cls(backends, places)

    def fill(self, theme: Theme, backend: str | None, model: str | None = None) -> Fill:
        """The fill of a backend's whole, or of one of its models."""
        place = 0 if model is None else self._places.get((backend, model), 0)
        return theme.fill(backend, place, self.backends)
