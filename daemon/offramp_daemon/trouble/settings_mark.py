"""A short mark of the settings by which a route delegates: it changes when one of them does.

Keys have no part in it, for marks are written to disk.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import msgspec

from offramp_core.services.anthropic import TIERS
from offramp_core.settings import ANTHROPIC
from offramp_daemon.routing import stand_ins

if TYPE_CHECKING:
    from offramp_core.settings import Backend, KeepRules, Route, Settings

_LENGTH = 16


def mark_of(settings: Settings, route: Route) -> str:
    """The mark of what decides how a request on `route` is sent, and whether it is."""
    backend = settings.backend(route.backend)
    keyless = msgspec.structs.replace(backend, key=None)
    return _mark(keyless, route, settings.thinking, settings.keep_on_anthropic)


def marks_of(settings: Settings, backend: str) -> frozenset[str]:
    """The marks of all routes to `backend`, those included by which it stands in for another."""
    routes = [route for route in settings.routes if route.backend == backend]
    if backend != ANTHROPIC and backend in settings.failover_chain:
        routes += [stand_ins.route_to(settings, backend, tier) for tier in TIERS]
    return frozenset(mark_of(settings, route) for route in routes)


@functools.lru_cache(maxsize=256)
def _mark(backend: Backend, route: Route, thinking: str, rules: KeepRules) -> str:
    data = msgspec.json.encode([backend, route, thinking, rules])
    return hashlib.sha256(data).hexdigest()[:_LENGTH]
