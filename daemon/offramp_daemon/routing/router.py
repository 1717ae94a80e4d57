"""Decides where a request goes and says why: a pure function of request, settings and state."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from offramp_core.services import DELEGATE, KNOWN, service_of
from offramp_core.services.service import LONG_CONTEXT_SUFFIX
from offramp_core.settings import ANTHROPIC, Route, Settings
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.routing.decision import ORDINARY, Circumstances, Decision
from offramp_daemon.routing.keep_rules import is_quota_probe, reasons_to_keep
from offramp_daemon.routing.tiers import claude_tier, is_execution

if TYPE_CHECKING:
    from offramp_core.settings import Backend
    from offramp_daemon.messages.request_body import RequestBody

_OWN_NAMES: Final = tuple({name for service in KNOWN for name in service.own_names})
_MOST_MODELS: Final = 100
GOES_ON: Final = "conversation goes on"
"""The reason of what stays on Claude since its conversation's prompt cache is warm only there."""
OVERFLOWS: Final = "overflow: the Claude plan is spent"
"""The reason of what goes to a delegate since Claude's plan refuses it."""


class RouteTable:
    """What the routes by themselves say of each model, by the settings that were in force last."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._settings: Settings | None = None
        self._known: dict[str, Decision] = {}

    def of(self, model: str, settings: Settings) -> Decision:
        """The decision for `model` where nothing stands in its way."""
        if settings is not self._settings or len(self._known) > _MOST_MODELS:
            self._settings, self._known = settings, {}
        decision = self._known.get(model)
        if decision is None:
            decision = self._known[model] = _by_routes(model, settings)
        return decision


def decide(
    body: RequestBody,
    settings: Settings,
    around: Circumstances = ORDINARY,
    table: RouteTable | None = None,
) -> Decision:
    """Choose the backend for `body`: of the first route whose text its model contains, if it may.

    Whoever asks more than once keeps a `table`, which spares the search through the routes.

    Raises:
        RequestFailedError: it asks for a model that Claude does not have, and may not be delegated.
    """
    table = table or RouteTable()
    decision = by_name(body, settings, table)
    if decision is not None:
        return decision
    model = body.model
    if body.is_odd and model is not None and is_of_delegate(model):
        raise RequestFailedError(_unserved(model, "the request has no form that Offramp knows"))
    if model is None or body.is_odd:
        return _stay(settings, "no model" if body.view and not body.is_odd else "unreadable body")
    by_route = table.of(model, settings)
    backend, route = by_route.backend, by_route.route
    if route is None:
        return by_route
    obstacle = _obstacle(settings, by_route, around)
    if obstacle is not None and is_of_delegate(model):
        raise RequestFailedError(_unserved(model, obstacle))
    if obstacle is not None:
        return _stay(settings, obstacle)
    kept_by = _rule_that_keeps(body, settings, backend, route)
    if kept_by is not None:
        stay = _stay(settings, f"kept: {kept_by}")
        return dataclasses.replace(stay, kept_from=route, kept_by=kept_by)
    if around.is_paused:
        return dataclasses.replace(
            by_route, reason="paused, conversation goes on", is_ordinary=False
        )
    return _choose(model, settings, by_route, around)


def by_name(body: RequestBody, settings: Settings, table: RouteTable) -> Decision | None:
    """The decision of a request whose model is Claude's to serve, whatever goes on around it.

    None where it takes `decide`, and so longer.
    """
    if body.model is None or body.is_odd:
        return None
    decision = table.of(body.model, settings)
    return None if decision.is_delegated else decision


def _by_routes(model: str, settings: Settings) -> Decision:
    route = _route_for(model.lower(), settings) or _route_by_name(model, settings)
    if route is None:
        return Decision(backend=settings.backend(ANTHROPIC), reason="default", is_ordinary=True)
    return Decision(
        backend=settings.backend(route.backend),
        reason=f"route {route.match}",
        route=route,
        is_ordinary=True,
    )


def _obstacle(settings: Settings, by_route: Decision, around: Circumstances) -> str | None:
    """Why the request can't be delegated, or is not to be; None if it may."""
    backend = by_route.backend
    if settings.delegation == "never":
        return "delegation is off"
    if around.is_paused and not (settings.let_conversations_finish and around.is_warm(backend)):
        return "paused"
    if backend.lacks_key:
        return f"no key for {backend.name}"
    return None


