"""Sees a routed message through to its answer, and steps around a backend that can't serve it.

As long as no byte of an answer has gone to the client, another backend may serve the request: a
delegated one goes to the other delegates that the settings name, and then to Claude as it came,
with the client's own credentials; what Claude's spent plan refuses goes to the delegate, where that
is allowed. From the first byte on the answer is the
backend's, however it ends. Whatever happens, one request has one answer and one record.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.settings import ANTHROPIC
from offramp_daemon.messages.answers import outcome
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.proxy import answer_check, answer_reader, failover_policy, responses
from offramp_daemon.proxy.detour import Miss, served_by
from offramp_daemon.proxy.forwarder import ERROR_STATUS
from offramp_daemon.resilience.circuit_breaker import nothing_known
from offramp_daemon.resilience.request_queue import SlotTimeoutError
from offramp_daemon.routing import message_threads, router, stand_ins
from offramp_daemon.routing.decision import Decision
from offramp_daemon.routing.message_threads import ThreadOrigins
from offramp_daemon.routing.model_fallbacks import ModelFallbacks
from offramp_daemon.trouble.request_notes import RequestNotes

if TYPE_CHECKING:
    from aiohttp import web

    from offramp_daemon.exchange import Exchange, Permit
    from offramp_daemon.proxy.forwarder import Forwarder
    from offramp_daemon.resilience.circuit_breaker import CircuitBreaker, SpentUntil
    from offramp_daemon.resilience.request_queue import RequestQueue, Slot
    from offramp_daemon.routing.affinity import ConversationAffinity
    from offramp_daemon.upstream.answer import Answer

_MOST_REFUSALS = 3
"""So often a request waits for another slot where somebody else could serve it."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """What the requests of all clients have in common beside the services themselves."""

    breaker: CircuitBreaker
    queue: RequestQueue
    conversations: ConversationAffinity
    notes: RequestNotes = field(default_factory=RequestNotes)
    """Knows which requests a delegate would only refuse again."""
    threads: ThreadOrigins = field(default_factory=ThreadOrigins)
    fallbacks: ModelFallbacks = field(default_factory=ModelFallbacks)
    spent_until: SpentUntil = nothing_known


class _BarredError(Exception):
    """The backend was barred while the request waited for its slot."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Failover:
    """Serves the messages of all clients."""

    def __init__(self, forwarder: Forwarder, shared: SharedState) -> None:
        """Send by `forwarder`."""
        self._forwarder = forwarder
        self._shared = shared

    async def ask_delegate(self, exchange: Exchange) -> web.StreamResponse:
        """Have the delegate that was decided on answer; failing that the others, then Claude.

        Raises:
            RequestFailedError: nobody could; the failure is the one that the client should hear.
            CutStreamError, ClientGoneError: the answer had begun.
        """
        has_claude = self._may_fail_over(exchange)
        others = _stand_ins(exchange)
        if not has_claude and not others:
            return await self._attempt(exchange, self._ask(exchange), may_step=False)
        first = exchange.decision
        found = await self._try(exchange)
        misses = []
        for name in others:
            if not isinstance(found, Miss):
                return found
            misses.append(found)
            found = await self._stand_in(exchange, name, misses)
        if not isinstance(found, Miss):
            return found
        misses.append(found)
        if has_claude:
            return await self._on_claude(exchange, first, misses)
        self._leave(exchange, first, misses)
        return await self._as_decided_first(exchange, misses)

    async def _try(self, exchange: Exchange) -> web.StreamResponse | Miss:
        """The answer of the delegate that was decided on, or why there is none."""
        decision = exchange.decision
        skip = self._shared.notes.skip_for(exchange)
        if skip is not None:
            return Miss(decision, skip.cause, skip=skip)
        permit = self._ask(exchange)
        if not permit.is_open:
            return Miss(decision, permit.cause)
        try:
            return await self._attempt(exchange, permit, may_step=True)
        except _BarredError as error:
            return Miss(decision, error.cause)
        except RequestFailedError as error:
            failure = error.failure
        _LOG.warning(
            "A backend failed a request; another serves it",
            extra={
                "backend": decision.backend.name,
                "why": failure.diagnostic or failure.message,
            },
        )
        return Miss(decision, failure.trouble, failure)

    async def _stand_in(
        self, exchange: Exchange, name: str, misses: list[Miss]
    ) -> web.StreamResponse | Miss:
        """The answer of the delegate of that name in the stead of those that missed."""
        decision, obstacle = stand_ins.decision_for(
            exchange.body, exchange.settings, name, served_by(name, misses)
        )
        if obstacle is not None:
            return Miss(decision, obstacle, is_unfit=True)
        self._leave(exchange, decision, misses)
        return await self._try(exchange)

    def _leave(self, exchange: Exchange, decision: Decision, misses: list[Miss]) -> None:
        """Go on as `decision` has it, and report how it ended at the delegate asked last."""
        asked = [miss for miss in misses if not miss.is_reported]
        ended = [miss.ended for miss in asked if miss.ended is not None]
        exchange.send_to(decision, after=ended[-1] if ended else None)
        for miss in asked:
            miss.is_reported = True
            if miss.skip is None and not miss.is_unfit:
                self._shared.breaker.count_bypassed(miss.decision.backend)

    async def _on_claude(
        self, exchange: Exchange, before: Decision, misses: list[Miss]
    ) -> web.StreamResponse:
        """To Claude in the stead of the delegates, of which `misses` says why they don't serve it.

        Should Claude's plan turn out to be spent, a delegate in passing trouble is the better one:
        its failure the client tries again, and Claude's not; and it may be well again by now. So it
        is where Claude can't be reached at all. And so is any delegate where Claude does not take
        the login, or know the model: nobody should have to log in again for its failure. Only a
        subscription's token is refused in the client's hearing, where the delegate fails for long.
        """
        miss = misses[0]
        cause, failure = miss.cause, miss.failure
        claude = exchange.settings.backend(ANTHROPIC)
        decision = Decision(backend=claude, reason=served_by(ANTHROPIC, misses), route=before.route)
        self._leave(exchange, decision, misses)
        try:
            answer, head = await self._to_claude(exchange)
        except RequestFailedError:
            if not failover_policy.is_silence_worse(cause, failure):
                raise
        else:
            credential = exchange.credential
            if not failover_policy.is_worse(answer, cause, credential=credential):
                if answer.status < ERROR_STATUS:
                    why = cause or (miss.ended.trouble_cause if miss.ended else None)
                    self._shared.notes.note_stood_in(exchange, before, why)
                return await self._relay(exchange, answer, head)
            answer.close()
        exchange.send_to(before)
        return await self._as_decided_first(exchange, misses)

    async def _as_decided_first(self, exchange: Exchange, misses: list[Miss]) -> web.StreamResponse:
        """What the delegate has to say to which the request was routed, since nobody serves it.

        Where other delegates were asked, or skipped, the record says so.
        """
        failure = misses[0].failure
        if len(misses) > 1:
            to = None if failure else exchange.decision.backend.name
            exchange.reason = served_by(to, misses)
        if failure is not None:
            raise RequestFailedError(failure)
        return await self._attempt(exchange, self._ask(exchange), may_step=False)

    async def ask_claude(self, exchange: Exchange) -> web.StreamResponse:
        """Have Claude answer; where its plan is spent the delegate, if one may serve the request.

        Raises: as `ask_delegate`.
        """
        may_leave = _may_leave_claude(exchange)
        is_spent = may_leave and self._is_spent(exchange, exchange.decision.backend.name)
        if is_spent:
            response = await self._instead_of_claude(exchange)
            if response is not None:
                return response
        answer, head = await self._to_claude(exchange)
        is_news = may_leave and not is_spent and failover_policy.is_quota_refusal(answer)
        if is_news and _other_way(exchange) is not None:
            if exchange.body.continued_thread is not None:
                answer.close()
                raise _whole_turn_wanted(exchange)
            head = head or await answer_reader.read_start(
                answer,
                responses.PLAIN_LIMIT_BYTES,
                silence_timeout_s=exchange.settings.silence_timeout_s,
            )
            response = await self._instead_of_claude(exchange)
            if response is not None:
                answer.close()
                return response
        return await self._relay(exchange, answer, head)

    async def _to_claude(self, exchange: Exchange) -> tuple[Answer, bytes]:
        """Claude's answer; whether it could be reached says something of the way to all others."""
        breaker, claude = self._shared.breaker, exchange.decision.backend
        try:
            answered = await self._forwarder.to_claude(exchange)
        except RequestFailedError as error:
            if error.failure.trouble == api.UNREACHABLE:
                breaker.note_failure(breaker.ask(claude, None), api.UNREACHABLE)
            raise
        if not breaker.is_calm:
            breaker.note_success(breaker.ask(claude, None))
        return answered

    async def _instead_of_claude(self, exchange: Exchange) -> web.StreamResponse | None:
        """The delegate's answer; None if it can't serve the request, so that Claude's counts."""
        other = _other_way(exchange)
        if other is None:
            return None
        if exchange.body.continued_thread is not None:
            raise _whole_turn_wanted(exchange)
        before, said = exchange.decision, exchange.reason
        exchange.send_to(other)
        permit, failed = self._ask(exchange), None
        if permit.is_open:
            try:
                return await self._attempt(exchange, permit, may_step=True)
            except RequestFailedError as error:
                failed = outcome.of_failure(error.failure)
            except _BarredError:
                pass
        exchange.send_to(before, after=failed, reason=said)
        return None

    async def _attempt(
        self, exchange: Exchange, permit: Permit, *, may_step: bool
    ) -> web.StreamResponse:
        """The delegate's answer, passed on, in a slot at a backend that serves few at once.

        Raises:
            RequestFailedError: it failed before a byte of an answer went to the client.
            CutStreamError, ClientGoneError: its answer had begun.
            _BarredError: the backend was barred while the request waited for its slot.
        """
        exchange.permit = permit
        self._shared.notes.note_sent(exchange)
        backend = exchange.decision.backend
        session = exchange.conversation.session_id if exchange.conversation else None
        slot = self._shared.queue.slot(backend, session, exchange.settings.queue_wait_s)
        try:
            async with slot:
                if may_step and slot.has_waited and not permit.is_probe:
                    self._check_still_open(exchange)
                answer, head = await self._answer(exchange, slot, may_step=may_step)
                slot.served()
                if head:
                    self._shared.breaker.note_begun(permit)
                    self._shared.notes.note_begun(exchange)
                self._note_warm(exchange)
                return await self._relay(exchange, answer, head)
        except SlotTimeoutError as error:
            raise RequestFailedError(_too_busy(backend.name)) from error

    async def _answer(
        self, exchange: Exchange, slot: Slot, *, may_step: bool
    ) -> tuple[Answer, bytes]:
        """The delegate's answer and what was read of its body, once it is known to be one."""
        first, refusals = exchange.decision, 0
        while True:
            answer = await self._forwarder.to_delegate(exchange)
            checked = await answer_check.check(exchange, answer)
            if checked.failure is None or (checked.is_empty and not may_step):
                if exchange.decision is not first:
                    asked = exchange.kept(exchange.body.model or "")
                    self._shared.fallbacks.remember(first, asked, exchange.decision)
                return answer, checked.head  # clients ask again by themselves after an empty stream
            answer.close()
            if checked.failure.refusal == api.UNKNOWN_MODEL:
                if self._has_other_name(exchange, first):
                    continue
                raise RequestFailedError(checked.failure)
            refusals += 1
            is_tired = may_step and refusals > _MOST_REFUSALS
            if checked.failure.trouble != api.BUSY or is_tired:
                raise RequestFailedError(checked.failure)
            try:
                await slot.refused()
            except SlotTimeoutError as error:
                raise RequestFailedError(checked.failure) from error

    def _has_other_name(self, exchange: Exchange, first: Decision) -> bool:
        """Whether there is a name left to send for a model that the delegate does not know."""
        fallbacks, model = self._shared.fallbacks, exchange.body.model
        other = fallbacks.alternative(exchange.decision, model)
        if other is None:
            fallbacks.forget(exchange.decision)
            exchange.send_as(first)
            return False
        _LOG.warning("A backend does not know a model; another name is sent")
        exchange.send_as(other)
        return True

    async def _relay(self, exchange: Exchange, answer: Answer, head: bytes) -> web.StreamResponse:
        try:
            return await responses.relay(exchange, answer, head=head)
        finally:
            if answer.status < 300:
                self._note_served(exchange)

    def _check_still_open(self, exchange: Exchange) -> None:
        """Go around a backend that was barred while the request waited for its slot.

        Raises:
            _BarredError: it was.
        """
        backend = exchange.decision.backend
        cause = self._shared.breaker.barred_by(backend, exchange.sent_model)
        if cause is not None:
            raise _BarredError(cause)

    def _note_warm(self, exchange: Exchange) -> None:
        """Remember who holds the conversation's prompt cache, where more than one may."""
        if exchange.is_message and exchange.decision.route is not None:
            backend = exchange.decision.backend.name
            self._shared.conversations.record_use(exchange.conversation, backend)

    def _note_served(self, exchange: Exchange) -> None:
        """Remember who served it, for what may come after it."""
        self._note_warm(exchange)
        if exchange.is_message:
            has_thread = exchange.body.view is not None and bool(exchange.body.view.thread)
            self._shared.threads.note(
                exchange.conversation,
                exchange.meter.message_id if exchange.meter and has_thread else None,
                is_delegated=exchange.is_delegated,
            )

    def _ask(self, exchange: Exchange) -> Permit:
        backend, model = exchange.decision.backend, exchange.sent_model
        return self._shared.breaker.ask(backend, model, exchange.sender)

    def _may_fail_over(self, exchange: Exchange) -> bool:
        """Whether Claude may serve what the delegate does not."""
        return (
            ANTHROPIC in exchange.settings.failover_chain
            and exchange.is_message
            and exchange.credential is not None
            and not router.is_of_delegate(exchange.body.model)
            and not self._is_spent(exchange, ANTHROPIC)
        )

    def _is_spent(self, exchange: Exchange, backend: str) -> bool:
        """Whether the client's own plan at `backend` is known to refuse the request."""
        spent = self._shared.spent_until(backend, exchange.body.model, exchange.credential)
        return spent is not None


