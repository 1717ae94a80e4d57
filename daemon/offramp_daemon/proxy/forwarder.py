"""Sends a routed request on: makes its headers and body fit for a backend, and returns the answer.

What becomes of the answer is the caller's business.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from offramp_core.services import SERVICES
from offramp_core.settings import ANTHROPIC, Backend, Settings
from offramp_daemon.messages import thinking, transform
from offramp_daemon.proxy import responses
from offramp_daemon.wire import headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp
    from aiohttp import web
    from multidict import CIMultiDict

    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.request_body import RequestBody
    from offramp_daemon.routing.affinity import Conversation
    from offramp_daemon.routing.decision import Decision
    from offramp_daemon.upstream.client import Upstream

T = TypeVar("T")

ERROR_LIMIT_BYTES = 1024 * 1024
ERROR_STATUS = 400
LARGE_BYTES = 2 * 1024 * 1024

_BETA = "beta=true"
_OFFICIAL = frozenset(service.backend.base_url for service in SERVICES)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A routed request that was read in: what every further step needs."""

    request: web.BaseRequest
    settings: Settings
    body: RequestBody
    encoded: bytes
    """The body as it came, in the client's content coding."""
    decision: Decision
    conversation: Conversation | None
    is_paused: bool
    """Whether delegation rests, by the user's word."""
    exchange: Exchange | None
    """None for count_tokens, which is not recorded."""

    @property
    def strips_thinking(self) -> bool:
        """Whether the settings let no thinking through at all."""
        return self.settings.thinking == "strip"

    @property
    def sent_model(self) -> str | None:
        """The model's name as the backend gets it."""
        route = self.decision.route
        return (route.send_model if route else None) or self.body.model

    @property
    def credential(self) -> str | None:
        """What the client would log in with at Anthropic."""
        return headers.client_credential(self.request.headers)


def say_nothing(_backend: Backend, _credential: str | None, _headers: Mapping[str, str]) -> None:
    """Take note of no answer."""


class Forwarding:
    """The way out to all backends. `on_answer` is told the head of each of Claude's answers."""

    def __init__(
        self,
        upstream: Upstream,
        on_answer: Callable[[Backend, str | None, Mapping[str, str]], None] = say_nothing,
    ) -> None:
        """Send by `upstream`."""
        self._upstream = upstream
        self._on_answer = on_answer
        self._hop = secrets.token_hex(8)

    @property
    def hop(self) -> str:
        """What marks requests that this daemon has sent, should one come back."""
        return self._hop

    def is_loop(self, request: web.BaseRequest) -> bool:
        """Whether `request` was sent by this very daemon."""
        return self._hop in request.headers.get(headers.HOP_HEADER, "")

    async def pass_on(
        self, request: web.BaseRequest, settings: Settings, body: bytes
    ) -> aiohttp.ClientResponse:
        """Any request, unread, to Anthropic."""
        backend = settings.backend(ANTHROPIC)
        passed = headers.to_client_backend(request.raw_headers)
        return await self._send(request, settings, backend, passed, body)

    async def to_claude(self, incoming: Incoming) -> tuple[aiohttp.ClientResponse, bytes]:
        """To the backend that takes the client's own credentials, changed only if it must be.

        With the answer comes what was read of its body already.
        """
        request, backend = incoming.request, incoming.decision.backend
        passed = headers.to_client_backend(request.raw_headers)
        tailor = functools.partial(
            transform.for_client_backend,
            incoming.body,
            backend,
            strip_all=incoming.strips_thinking,
        )
        body = await aside(len(incoming.body.raw), tailor)
        if body is incoming.body.raw:
            body = incoming.encoded
        else:
            passed.popall("Content-Encoding", None)
        answer = await self._send(request, incoming.settings, backend, passed, body)
        head = b""
        if answer.status == ERROR_STATUS and thinking.has_thinking(incoming.body):
            head = await responses.read_start(
                answer,
                ERROR_LIMIT_BYTES,
                silence_timeout_s=incoming.settings.silence_timeout_s,
            )
            if thinking.is_refused(head, answer.headers.get("Content-Encoding", "")):
                answer.release()
                head = b""
                answer = await self._without_thinking(incoming, passed)
        return answer, head

    async def to_delegate(self, incoming: Incoming) -> aiohttp.ClientResponse:
        """To another service, with its own key and nothing of the client's."""
        request, decision = incoming.request, incoming.decision
        body = await aside(
            len(incoming.body.raw),
            lambda: transform.for_delegate(
                incoming.body,
                decision.backend,
                send_model=decision.route.send_model if decision.route else None,
                strip_all=incoming.strips_thinking,
            ),
        )
        passed = headers.to_delegate(request.raw_headers, decision.backend)
        passed.popall("Content-Encoding", None)
        return await self._send(
            request, incoming.settings, decision.backend, passed, body, _without_secrets(request)
        )

    async def _without_thinking(
        self, incoming: Incoming, passed: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        """Once more, for an Anthropic that still refused a signature."""
        backend = incoming.decision.backend
        _LOG.warning("Thinking was refused; sent once more without it")
        if incoming.exchange is not None:
            incoming.exchange.reason = f"{incoming.decision.reason}, sent again without thinking"
        passed.popall("Content-Encoding", None)
        body = await aside(
            len(incoming.body.raw), lambda: transform.without_thinking(incoming.body, backend)
        )
        return await self._send(incoming.request, incoming.settings, backend, passed, body)

    async def _send(
        self,
        request: web.BaseRequest,
        settings: Settings,
        backend: Backend,
        passed: CIMultiDict[str],
        body: bytes,
        target: str | None = None,
    ) -> aiohttp.ClientResponse:
        if backend.base_url not in _OFFICIAL:
            # The services themselves lead nowhere else; any other address might lead back here.
            came = request.headers.get(headers.HOP_HEADER)
            passed[headers.HOP_HEADER] = f"{came},{self._hop}" if came else self._hop
        answer = await self._upstream.send(
            request.method,
            backend.base_url,
            target or request.raw_path,
            headers=passed,
            body=body,
            connect_timeout_s=settings.connect_timeout_s,
        )
        if backend.auth == "client":
            credential = headers.client_credential(request.headers)
            self._on_answer(backend, credential, answer.headers)
        return answer


async def aside(length_bytes: int, work: Callable[[], T]) -> T:
    """Do `work` on a body of that length: a large one in a thread, so that streams go on."""
    return await asyncio.to_thread(work) if length_bytes > LARGE_BYTES else work()


def _without_secrets(request: web.BaseRequest) -> str:
    """The request's target for a delegate: of its query nothing but Claude Code's `beta=true`."""
    path, _, query = request.raw_path.partition("?")
    return f"{path}?{_BETA}" if _BETA in query.split("&") else path
