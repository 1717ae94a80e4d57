"""In which order backends and models come in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core import services

if TYPE_CHECKING:
    from collections.abc import Iterable

Route = tuple[str | None, str | None]
"""A backend and the model that was asked for."""


def route_key(route: Route) -> str:
    """Names `route` for good."""
    return f"{route[0] or ''}/{route[1] or ''}"


def backends_in_order(backends: Iterable[str | None]) -> tuple[str | None, ...]:
    """Claude, the others by name, and none last: an order that no number changes."""
    return services.in_order(backends)


def routes_in_order(routes: Iterable[Route]) -> tuple[Route, ...]:
    """By backend, then by the model's name."""
    return tuple(
        sorted(
            set(routes),
            key=lambda route: (services.rank(route[0]), route[1] is None, route[1] or ""),
        )
    )
