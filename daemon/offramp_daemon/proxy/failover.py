"""Sees a routed message through to its answer, and steps around a backend that can't serve it.

As long as no byte of an answer has gone to the client, another backend may serve the request: a
delegated one goes to Claude as it came, with the client's own credentials; what Claude's spent plan
refuses goes to the delegate, where that is allowed. From the first byte on the answer is the
backend's, however it ends. Whatever happens, one request has one answer and one record.
"""

from __future__ import annotations

import dataclasses
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
from offramp_daemon.routing.decision import Decision

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import aiohttp
    from aiohttp import web

    from offramp_daemon.proxy.forwarder import Forwarding, Incoming
    from offramp_daemon.resilience.circuit_breaker import Admission, Availability
    from offramp_daemon.resilience.request_queue import Turn, Turns
    from offramp_daemon.routing.affinity import ConversationAffinity

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
    conversations: ConversationAffinity
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

    async def serve(self, incoming: Incoming) -> web.StreamResponse:
        """Have the backend that was decided on answer, or the one that may stand in for it.

        Raises:
            RequestFailedError: nobody could; the failure is the one that the client should hear.
            CutStreamError, ClientGoneError: the answer had begun.
        """
        if incoming.decision.is_delegated:
            return await self._delegate(incoming)
        return await self._keep(incoming)

    async def _delegate(self, incoming: Incoming) -> web.StreamResponse:
        """To the delegate; failing that to Claude."""
        backend = incoming.decision.backend
        may_step = self._may_fail_over(incoming)
        admission = self._ask(incoming)
        if may_step and not admission.is_open:
            return await self._on_claude(incoming, admission.cause)
        try:
            return await self._attempt(incoming, admission, may_step=may_step)
        except _BarredError as error:
            return await self._on_claude(incoming, error.cause)
        except RequestFailedError as error:
            failure = error.failure
            if not may_step:
                raise
        self._around.on_failure(backend, failure)
        _LOG.warning(
            "A backend failed a request; another serves it",
            extra={"backend": backend.name, "why": failure.diagnostic or failure.message},
        )
        return await self._on_claude(incoming, failure.trouble, failure)

    async def _on_claude(
        self, incoming: Incoming, cause: str | None, failure: Failure | None = None
    ) -> web.StreamResponse:
        """To Claude in the stead of the delegate, which failed so, or was not asked for the cause.

        Should Claude's plan turn out to be spent, a delegate in passing trouble is the better one:
        its failure the client tries again, and Claude's not; and it may be well again by now. So it
        is where Claude can't be reached at all. And so is any delegate where Claude does not take
        the login, or know the model: nobody is to log in anew for its failure.
        """
        backend, route = incoming.decision.backend, incoming.decision.route
        self._around.availability.note_around(backend)
        what = "failed" if failure else "bypassed"
        reason = f"{backend.name} {what} ({_word(cause)}), served by {ANTHROPIC}"
        claude = incoming.settings.backend(ANTHROPIC)
        moved = _moved(incoming, Decision(backend=claude, reason=reason, route=route))
        try:
            answer, head = await self._to_claude(moved)
        except RequestFailedError:
            if not failover_policy.is_silence_worse(cause, failure):
                raise
        else:
            if not failover_policy.is_worse(answer, cause):
                return await self._relay(moved, answer, head)
            answer.release()
        _moved(moved, incoming.decision)
        if failure is not None:
            raise RequestFailedError(failure)
        return await self._attempt(incoming, self._ask(incoming), may_step=False)

    async def _keep(self, incoming: Incoming) -> web.StreamResponse:
        """To Claude; where its plan is spent to the delegate, if one may serve the request."""
        may_leave = _may_leave_claude(incoming)
        is_spent = may_leave and self._is_spent(incoming, incoming.decision.backend.name)
        if is_spent:
            response = await self._instead_of_claude(incoming)
            if response is not None:
                return response
        answer, head = await self._to_claude(incoming)
        is_news = may_leave and not is_spent and failover_policy.is_quota_refusal(answer)
        if is_news and _other_way(incoming) is not None:
            head = head or await responses.read_start(
                answer,
                responses.PLAIN_LIMIT_BYTES,
                silence_timeout_s=incoming.settings.silence_timeout_s,
            )
            response = await self._instead_of_claude(incoming)
            if response is not None:
                answer.release()
                return response
        return await self._relay(incoming, answer, head)

    async def _to_claude(self, incoming: Incoming) -> tuple[aiohttp.ClientResponse, bytes]:
        """Claude's answer; whether it could be reached says something of the way to all others."""
        availability, claude = self._around.availability, incoming.decision.backend
        try:
            answered = await self._forwarding.to_claude(incoming)
        except RequestFailedError as error:
            if error.failure.trouble == api.UNREACHABLE:
                availability.note_failure(availability.ask(claude, None), api.UNREACHABLE)
            raise
        if not availability.is_calm:
            availability.note_success(availability.ask(claude, None))
        return answered

    async def _instead_of_claude(self, incoming: Incoming) -> web.StreamResponse | None:
        """The delegate's answer; None if it can't serve the request, so that Claude's counts."""
        other = _other_way(incoming)
        if other is None:
            return None
        said = incoming.exchange.reason if incoming.exchange else None
        moved = _moved(incoming, other)
        admission = self._ask(moved)
        if admission.is_open:
            try:
                return await self._attempt(moved, admission, may_step=True)
            except RequestFailedError as error:
                self._around.on_failure(other.backend, error.failure)
            except _BarredError:
                pass
        _moved(moved, incoming.decision, said)
        return None

    async def _attempt(
        self, incoming: Incoming, admission: Admission, *, may_step: bool
    ) -> web.StreamResponse:
        """The delegate's answer, passed on; its outcome is noted whatever it is.

        Raises:
            RequestFailedError: it failed before a byte of an answer went to the client.
            CutStreamError, ClientGoneError: its answer had begun.
        """
        try:
            response = await self._in_turn(incoming, admission, may_step=may_step)
        except BaseException as error:
            self._note_error(incoming, admission, error)
            raise
        kind = _trouble_at_end(incoming)
        if kind is None:
            self._around.availability.note_success(admission)
        else:
            self._around.availability.note_failure(admission, kind)
        return response

    async def _in_turn(
        self, incoming: Incoming, admission: Admission, *, may_step: bool
    ) -> web.StreamResponse:
        """As `_attempt`, in a place at a backend that serves few at once."""
        backend = incoming.decision.backend
        session = incoming.conversation.session_id if incoming.conversation else None
        turn = self._around.turns.turn(backend, session, incoming.settings.queue_wait_s)
        try:
            async with turn:
                if may_step and not admission.is_probe:
                    self._check_still_open(incoming)
                answer, head = await self._answer(incoming, turn, may_step=may_step)
                turn.served()
                if head:
                    self._around.availability.note_begun(admission)
                self._note_warm(incoming)
                return await self._relay(incoming, answer, head)
        except TurnTimeoutError as error:
            raise RequestFailedError(answer_check.too_busy(backend.name)) from error

    async def _answer(
        self, incoming: Incoming, turn: Turn, *, may_step: bool
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The delegate's answer and what was read of its body, once it is known to be one."""
        refusals = 0
        while True:
            answer = await self._forwarding.to_delegate(incoming)
            judged = await answer_check.judge(incoming, answer)
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
        self, incoming: Incoming, answer: aiohttp.ClientResponse, head: bytes
    ) -> web.StreamResponse:
        try:
            return await responses.relay(
                incoming.request,
                answer,
                incoming.exchange,
                silence_timeout_s=incoming.settings.silence_timeout_s,
                head=head,
            )
        finally:
            if answer.status < 300:
                self._note_warm(incoming)

    def _check_still_open(self, incoming: Incoming) -> None:
        """Go around a backend that was barred while the request waited for its turn.

        Raises:
            _BarredError: it was.
        """
        backend, availability = incoming.decision.backend, self._around.availability
        cause = availability.barred_by(backend, incoming.sent_model)
        if cause is not None:
            raise _BarredError(cause)

    def _note_warm(self, incoming: Incoming) -> None:
        """Remember who holds the conversation's prompt cache, where more than one may."""
        if incoming.exchange is not None and incoming.decision.route is not None:
            backend = incoming.decision.backend.name
            self._around.conversations.record_use(incoming.conversation, backend)

    def _note_error(self, incoming: Incoming, admission: Admission, error: BaseException) -> None:
        """Tell the availability how an attempt ended that did not reach its end."""
        match error:
            case RequestFailedError():
                self._note_failure(incoming, admission, error.failure)
            case CutStreamError():
                self._around.availability.note_failure(admission, api.FAILING)
            case _:
                self._around.availability.note_abandoned(admission)

    def _note_failure(self, incoming: Incoming, admission: Admission, failure: Failure) -> None:
        availability, backend = self._around.availability, incoming.decision.backend
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

    def _ask(self, incoming: Incoming) -> Admission:
        return self._around.availability.ask(incoming.decision.backend, incoming.sent_model)

    def _may_fail_over(self, incoming: Incoming) -> bool:
        """Whether Claude may serve what the delegate does not."""
        return (
            incoming.settings.failover
            and incoming.exchange is not None
            and incoming.credential is not None
            and not self._is_spent(incoming, ANTHROPIC)
        )

    def _is_spent(self, incoming: Incoming, backend: str) -> bool:
        """Whether the client's own plan at `backend` is known to refuse the request."""
        spent = self._around.spent_until(backend, incoming.body.model, incoming.credential)
        return spent is not None


