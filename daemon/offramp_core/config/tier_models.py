"""Says which model serves a tier of Claude's models, and makes the routes for another choice.

Pure: it reads and writes no file. A tier is a part of Claude's names, such as `sonnet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import structs

from offramp_core.backend import Route
from offramp_core.services import SERVICES, anthropic, service_of
from offramp_core.wording.formatting import backend_name, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingModel:
    """Who answers: a backend, and the model's name there (empty: the backend decides)."""

    backend: str
    model: str = ""
    context_tokens: int | None = None

    @property
    def title(self) -> str:
        """What people call it: `GLM-5.4`, `Claude`, `their-model at mygateway`."""
        name, model = backend_name(self.backend)[:_LONGEST_NAME], printable(self.model)
        model = model[:_LONGEST_NAME]
        if not self.model:
            return name
        return model if service_of(self.backend).models else f"{model} at {name}"

    def is_same(self, other: ServingModel) -> bool:
        """Whether both are one model, whatever is known of it."""
        mine, others = self.model.lower(), other.model.lower()
        return self.backend == other.backend and mine == others


CLAUDE = ServingModel(backend=anthropic.NAME)


def serving(routes: Sequence[Route], tier: str) -> ServingModel:
    """Return who answers what is asked of `tier`; Claude where no route matches."""
    place = deciding(routes, tier)
    if place is None or routes[place].backend == anthropic.NAME:
        return CLAUDE
    route = routes[place]
    model = route.send_model
    if model is None:
        known = service_of(route.backend).aliases.get(tier)
        model = known.name if known else ""
    return ServingModel(backend=route.backend, model=model, context_tokens=route.context_tokens)


def choices(backends: Iterable[str]) -> tuple[ServingModel, ...]:
    """Return all that a tier can be served by: Claude, and each model of the services in use."""
    names = set(backends)
    models = (
        ServingModel(backend=service.name, model=model.name, context_tokens=model.context_tokens)
        for service in SERVICES
        for model in service.models
        if service.name in names
    )
    return (CLAUDE, *models)


def with_choice(routes: Sequence[Route], tier: str, choice: ServingModel) -> tuple[Route, ...]:
    """Return `routes` with one that sends `tier` to `choice`; all other routes stay.

    A route of the tier's own is changed in its place; before a wider one it gets its own.
    """
    new, place = _route_to(choice, tier), deciding(routes, tier)
    if place is None:
        return (*routes, new)
    is_own = routes[place].match.lower() == tier
    if is_own:
        new = structs.replace(new, match=routes[place].match)
    return (*routes[:place], new, *routes[place + is_own :])


def table_of(route: Route) -> dict[str, Any]:
    """Return the route as the file holds it."""
    found = {key: getattr(route, key) for key in route.__struct_fields__}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in found.items()
        if value is not None
    }


def deciding(routes: Sequence[Route], tier: str) -> int | None:
    """Return the place of the route that decides for all of the tier's models; None without one."""
    name = f"claude-{tier}-"
    return next((at for at, route in enumerate(routes) if route.match.lower() in name), None)


def _route_to(choice: ServingModel, tier: str) -> Route:
    """What the service's usual model gets is the service's own route, which names no model."""
    service = service_of(choice.backend)
    usual = service.aliases.get(tier)
    own = next((route for route in service.routes if route.match == tier), None)
    if own is not None and usual is not None and usual.name.lower() == choice.model.lower():
        return own
    return Route(
        match=tier,
        backend=choice.backend,
        send_model=choice.model or None,
        context_tokens=choice.context_tokens,
    )
