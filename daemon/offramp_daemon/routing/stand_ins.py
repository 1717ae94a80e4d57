"""Finds how a request goes to a delegate that stands in for another one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.services import service_of
from offramp_core.settings import ANTHROPIC, Route
from offramp_daemon.routing.decision import Decision
from offramp_daemon.routing.keep_rules import reasons_to_keep
from offramp_daemon.routing.tiers import claude_tier

if TYPE_CHECKING:
    from offramp_core.settings import Settings
    from offramp_daemon.messages.request_body import RequestBody


def names(settings: Settings, routed: str) -> tuple[str, ...]:
    """List the delegates that may stand in for the backend `routed`, in the order to ask them."""
    chain = settings.failover_chain
    if chain == (ANTHROPIC,):
        return ()
    there = {backend.name for backend in settings.backends} - {routed, ANTHROPIC}
    return tuple(name for name in chain if name in there)


def route_to(settings: Settings, name: str, model: str) -> Route:
    """Find the way of a request for `model` to the delegate of that name.

    The user's own route there counts first, then what is known of the service. Of a service of
    which nothing is known, any route there says which model it has.
    """
    lowered = model.lower()
    own = [route for route in settings.routes if route.backend == name]
    for route in own:
        if route.match.lower() in lowered:
            return route
    service = service_of(name)
    sent = service.model_for(model)
    if sent is None:
        sent = next((route.send_model for route in own if route.send_model), None)
    known = service.limits_of(sent or model)
    rooms = [route.context_tokens for route in own if route.send_model == sent]
    return Route(
        match=claude_tier(model),
        backend=name,
        send_model=sent,
        context_tokens=next((room for room in rooms if room is not None), known.context_tokens),
    )


def decision_for(
    body: RequestBody, settings: Settings, name: str, reason: str
) -> tuple[Decision, str | None]:
    """Decide for the delegate of that name; with it comes why it can't take the request."""
    backend = settings.backend(name)
    route = route_to(settings, name, body.model or "")
    decision = Decision(backend=backend, reason=reason, route=route)
    if backend.lacks_key:
        return decision, "no key"
    kept_by = next(reasons_to_keep(body, backend, route, settings.keep_on_anthropic), None)
    return decision, kept_by
