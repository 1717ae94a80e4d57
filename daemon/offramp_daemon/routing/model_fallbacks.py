"""Remembers which names of models a backend does not know, and what is sent for them instead.

A route's `fallback_model` stands in for a day; then the name itself is tried again. What is
remembered outlives the daemon, but no other version of it, and no change of the settings that it
depends on. Used from the event loop only.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from offramp_core.control.api import ModelFallback
from offramp_core.redaction import mask_credentials
from offramp_core.services import service_of
from offramp_core.services.service import LONG_CONTEXT_SUFFIX
from offramp_daemon.clock import utc_now
from offramp_daemon.routing.router import is_of_delegate

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_core.settings import Backend, Route
    from offramp_daemon.clock import Clock
    from offramp_daemon.routing.decision import Decision

KEPT_FOR: Final = timedelta(days=1)
_MOST = 100
"""Names come from clients."""
_NAME = re.compile(r"[\w./:@-]{1,200}", re.ASCII)
"""What else a client calls a model is remembered nowhere."""


class StoredFallback(msgspec.Struct, frozen=True, kw_only=True):
    """One name that a backend does not know, as it is kept."""

    backend: str
    base_url: str
    model: str
    sent: str
    until: datetime


Stored = tuple[StoredFallback, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    stored: StoredFallback
    backend: Backend | None
    """As it was set up then; None where the last daemon had it."""

    def holds_for(self, backend: Backend, sent: str | None, now: datetime) -> bool:
        """Whether nothing has changed since, and the time is not over."""
        is_same = backend == self.backend or (
            self.backend is None and backend.base_url == self.stored.base_url
        )
        return is_same and sent == self.stored.sent and now < self.stored.until


class ModelFallbacks:
    """What is sent in place of names that backends do not know."""

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        on_change: Callable[[Stored], None] = lambda _stored: None,
    ) -> None:
        """Know nothing yet; `on_change` gets all that is to be kept."""
        self._clock = clock
        self._on_change = on_change
        self._known: dict[tuple[str, str], _Known] = {}

    def take_up(self, stored: Stored) -> None:
        """Take over what the last daemon remembered."""
        for each in stored[:_MOST]:
            self._known.setdefault((each.backend, each.model), _Known(each, None))

    def applied(self, decision: Decision, model: str | None) -> Decision:
        """`decision` for a request for `model`, with the name that is sent for it now."""
        if not self._known or model is None:
            return decision
        other = decision.otherwise
        if other is not None:
            decision = dataclasses.replace(decision, otherwise=self.applied(other, model))
        if not decision.is_delegated or decision.route is None:
            return decision
        backend, sent = decision.backend, _name(decision.route.send_model or model)
        known = self._known.get((backend.name, sent))
        if known is None:
            return decision
        fallback = _fallback_of(backend, decision.route, model)
        if not known.holds_for(backend, fallback, self._clock()) or fallback is None:
            del self._known[backend.name, sent]
            self._keep()
            return decision
        return _sent_as(decision, fallback)

    def alternative(self, decision: Decision, model: str | None) -> Decision | None:
        """What to try where the backend does not know the name that `decision` sends.

        None where nothing is left to try, so that a request is tried again only once.
        """
        if decision.route is None or model is None:
            return None
        fallback = _fallback_of(decision.backend, decision.route, model)
        sent = decision.route.send_model or model
        if fallback is None or fallback.lower() == sent.lower():
            return None
        return dataclasses.replace(_sent_as(decision, fallback), is_ordinary=False)

    def remember(self, before: Decision, model: str | None, after: Decision) -> None:
        """The backend serves what `after` sends, and does not know what `before` sent."""
        backend = before.backend
        if before.route is None or after.route is None or after.route.send_model is None:
            return
        name = _name(before.route.send_model or model or "")
        if _NAME.fullmatch(name) is None or mask_credentials(name) != name:
            return
        stored = StoredFallback(
            backend=backend.name,
            base_url=backend.base_url,
            model=name,
            sent=after.route.send_model,
            until=self._clock() + KEPT_FOR,
        )
        self._known.pop((backend.name, name), None)
        self._known[backend.name, name] = _Known(stored, backend)
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        self._keep()

    def forget(self, decision: Decision) -> None:
        """The backend does not know the name any more that `decision` sends."""
        sent = decision.route.send_model if decision.route else None
        gone = [
            key
            for key, known in self._known.items()
            if key[0] == decision.backend.name and known.stored.sent == sent
        ]
        for key in gone:
            del self._known[key]
        if gone:
            self._keep()

    def current(self, backends: tuple[Backend, ...]) -> tuple[ModelFallback, ...]:
        """All that is in force with these backends, for the daemon's status."""
        now, found = self._clock(), []
        for backend in backends:
            for known in self._known.values():
                each = known.stored
                if each.backend == backend.name and known.holds_for(backend, each.sent, now):
                    found.append(
                        ModelFallback(
                            backend=each.backend, model=each.model, sent=each.sent, until=each.until
                        )
                    )
        return tuple(found)

    def _keep(self) -> None:
        self._on_change(tuple(known.stored for known in self._known.values()))


def _fallback_of(backend: Backend, route: Route, model: str) -> str | None:
    """The name to send where `backend` does not know the one of `route`; None if there is none.

    A service's own fallback stands in for Claude's names only: who asks for a model of the
    service's own by name, or sets one to be sent, is to get that one or an error.
    """
    if route.fallback_model is not None:
        return route.fallback_model
    if route.send_model is not None or is_of_delegate(model):
        return None
    return service_of(backend.name).fallback_model or None


def _sent_as(decision: Decision, sent: str) -> Decision:
    if decision.route is None:
        return decision
    route = msgspec.structs.replace(decision.route, send_model=sent, fallback_model=sent)
    reason = f"{decision.reason}, model unknown to {decision.backend.name}, sent as {sent}"
    return dataclasses.replace(decision, route=route, reason=reason)


def _name(model: str) -> str:
    return model.lower().removesuffix(LONG_CONTEXT_SUFFIX)
