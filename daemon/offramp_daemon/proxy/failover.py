"""Sees a routed message through to its answer, and steps around a backend that can't serve it.

As long as no byte of an answer has gone to the client, another backend may serve the request: a
delegated one goes to Claude as it came, with the client's own credentials; what Claude's spent plan
refuses goes to the delegate, where that is allowed. From the first byte on the answer is the
backend's, however it ends. Whatever happens, one request has one answer and one record.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.settings import ANTHROPIC, Backend
from offramp_daemon.messages.errors import Failure, RequestFailedError
from offramp_daemon.proxy import answer_check, failover_policy, responses
from offramp_daemon.proxy.streaming import CutStreamError
from offramp_daemon.resilience.request_queue import TurnTimeoutError
from offramp_daemon.routing import router
from offramp_daemon.routing.router import Decision

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import aiohttp
    from aiohttp import web

    from offramp_daemon.exchange import Exchange
    from offramp_daemon.proxy.forwarder import Forwarding
    from offramp_daemon.resilience.circuit_breaker import Admission, Availability
    from offramp_daemon.resilience.request_queue import Turn, Turns
    from offramp_daemon.routing.affinity import Conversations

_WORDS = {api.LIMIT: "quota spent", api.ACCOUNT: "account trouble"}
_MOST_REFUSALS = 3
"""So often a request waits for another turn where somebody else could serve it."""
_LOG = logging.getLogger(__name__)


def nothing_known(_backend: str, _model: str | None, _credential: str | None) -> datetime | None:
    """No plan is known to be spent."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a dispatch asks and tells beside the services themselves."""

    availability: Availability
    turns: Turns
    conversations: Conversations
    spent_until: Callable[[str, str | None, str | None], datetime | None] = nothing_known
    """Until when the plan at a backend refuses a model, for the client's credential; None if it
    serves it, or nothing is known."""
    on_failure: Callable[[Backend, Failure], None] = lambda _backend, _failure: None
    """Told of each failure of a delegate, though the request may succeed elsewhere."""


