"""Checks the answers of delegates: which are answers to a message, and what the others mean.

Errors come back in Anthropic's form; what a service quotes of its key is masked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.services import service_of
from offramp_daemon.messages import errors, first_event
from offramp_daemon.messages.errors import RETRY_AFTER, Failure
from offramp_daemon.messages.first_event import FirstEventReader
from offramp_daemon.proxy import responses, streaming
from offramp_daemon.proxy.offload import aside, coded_weight
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    import aiohttp

    from offramp_core.settings import Backend
    from offramp_daemon.exchange import Exchange

_REDIRECT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAnswer:
    """What was read of an answer's body, and what is wrong with it; nothing if it is one."""

    head: bytes
    failure: Failure | None = None
    is_empty: bool = False
    """It is a stream without a single byte."""


async def check(exchange: Exchange, answer: aiohttp.ClientResponse) -> CheckedAnswer:
    """Read as much of `answer` as it takes to tell; of a stream its first event.

    Raises:
        RequestFailedError: it broke off before that.
    """
    if answer.status < _REDIRECT and answer.content_type == "text/event-stream":
        return await _check_stream(exchange, answer)
    head = await streaming.read_start(
        answer,
        responses.PLAIN_LIMIT_BYTES,
        silence_timeout_s=exchange.settings.silence_timeout_s,
    )
    cost = coded_weight(head, answer.headers.get("Content-Encoding", ""))
    failure = await aside(cost, _refusal, exchange.decision.backend, answer, head)
    return CheckedAnswer(head=head, failure=failure)


async def _check_stream(exchange: Exchange, answer: aiohttp.ClientResponse) -> CheckedAnswer:
    begun = FirstEventReader(answer.headers.get("Content-Encoding", ""))
    head = await streaming.read_start(
        answer,
        first_event.LIMIT_BYTES,
        silence_timeout_s=exchange.settings.silence_timeout_s,
        is_enough=begun.feed,
    )
    backend = exchange.decision.backend
    error = begun.error(lambda data: _masked(data, backend))
    if error is not None:
        return CheckedAnswer(head=head, failure=_failure(backend, answer, error))
    if begun.is_known or not answer.content.at_eof():
        return CheckedAnswer(head=head)
    failure = Failure(
        status=502,
        message=f"Offramp: {backend.name} ended its answer before it began.",
        trouble=api.FAILING,
    )
    return CheckedAnswer(head=head, failure=failure, is_empty=begun.is_empty)


def _refusal(backend: Backend, answer: aiohttp.ClientResponse, head: bytes) -> Failure | None:
    """What the client gets for an answer `head` that is no message; None if it is one.

    Should the service quote the key that it got, the mask stands in its place. A redirect is an
    error too: a client that followed it would take its own key and the conversation along.
    """
    body = _masked(responses.plain(head, answer), backend)
    error = errors.read_error(body)
    is_message = answer.status < _REDIRECT and error is None and body.lstrip()[:1] == b"{"
    return None if is_message else _failure(backend, answer, error)


def _masked(body: bytes, backend: Backend) -> bytes:
    if backend.key is None:
        return body
    key = backend.key.reveal().encode()
    return body.replace(key, backend.key.masked().encode()) if key in body else body


def _failure(
    backend: Backend, answer: aiohttp.ClientResponse, error: errors.ServiceError | None
) -> Failure:
    failure = errors.from_delegate(backend.name, answer.status, error, service_of(backend.name))
    code = error.code if error else None
    diagnostic = (
        f"{backend.name} refused it with HTTP status {answer.status}, code {code or 'none'}"
    )
    return dataclasses.replace(
        failure, diagnostic=diagnostic, headers={**_retry_after(answer), **failure.headers}
    )


def _retry_after(answer: aiohttp.ClientResponse) -> dict[str, str]:
    value = headers.retry_after(answer.headers.get(RETRY_AFTER))
    return {} if value is None else {RETRY_AFTER: value}
