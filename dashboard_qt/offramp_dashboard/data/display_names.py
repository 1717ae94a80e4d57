"""How backends and models are called in the window, and in which order they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core import services
from offramp_core.wording import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable

Route = tuple[str | None, str | None]
"""A backend and the model that was asked for."""


def backend_name(backend: str | None) -> str:
    """What `backend` is called, by the tray as well."""
    return formatting.backend_name(backend) if backend is not None else "No backend"


def model_name(model: str | None) -> str:
    """What `model` is called, without its maker's name and the date of the snapshot."""
    return formatting.short_model(model) if model else "No model"


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
