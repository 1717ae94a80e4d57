"""Says which model serves a tier of Claude's models, and makes the routes for another choice.

Pure: it reads and writes no file. A tier is a part of Claude's names, such as `sonnet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offramp_core.services import SERVICES, anthropic, service_of
from offramp_core.wording.formatting import backend_name, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offramp_core.backend import Route

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


def with_choice(
    routes: Sequence[Route], tier: str, choice: ServingModel
) -> tuple[dict[str, Any], ...]:
    """Return the tables of `routes` with one that sends `tier` to `choice`, for the editor.

    A route of the tier's own is changed in its place; before a wider one it gets its own.
    """
    tables = [table_of(route) for route in routes]
    new = {
        "match": tier,
        "backend": choice.backend,
        "send_model": choice.model or None,
        "context_tokens": choice.context_tokens,
    }
    table = {key: value for key, value in new.items() if value is not None}
    place = deciding(routes, tier)
    if place is not None and routes[place].match.lower() == tier:
        tables[place] = {**table, "match": routes[place].match}
    else:
        tables.insert(len(tables) if place is None else place, table)
    return tuple(tables)


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
