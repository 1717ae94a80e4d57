"""Sends a routed request on: makes its headers and body fit for a backend, and returns the answer.

What becomes of the answer is the caller's business.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from typing import TYPE_CHECKING

from offramp_core.services import KNOWN
from offramp_core.settings import ANTHROPIC, Backend
from offramp_daemon.messages import transform
from offramp_daemon.messages.history import thinking
from offramp_daemon.proxy import answer_reader, passed_response
from offramp_daemon.proxy.offload import aside
from offramp_daemon.upstream.connection import unheard
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from offramp_daemon.exchange import Exchange
    from offramp_daemon.upstream.answer import Answer
    from offramp_daemon.upstream.client import Upstream
    from offramp_daemon.wire.headers import Passed, RawHeaders

ERROR_LIMIT_BYTES = 1024 * 1024
ERROR_STATUS = 400

_BETA = "beta=true"
_CODING = b"content-encoding"
_HOP = headers.HOP_HEADER.encode()
_OFFICIAL = frozenset(each.backend.base_url for each in KNOWN if not each.is_local)
_LOG = logging.getLogger(__name__)


def say_nothing(_backend: Backend, _credential: str | None, _headers: RawHeaders) -> None:
    """Take no notice of an answer."""


class Forwarder:
    """The way out to all backends. `on_answer` gets the head of each of Claude's answers."""

    def __init__(
        self,
        upstream: Upstream,
        on_answer: Callable[[Backend, str | None, RawHeaders], None] = say_nothing,
    ) -> None:
        """Send by `upstream`."""
        self._upstream = upstream
        self._on_answer = on_answer
        self.hop = secrets.token_hex(8)
        """What marks requests that this daemon has sent, should one come back."""

    async def pass_on(self, exchange: Exchange) -> Answer:
        """Any request, unread, to Anthropic."""
        backend = exchange.settings.backend(ANTHROPIC)
        passed = headers.to_client_backend(exchange.request.raw_headers)
        return await self._send(exchange, backend, passed, exchange.encoded)

    async def to_claude(self, exchange: Exchange) -> tuple[Answer, bytes]:
        """To the backend that takes the client's own credentials, changed only if it must be.

        With the answer comes what was read of its body already.
        """
        backend, settings = exchange.decision.backend, exchange.settings
        passed = headers.to_client_backend(exchange.request.raw_headers)
        plain = await aside(
            exchange.work_bytes,
            transform.for_client_backend,
            exchange.body,
            backend,
            strip_all=settings.thinking == "strip",
        )
        body = plain
        if body is exchange.body.raw:
            body = exchange.encoded
        else:
            passed = headers.without(passed, _CODING)
        answer = await self._send(exchange, backend, passed, body)
        head = b""
        if answer.status == ERROR_STATUS and thinking.has_thinking(exchange.body):
            head = await answer_reader.read_start(
                answer, ERROR_LIMIT_BYTES, silence_timeout_s=settings.silence_timeout_s
            )
            if thinking.is_refused(head, answer.headers.get("Content-Encoding", "")):
                without = await self._without_thinking(exchange, plain)
                if without is not None:
                    answer.close()
                    passed = headers.without(passed, _CODING)
                    return await self._send(exchange, backend, passed, without), b""
        return answer, head

    async def to_delegate(self, exchange: Exchange) -> Answer:
        """To another service, with its own key and nothing of the client's."""
        request, decision = exchange.request, exchange.decision
        body = await aside(
            exchange.work_bytes,
            transform.for_delegate,
            exchange.body,
            decision.backend,
            decision.route,
            delegates=exchange.settings.delegates_in_use | {decision.backend.name},
            strip_all=exchange.settings.thinking == "strip",
        )
        passed = headers.to_delegate(request.raw_headers, decision.backend)
        passed = headers.without(passed, _CODING)
        return await self._send(exchange, decision.backend, passed, body, _without_secrets(request))

    async def _without_thinking(self, exchange: Exchange, sent: bytes) -> bytes | None:
        """Make the body for one more try where a signature was refused in the one that was `sent`.

        None where it would be the same once more.
        """
        body = await aside(
            exchange.work_bytes,
            transform.without_thinking,
            exchange.body,
            exchange.decision.backend,
        )
        if body == sent:
            return None
        _LOG.warning("Thinking was refused; sent once more without it")
        exchange.reason = f"{exchange.decision.reason}, sent again without thinking"
        return body

    async def _send(
        self,
        exchange: Exchange,
        backend: Backend,
        passed: Passed,
        body: bytes,
        target: str | None = None,
    ) -> Answer:
        request = exchange.request
        if backend.base_url not in _OFFICIAL:
            # The services themselves lead nowhere else; any other address might lead back here.
            came = request.headers.get(headers.HOP_HEADER)
            passed = [*passed, (_HOP, headers.hops(came, self.hop).encode())]
        if exchange.sent_s is None:
            exchange.sent_s = time.monotonic()
        is_claude = backend.auth == "client"
        answer = await self._upstream.send(
            request.method,
            backend.base_url,
            target or request.raw_path,
            headers=passed,
            body=body,
            connect_timeout_s=exchange.settings.connect_timeout_s,
            on_early=functools.partial(passed_response.pass_early, request)
            if is_claude
            else unheard,
        )
        if is_claude:
            self._on_answer(backend, exchange.credential, answer.raw_headers)
        return answer


def _without_secrets(request: web.BaseRequest) -> str:
    """The request's target for a delegate: of its query nothing but Claude Code's `beta=true`."""
    path, _, query = request.raw_path.partition("?")
    return f"{path}?{_BETA}" if _BETA in query.split("&") else path