def _may_leave_claude(incoming: Incoming) -> bool:
    """Whether the settings know another place for a request of Claude's. Costs next to nothing."""
    if incoming.exchange is None or incoming.is_paused:
        return False
    return incoming.settings.overflow or incoming.decision.otherwise is not None


def _other_way(incoming: Incoming) -> Decision | None:
    """Where a request may go that Claude's spent plan refuses; None if nowhere."""
    if not _may_leave_claude(incoming):
        return None
    return incoming.decision.otherwise or router.overflow(incoming.body, incoming.settings)


def _trouble_at_end(incoming: Incoming) -> str | None:
    """What an answer that was passed on to its end says of the backend: a `BackendError.kind`."""
    meter = incoming.exchange.meter if incoming.exchange else None
    if meter is None:
        return None
    if meter.error_type is not None:
        return answer_check.kind_of_event(meter.error_type)
    return api.FAILING if meter.is_stream and meter.is_empty else None


def _moved(incoming: Incoming, decision: Decision, reason: str | None = None) -> Incoming:
    """`incoming` with another decision, in its exchange as well.

    What the exchange says instead of the decision's reason was of an attempt that came to nothing;
    `reason` stands in its place.
    """
    if incoming.exchange is not None:
        incoming.exchange.decision = decision
        incoming.exchange.reason = reason
    return dataclasses.replace(incoming, decision=decision)


def _word(kind: str | None) -> str:
    return "refused it" if kind is None else _WORDS.get(kind, kind)
