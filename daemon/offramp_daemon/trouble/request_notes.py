"""Reads from requests and their outcomes what says whether delegation works.

What goes to a delegate past the routes says nothing when it fails: a model asked for by the
delegate's own name, whose client hears of each failure, and what Claude's spent plan refused.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from offramp_daemon.messages import request_body
from offramp_daemon.routing import keep_rules, router, stand_ins
from offramp_daemon.trouble import runs
from offramp_daemon.trouble.settings_mark import mark_of
from offramp_daemon.trouble.watch import DelegationWatch, Subject

if TYPE_CHECKING:
    from offramp_core.settings import Route, Settings
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome
    from offramp_daemon.messages.request_body import RequestBody
    from offramp_daemon.routing.decision import Decision
    from offramp_daemon.trouble.watch import Skip

_ID_CHARACTERS = 200


class RequestNotes:
    """Tells a watch of requests. Only used from the event loop; nothing in it blocks."""

    def __init__(self, watch: DelegationWatch | None = None) -> None:
        """Write to `watch`, or to one of its own."""
        self._watch = watch or DelegationWatch()

    def skip_for(self, exchange: Exchange) -> Skip | None:
        """Why the request should skip the delegate that was decided on; None if it should not."""
        if self._watch.is_calm:
            return None
        subject = _subject(exchange, exchange.decision)
        return None if subject is None else self._watch.skip_for(subject)

    def note_sent(self, exchange: Exchange) -> None:
        """The request goes to the delegate that was decided on."""
        if self._watch.is_calm:
            return
        subject = _subject(exchange, exchange.decision)
        if subject is not None:
            self._watch.note_sent(subject)

    def note_begun(self, exchange: Exchange) -> None:
        """The delegate's answer has begun, and not with an error."""
        if self._watch.is_calm:
            return
        subject = _subject(exchange, exchange.decision)
        if subject is not None:
            self._watch.note_begun(subject)

    def note_stood_in(self, exchange: Exchange, before: Decision, cause: str | None) -> None:
        """Claude answers in the stead of the delegate of `before`, for `cause`."""
        subject = _subject(exchange, before)
        if subject is not None:
            self._watch.note_delegated(subject)
            self._watch.note_stood_in(subject, cause)

    def note_outcome(self, exchange: Exchange, outcome: Outcome) -> None:
        """Take into account how a request ended at a backend."""
        if exchange.backend is None:
            return
        decision, is_last = exchange.decision, exchange.outcome is not None
        if exchange.is_delegated:
            self._note_delegated(exchange, outcome)
        elif is_last and decision.kept_by is not None:
            subject = _subject(exchange, decision)
            if subject is not None:
                self._watch.note_kept(subject, _rule_of(exchange, decision.kept_by))
        elif is_last and decision.otherwise is not None and decision.reason == router.GOES_ON:
            subject = _subject(exchange, decision.otherwise)
            if subject is not None:
                self._watch.note_delegated(subject)
            if subject is not None and outcome.status == "success":
                self._watch.note_stayed(subject)

    def _note_delegated(self, exchange: Exchange, outcome: Outcome) -> None:
        # What speaks of the backend is for the breaker, though a request may be at fault.
        cause = outcome.kind or outcome.trouble_cause
        if cause is None and self._watch.is_calm:
            return
        subject = _subject(exchange, exchange.decision)
        if subject is None:
            return
        self._watch.note_delegated(subject)
        if cause is not None:
            self._watch.note_failed(subject, cause, outcome.detail)
        if cause is None and outcome.status == "success":
            self._watch.note_served(subject)
        elif cause not in runs.SKIPPED:
            self._watch.note_undecided(subject)


def _rule_of(exchange: Exchange, kept_by: str) -> str:
    """The rule that kept the request, one that keeps whole conversations under its own name."""
    is_mode = kept_by == "safety_check" and keep_rules.carries_safeguards(exchange.body)
    return runs.SAFEGUARDS if is_mode else kept_by


def _subject(exchange: Exchange, decision: Decision) -> Subject | None:
    """What the request is about; None if it says nothing of the routes."""
    if decision.reason == router.OVERFLOWS or router.is_of_delegate(exchange.body.model):
        return None
    route = _set_route(exchange.settings, decision.kept_from or decision.route, exchange.body.model)
    if route is None:
        return None
    session = exchange.kept(_fit(exchange.session_id)) or runs.unnamed(_shape(exchange.body))
    conversation = exchange.conversation
    return Subject(
        backend=route.backend,
        model=exchange.kept(_fit(route.send_model or exchange.body.model)),
        mark=mark_of(exchange.settings, route),
        session=session,
        conversation=exchange.kept(_fit(f"{session}/{conversation.agent_id}"))
        if conversation
        else session,
    )


def _set_route(settings: Settings, route: Route | None, model: str | None) -> Route | None:
    """The route as it is set, of one that may send another model for the time being.

    That of a delegate which stands in for another one is as good.
    """
    if route is None or any(route is each for each in settings.routes):
        return route
    for each in settings.routes:
        if (each.match, each.backend) == (route.match, route.backend):
            return each
    if model is not None and route.backend in settings.failover_chain:
        own = stand_ins.route_to(settings, route.backend, model)
        return own if own == route else None
    return None


def _shape(body: RequestBody) -> str:
    """What tells apart the requests without a session: their tools, which differ by program."""
    tools = request_body.tools_of(body)
    return f"{zlib.crc32(tools):x}" if tools else ""


def _fit(name: str | None) -> str:
    """`name` fit to be kept: bounded, and no half characters, which no file can hold."""
    if not name:
        return ""
    if name.isascii() and len(name) <= _ID_CHARACTERS:
        return name
    return name[:_ID_CHARACTERS].encode("utf-8", "replace").decode()
