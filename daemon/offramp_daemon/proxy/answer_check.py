"""Checks the answers of delegates: which are answers to a message, and what the others mean.

Errors come back in Anthropic's form; what a service quotes of a key is masked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.model_limits import limits_for
from offramp_core.services import service_of
from offramp_daemon.messages.answers import error_bodies, errors, first_event
from offramp_daemon.messages.answers.error_bodies import Form
from offramp_daemon.messages.answers.errors import RETRY_AFTER, Failure
from offramp_daemon.messages.answers.first_event import FirstEventReader
from offramp_daemon.proxy import address_hint, answer_reader, responses
from offramp_daemon.proxy.offload import aside, coded_weight
from offramp_daemon.routing import keep_rules
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.error_bodies import ServiceError
    from offramp_daemon.upstream.answer import Answer

LARGE_BYTES = 1_000_000
"""A longer body may well be too long, whatever the model: a refusal that says nothing of its cause
is then put down to that."""

_REDIRECT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAnswer:
    """What was read of an answer's body, and what is wrong with it; nothing if it is one."""

    head: bytes
    failure: Failure | None = None
    is_empty: bool = False
    """It is a stream without a single byte."""


async def check(exchange: Exchange, answer: Answer) -> CheckedAnswer:
    """Read as much of `answer` as it takes to tell; of a stream its first event.

    Raises:
        RequestFailedError: it broke off before that.
    """
    if answer.status < _REDIRECT and answer.content_type == "text/event-stream":
        return await _check_stream(exchange, answer)
    head = await answer_reader.read_start(
        answer,
        responses.PLAIN_LIMIT_BYTES,
        silence_timeout_s=exchange.settings.silence_timeout_s,
    )
    failure = await aside(coded_weight(head, _coding_of(answer)), _refusal, exchange, answer, head)
    return CheckedAnswer(head=head, failure=failure)


async def _check_stream(exchange: Exchange, answer: Answer) -> CheckedAnswer:
    begun, silence_s = FirstEventReader(_coding_of(answer)), exchange.settings.silence_timeout_s
    head = await answer_reader.read_start(
        answer,
        first_event.LIMIT_BYTES,
        silence_timeout_s=silence_s,
        is_enough=begun.feed,
        hold_s=min(first_event.HOLD_S, silence_s / 2),
        has_begun=lambda: begun.has_message,
    )
    backend = exchange.decision.backend
    error = begun.error(exchange.redactor.redact)
    if error is not None:
        return CheckedAnswer(head=head, failure=_failure(exchange, answer, error))
    if begun.is_known or begun.has_message or not answer.at_eof():
        return CheckedAnswer(head=head)
    failure = Failure(
        status=502,
        message=f"Offramp: {backend.name} ended its answer before it began.",
        trouble=api.FAILING,
    )
    return CheckedAnswer(head=head, failure=failure, is_empty=begun.is_empty)


def _refusal(exchange: Exchange, answer: Answer, head: bytes) -> Failure | None:
    """What the client gets for an answer `head` that is not a message; None if it is one.

    A redirect is an
    error too: a client that followed it would take its own key and the conversation along.
    """
    body = responses.plain(head, answer)
    error = error_bodies.read_refusal(body, answer.status, exchange.redactor.redact)
    is_message = answer.status < _REDIRECT and error is None and body.lstrip()[:1] == b"{"
    return None if is_message else _failure(exchange, answer, error)


def _failure(exchange: Exchange, answer: Answer, error: ServiceError | None) -> Failure:
    backend, status = exchange.decision.backend, answer.status
    failure = errors.from_delegate(
        backend.name,
        status,
        error,
        service_of(backend.name),
        is_large=_is_large(exchange),
        address_hint=address_hint.sentence(backend),
    )
    came = f"code {error.code}" if error and error.code else _form_of(error)
    diagnostic = f"{backend.name} refused it with HTTP status {status}, {came or 'code none'}"
    if errors.is_from_elsewhere(status, error):
        diagnostic += f"; {address_hint.short(backend)}"
    return dataclasses.replace(
        failure,
        diagnostic=diagnostic,
        detail=f"HTTP {status}, {came}" if came else f"HTTP {status}",
        headers={**_retry_after(answer), **failure.headers},
    )


def _form_of(error: ServiceError | None) -> str:
    """What came in place of a service's error; empty where one came, or nothing."""
    return "" if error is None or error.form is Form.SERVICE else error.form.value


def _is_large(exchange: Exchange) -> bool:
    """Whether the request may well be too long for the model that it was sent with."""
    body, decision = exchange.body, exchange.decision
    room = limits_for(decision.backend, decision.route, body.model).context_tokens
    length = len(body.source)
    is_over = room is not None and keep_rules.estimate_tokens(length) > room
    return is_over or length > LARGE_BYTES


def _coding_of(answer: Answer) -> str:
    return answer.headers.get("Content-Encoding", "")


def _retry_after(answer: Answer) -> dict[str, str]:
    value = headers.retry_after(answer.headers.get(RETRY_AFTER))
    return {} if value is None else {RETRY_AFTER: value}
