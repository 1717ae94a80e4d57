"""Asks a backend whether it takes a key, by one request that costs nothing.

The request counts the tokens of one word, below the backend's own base URL and on the way out that
the daemon takes. The key goes nowhere else, and into no text.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from offramp_core.redaction import redactor_of
from offramp_core.services import service_of
from offramp_core.wording.formatting import backend_name
from offramp_daemon.messages.answers import error_bodies, errors
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.upstream.client import Upstream
from offramp_daemon.upstream.errors import UpstreamError
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from offramp_core.redaction import Redactor
    from offramp_core.settings import Backend, Route, Secret
    from offramp_daemon.wire.headers import Passed

COUNT_TOKENS = "/v1/messages/count_tokens"

_LIMIT_S = 10.0
_CONNECT_LIMIT_S = 5.0
_MODEL = "claude-sonnet-4-5"
_MOST_BYTES = 64 * 1024
_HEADERS = (
    (b"accept", b"application/json"),
    (b"anthropic-version", b"2023-06-01"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"offramp"),
)

KeyStanding = Literal["accepted", "refused", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the backend takes the key, and a sentence on it; `unknown` where nobody can say."""

    outcome: KeyStanding
    text: str


def check_key(
    backend: Backend, key: Secret, *, routes: tuple[Route, ...] = (), limit_s: float = _LIMIT_S
) -> Verdict:
    """Ask `backend`; blocks for `limit_s` at most. `routes` name a model that it knows."""
    return asyncio.run(ask(backend, key, routes=routes, limit_s=limit_s))


async def ask(
    backend: Backend, key: Secret, *, routes: tuple[Route, ...] = (), limit_s: float = _LIMIT_S
) -> Verdict:
    """`check_key`, on an event loop that is there already."""
    model = next(
        (r.send_model for r in routes if r.backend == backend.name and r.send_model),
        service_of(backend.name).model_for(_MODEL) or _MODEL,
    )
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    sent = headers.to_delegate(_HEADERS, msgspec.structs.replace(backend, key=key))
    try:
        async with asyncio.timeout(limit_s), Upstream() as upstream:
            status, answer = await _send(
                upstream, backend.base_url, sent, json.dumps(body).encode()
            )
    except TimeoutError:
        return _unknown(backend, f"{backend.base_url} did not answer within {limit_s:g} s.")
    except RequestFailedError as error:
        return _unknown(backend, error.failure.message.removeprefix("Offramp: "))
    except UpstreamError as error:
        return _unknown(backend, f"The answer broke off: {error}.")
    return _judge(backend, status, answer, redactor_of(key.reveal()))


async def _send(upstream: Upstream, base_url: str, sent: Passed, body: bytes) -> tuple[int, bytes]:
    answer = await upstream.send(
        "POST",
        base_url,
        COUNT_TOKENS,
        headers=sent,
        body=body,
        connect_timeout_s=_CONNECT_LIMIT_S,
    )
    came = b""
    try:
        while len(came) < _MOST_BYTES and (part := await answer.read()):
            came += part
    finally:
        answer.close()
    return answer.status, came


def _judge(backend: Backend, status: int, answer: bytes, redactor: Redactor) -> Verdict:
    error = error_bodies.read_error(answer, redactor.redact)
    service = service_of(backend.name)
    said = f": {error.message}" if error and error.message else ""
    if errors.refuses_key(status, error, service):
        return Verdict(
            outcome="refused", text=f"{backend_name(backend.name)} refuses this key{said}."
        )
    if errors.knows_key(error, service):
        return Verdict(
            outcome="accepted", text=f"{backend_name(backend.name)} knows this key, but says{said}."
        )
    if status == 200 and error is None and b'"input_tokens"' in answer:
        return Verdict(outcome="accepted", text=f"{backend_name(backend.name)} accepts this key.")
    return _unknown(backend, f"{backend.base_url} answered with HTTP {status}{said}.")


def _unknown(backend: Backend, why: str) -> Verdict:
    return Verdict(
        outcome="unknown",
        text=f"The key for {backend_name(backend.name)} could not be checked. {why}",
    )