def _rule_that_keeps(
    body: RequestBody, settings: Settings, backend: Backend, route: Route
) -> str | None:
    """The rule by which the request stays on Claude; None where none does.

    What asks for a delegate's own model by its name can be served by nobody else.
    """
    if is_of_delegate(body.model):
        return None
    return next(reasons_to_keep(body, backend, route, settings.keep_on_anthropic), None)


def _choose(model: str, settings: Settings, by_route: Decision, around: Circumstances) -> Decision:
    """Between the two that could serve it: where the conversation is warm, else as set.

    One that is warm at both was away only for a while, and returns. The autopilot is asked only
    about execution work: another model's route is the user's own choice, and Claude may not know
    that model.
    """
    if around.is_warm(by_route.backend):
        return by_route
    claude = settings.backend(ANTHROPIC)
    goes_on = around.is_warm(claude)
    may_choose = settings.delegation == "auto" and is_execution(model)
    if not goes_on and not may_choose:
        return by_route
    is_spent = around.is_claude_spent()
    if goes_on and not is_spent:
        return Decision(
            backend=claude,
            reason=GOES_ON,
            route=by_route.route,
            otherwise=by_route,
        )
    if not may_choose or around.choose is None:
        return by_route
    choice = around.choose(model, by_route.backend.name)
    if not choice.is_claude:
        return dataclasses.replace(by_route, reason=choice.why)
    if is_spent:
        return by_route
    return Decision(backend=claude, reason=choice.why, route=by_route.route, otherwise=by_route)


def overflow(body: RequestBody, settings: Settings) -> Decision | None:
    """Where a request goes that belongs on Claude, once its plan is spent; None if nowhere.

    That is the first delegate that the routes name, has a key, and can serve the request at all.
    """
    if not settings.overflow or settings.delegation == "never" or body.is_odd:
        return None
    if body.model is None or is_quota_probe(body):
        return None
    routed = [(route, settings.backend(route.backend)) for route in settings.routes]
    able = [(route, each) for route, each in routed if each.auth != "client" and not each.lacks_key]
    if not able:
        return None
    backend = able[0][1]
    rooms = [route.context_tokens for route, each in able if each == backend]
    room = None if None in rooms else max(room for room in rooms if room is not None)
    route = Route(
        match=claude_tier(body.model),
        backend=backend.name,
        send_model=_overflow_model(settings, backend),
        context_tokens=room,
    )
    if next(reasons_to_keep(body, backend, route, settings.keep_on_anthropic), None) is not None:
        return None
    return Decision(backend=backend, reason=OVERFLOWS, route=route)


def _overflow_model(settings: Settings, backend: Backend) -> str:
    """The model that overflow is sent as; the default one only where it is the backend's own.

    Of a service whose models are not known, a route says which it has.
    """
    if settings.overflow_model != DELEGATE.overflow_model:
        return settings.overflow_model
    routed = (each.send_model for each in settings.routes if each.backend == backend.name)
    own = service_of(backend.name).overflow_model
    return own or next(filter(None, routed), None) or settings.overflow_model


def _route_for(lowered_model: str, settings: Settings) -> Route | None:
    for route in settings.routes:
        if route.match.lower() in lowered_model:
            return route
    return None


def is_of_delegate(model: str | None) -> bool:
    """Whether `model` is a delegate's own by its name, so that Claude can't serve it."""
    return model is not None and model.lower().startswith(_OWN_NAMES)


def _route_by_name(model: str, settings: Settings) -> Route | None:
    """The way to a delegate for its own models, which no route has to name.

    Of two that have the model, the one that has its key.
    """
    if not is_of_delegate(model):
        return None
    lowered = model.lower()
    having = [
        backend
        for backend in settings.backends
        if (own := service_of(backend.name).own_names) and lowered.startswith(own)
    ]
    backend = min(having, key=lambda each: each.lacks_key, default=None)
    if backend is None:
        return None
    return Route(match=lowered.removesuffix(LONG_CONTEXT_SUFFIX), backend=backend.name)


def _unserved(model: str, obstacle: str) -> Failure:
    """Say why nobody serves a model of a delegate's."""
    lowered = model.lower()
    owner = next(
        (each for each in KNOWN if each.own_names and lowered.startswith(each.own_names)), DELEGATE
    )
    return Failure(
        status=400,
        message=f"Offramp: {model} can't be sent to {owner.title} ({obstacle}), and Claude has "
        "no such model. `offramp status` shows what to do. Or choose one of Claude's "
        "models.",
        headers={"x-should-retry": "false"},
    )


def _stay(settings: Settings, reason: str) -> Decision:
    return Decision(backend=settings.backend(ANTHROPIC), reason=reason)