def _stand_ins(exchange: Exchange) -> tuple[str, ...]:
    """The delegates that may serve what the one that was decided on does not.

    A model that was asked for by a delegate's own name nobody else has.
    """
    body = exchange.body
    if not exchange.is_message or body.continued_thread is not None:
        return ()
    if router.is_of_delegate(body.model):
        return ()
    return stand_ins.names(exchange.settings, exchange.decision.backend.name)


def _may_leave_claude(exchange: Exchange) -> bool:
    """Whether the settings know another place for a request of Claude's. Costs next to nothing."""
    if not exchange.is_message or exchange.is_paused:
        return False
    return exchange.settings.overflow or exchange.decision.otherwise is not None


def _other_way(exchange: Exchange) -> Decision | None:
    """Where a request may go that Claude's spent plan refuses; None if nowhere."""
    if not _may_leave_claude(exchange):
        return None
    return exchange.decision.otherwise or router.overflow(exchange.body, exchange.settings)


def _whole_turn_wanted(exchange: Exchange) -> RequestFailedError:
    """For what only adds to a thread at Claude, and has to go elsewhere now."""
    exchange.reason = message_threads.REFUSED
    return RequestFailedError(message_threads.unsupported())


def _too_busy(backend: str) -> Failure:
    """The failure of a request that had no slot in time."""
    return Failure(
        status=429,
        message=f"Offramp: {backend} serves only a few requests at once, and no place was free in "
        "time. queue_wait_s in config.toml sets how long to wait.",
        trouble=api.BUSY,
    )
