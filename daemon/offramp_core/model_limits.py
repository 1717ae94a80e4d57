"""Finds the limits of the model that a request is sent with, as known and as set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from offramp_core.services import OTHER, service_of

if TYPE_CHECKING:
    from offramp_core.backend import Backend, Route
    from offramp_core.services import Model

_OVERRIDES = (
    "context_tokens",
    "max_output_tokens",
    "images",
    "documents",
    "always_thinks",
    "efforts",
)
"""The limits that a route may set, by their name in both places."""


def limits_for(backend: Backend, route: Route | None, asked_model: str | None) -> Model:
    """Find the limits for a request for `asked_model` that takes `route` to `backend`.

    What the route sets counts first, then what the backend takes whatever the model, then what its
    service is known to take.
    """
    sent = (route.send_model if route else None) or asked_model or ""
    service = service_of(backend.name)
    known = service.limits_of(sent)
    takes_anything = backend.accept_fields == "all"
    if takes_anything and service is OTHER:  # a gateway to Claude
        known = replace(known, max_output_tokens=None)
    if takes_anything or "output_config" in backend.accept_fields:
        known = replace(known, efforts=known.efforts or None)
    if backend.images or backend.documents:
        known = replace(
            known,
            images=known.images or backend.images,
            documents=known.documents or backend.documents,
        )
    if route is None:
        return known
    fields = msgspec.structs.asdict(route)
    given = {name: fields[name] for name in _OVERRIDES if fields[name] is not None}
    return replace(known, **given) if given else known