class _BarredError(Exception):
    """The backend was barred while the request waited for its turn."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Dispatch:
    """Serves the messages of all clients."""

    def __init__(self, forwarding: Forwarding, around: Surroundings) -> None:
        """Send by `forwarding`."""
        self._forwarding = forwarding
        self._around = around

    async def serve(self, exchange: Exchange) -> web.StreamResponse:
        """Have the backend that was decided on answer, or the one that may stand in for it.

        Raises:
            RequestFailedError: nobody could; the failure is the one that the client should hear.
            CutStreamError, ClientGoneError: the answer had begun.
        """
        if exchange.decision.is_delegated:
            return await self._delegate(exchange)
        return await self._keep(exchange)

    async def _delegate(self, exchange: Exchange) -> web.StreamResponse:
        """To the delegate; failing that to Claude."""
        backend = exchange.decision.backend
        may_step = self._may_fail_over(exchange)
        admission = self._ask(exchange)
        if may_step and not admission.is_open:
            return await self._on_claude(exchange, admission.cause)
        try:
            return await self._attempt(exchange, admission, may_step=may_step)
        except _BarredError as error:
            return await self._on_claude(exchange, error.cause)
        except RequestFailedError as error:
            failure = error.failure
            if not may_step:
                raise
        self._around.on_failure(backend, failure)
        _LOG.warning(
            "A backend failed a request; another serves it",
            extra={"backend": backend.name, "why": failure.diagnostic or failure.message},
        )
        return await self._on_claude(exchange, failure.trouble, failure)

    async def _on_claude(
        self, exchange: Exchange, cause: str | None, failure: Failure | None = None
    ) -> web.StreamResponse:
        """To Claude in the stead of the delegate, which failed so, or was not asked for the cause.

        Should Claude's plan turn out to be spent, a delegate in passing trouble is the better one:
        its failure the client tries again, and Claude's not; and it may be well again by now. So it
        is where Claude can't be reached at all. And so is any delegate where Claude does not take
        the login, or know the model: nobody is to log in anew for its failure.
        """
        backend, route = exchange.decision.backend, exchange.decision.route
        self._around.availability.note_around(backend)
        what = "failed" if failure else "bypassed"
        reason = f"{backend.name} {what} ({_word(cause)}), served by {ANTHROPIC}"
        claude = exchange.settings.backend(ANTHROPIC)
        before = exchange.decision
        exchange.send_to(Decision(backend=claude, reason=reason, route=route))
        try:
            answer, head = await self._to_claude(exchange)
        except RequestFailedError:
            if not failover_policy.is_silence_worse(cause, failure):
                raise
        else:
            if not failover_policy.is_worse(answer, cause):
                return await self._relay(exchange, answer, head)
            answer.release()
        exchange.send_to(before)
        if failure is not None:
            raise RequestFailedError(failure)
        return await self._attempt(exchange, self._ask(exchange), may_step=False)

    async def _keep(self, exchange: Exchange) -> web.StreamResponse:
        """To Claude; where its plan is spent to the delegate, if one may serve the request."""
        may_leave = _may_leave_claude(exchange)
        is_spent = may_leave and self._is_spent(exchange, exchange.decision.backend.name)
        if is_spent:
            response = await self._instead_of_claude(exchange)
            if response is not None:
                return response
        answer, head = await self._to_claude(exchange)
        is_news = may_leave and not is_spent and failover_policy.is_quota_refusal(answer)
        if is_news and _other_way(exchange) is not None:
            head = head or await responses.read_start(
                answer,
                responses.PLAIN_LIMIT_BYTES,
                silence_timeout_s=exchange.settings.silence_timeout_s,
            )
            response = await self._instead_of_claude(exchange)
            if response is not None:
                answer.release()
                return response
        return await self._relay(exchange, answer, head)

    async def _to_claude(self, exchange: Exchange) -> tuple[aiohttp.ClientResponse, bytes]:
        """Claude's answer; whether it could be reached says something of the way to all others."""
        availability, claude = self._around.availability, exchange.decision.backend
        try:
            answered = await self._forwarding.to_claude(exchange)
        except RequestFailedError as error:
            if error.failure.trouble == api.UNREACHABLE:
                availability.note_failure(availability.ask(claude, None), api.UNREACHABLE)
            raise
        if not availability.is_calm:
            availability.note_success(availability.ask(claude, None))
        return answered

    async def _instead_of_claude(self, exchange: Exchange) -> web.StreamResponse | None:
        """The delegate's answer; None if it can't serve the request, so that Claude's counts."""
        other = _other_way(exchange)
        if other is None:
            return None
        before, said = exchange.decision, exchange.reason
        exchange.send_to(other)
        admission = self._ask(exchange)
        if admission.is_open:
            try:
                return await self._attempt(exchange, admission, may_step=True)
            except RequestFailedError as error:
                self._around.on_failure(other.backend, error.failure)
            except _BarredError:
                pass
        exchange.send_to(before, said)
        return None

    async def _attempt(
        self, exchange: Exchange, admission: Admission, *, may_step: bool
    ) -> web.StreamResponse:
        """The delegate's answer, passed on; its outcome is noted whatever it is.

        Raises:
            RequestFailedError: it failed before a byte of an answer went to the client.
            CutStreamError, ClientGoneError: its answer had begun.
        """
        try:
            response = await self._in_turn(exchange, admission, may_step=may_step)
        except BaseException as error:
            self._note_error(exchange, admission, error)
            raise
        kind = _trouble_at_end(exchange)
        if kind is None:
            self._around.availability.note_success(admission)
        else:
            self._around.availability.note_failure(admission, kind)
        return response

    async def _in_turn(
        self, exchange: Exchange, admission: Admission, *, may_step: bool
    ) -> web.StreamResponse:
        """As `_attempt`, in a place at a backend that serves few at once."""
        backend = exchange.decision.backend
        session = exchange.conversation.session_id if exchange.conversation else None
        turn = self._around.turns.turn(backend, session, exchange.settings.queue_wait_s)
        try:
            async with turn:
                if may_step and not admission.is_probe:
                    self._check_still_open(exchange)
                answer, head = await self._answer(exchange, turn, may_step=may_step)
                turn.served()
                if head:
                    self._around.availability.note_begun(admission)
                self._note_warm(exchange)
                return await self._relay(exchange, answer, head)
        except TurnTimeoutError as error:
            raise RequestFailedError(answer_check.too_busy(backend.name)) from error

    async def _answer(
        self, exchange: Exchange, turn: Turn, *, may_step: bool
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The delegate's answer and what was read of its body, once it is known to be one."""
        refusals = 0
        while True:
            answer = await self._forwarding.to_delegate(exchange)
            judged = await answer_check.judge(exchange, answer)
            if judged.failure is None or (judged.is_empty and not may_step):
                return answer, judged.head  # clients ask again by themselves after an empty stream
            answer.release()
            refusals += 1
            is_tired = may_step and refusals > _MOST_REFUSALS
            if judged.failure.trouble != api.BUSY or is_tired:
                raise RequestFailedError(judged.failure)
            try:
                await turn.refused()
            except TurnTimeoutError as error:
                raise RequestFailedError(judged.failure) from error

    async def _relay(
        self, exchange: Exchange, answer: aiohttp.ClientResponse, head: bytes
    ) -> web.StreamResponse:
        try:
            return await responses.relay(exchange, answer, head=head)
        finally:
            if answer.status < 300:
                self._note_warm(exchange)

    def _check_still_open(self, exchange: Exchange) -> None:
        """Go around a backend that was barred while the request waited for its turn.

        Raises:
            _BarredError: it was.
        """
        backend, availability = exchange.decision.backend, self._around.availability
        cause = availability.barred_by(backend, exchange.sent_model)
        if cause is not None:
            raise _BarredError(cause)

    def _note_warm(self, exchange: Exchange) -> None:
        """Remember who holds the conversation's prompt cache, where more than one may."""
        if exchange.is_message and exchange.decision.route is not None:
            backend = exchange.decision.backend.name
            self._around.conversations.note(exchange.conversation, backend)

    def _note_error(self, exchange: Exchange, admission: Admission, error: BaseException) -> None:
        """Tell the availability how an attempt ended that did not reach its end."""
        match error:
            case RequestFailedError():
                self._note_failure(exchange, admission, error.failure)
            case CutStreamError():
                self._around.availability.note_failure(admission, api.FAILING)
            case _:
                self._around.availability.note_abandoned(admission)

    def _note_failure(self, exchange: Exchange, admission: Admission, failure: Failure) -> None:
        availability, backend = self._around.availability, exchange.decision.backend
        if failure.trouble is None:
            availability.note_abandoned(admission, was_reached=True)
            return
        until = None
        if failure.trouble == api.LIMIT:
            until = self._around.spent_until(backend.name, admission.family, None)
        availability.note_failure(
            admission,
            failure.trouble,
            until=until,
            retry_after_s=answer_check.retry_after_s(failure),
            scope="family" if failure.is_of_model else None,
        )

    def _ask(self, exchange: Exchange) -> Admission:
        return self._around.availability.ask(exchange.decision.backend, exchange.sent_model)

    def _may_fail_over(self, exchange: Exchange) -> bool:
        """Whether Claude may serve what the delegate does not."""
        return (
            exchange.settings.failover
            and exchange.is_message
            and exchange.credential is not None
            and not self._is_spent(exchange, ANTHROPIC)
        )

    def _is_spent(self, exchange: Exchange, backend: str) -> bool:
        """Whether the client's own plan at `backend` is known to refuse the request."""
        spent = self._around.spent_until(backend, exchange.body.model, exchange.credential)
        return spent is not None


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


def _trouble_at_end(exchange: Exchange) -> str | None:
    """What an answer that was passed on to its end says of the backend: a `BackendError.kind`."""
    meter = exchange.meter
    if meter is None:
        return None
    if meter.error_type is not None:
        return answer_check.kind_of_event(meter.error_type)
    return api.FAILING if meter.is_stream and meter.is_empty else None


def _word(kind: str | None) -> str:
    return "refused it" if kind is None else _WORDS.get(kind, kind)
