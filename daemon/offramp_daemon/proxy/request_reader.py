"""Reads a request in: its target checked, its body whole and bounded.

A body may take as long as it likes, as long as some of it comes all the time; and while it comes,
it shares one budget of memory with all others (see `body_memory`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from offramp_core.addresses import client_base_url, is_usable_host
from offramp_daemon.messages.answers.errors import RETRY_AFTER, Failure, RequestFailedError
from offramp_daemon.proxy.body_memory import BodyMemory, Share
from offramp_daemon.wire import path_check

if TYPE_CHECKING:
    from offramp_core.settings import Settings

PROGRESS_TIMEOUT_S = 30.0
"""So long a body may stand still; a client that has stalled for longer is not coming back."""

_FINAL = {"x-should-retry": "false"}
_PROXY_METHODS = frozenset({"CONNECT", "TRACE"})
"""Both speak to what is between client and server: one opens a tunnel, the other shows headers."""
_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_NO_PROXY = (
    "Offramp is not an HTTP proxy: its address belongs in ANTHROPIC_BASE_URL, not in HTTP_PROXY or "
    "HTTPS_PROXY."
)


def check_path(request: web.BaseRequest, path: str, settings: Settings) -> None:
    """Let pass only what Offramp serves, or what is none of its paths, and so Anthropic's.

    Raises:
        RequestFailedError: `path` is nearly one of Offramp's; the failure names the base URL.
    """
    if not path_check.is_misspelt(path):
        return
    raise RequestFailedError(
        Failure(
            # Claude Code takes any 404 to a prompt for an unknown model, and hides the words.
            status=400 if request.method == "POST" else 404,
            message=f"Offramp: there is nothing at {path[:100]!r}. Use the base URL "
            f"{_base_url(request, settings)}, with nothing behind it: Claude Code "
            "(ANTHROPIC_BASE_URL) and other clients of Anthropic's Messages API add /v1/messages "
            "by themselves.",
            headers=_FINAL,
            diagnostic="a misspelt path",
        )
    )


def _base_url(request: web.BaseRequest, settings: Settings) -> str:
    """The base URL by which this client reaches Offramp, without a path."""
    host, port = settings.host, settings.port
    if request.transport is not None:
        port = request.transport.get_extra_info("sockname", (host, port))[1]
    try:
        named = urlsplit(f"//{request.headers.get('Host', '')}")
        if named.hostname and is_usable_host(named.hostname):
            host, port = named.hostname, named.port or port
    except ValueError:
        pass  # no authority that a client could have meant
    return client_base_url(host=host, port=port)


def check_form(method: str, target: str) -> None:
    """Let pass only what is meant for a server, and not for a proxy.

    Raises:
        RequestFailedError: `method` is one for proxies (CONNECT), or `target` is not a path
            (`http://host/…`, `host:443`, `*`).
    """
    if method in _PROXY_METHODS:
        message = f"Offramp: the method {method} is not served. {_NO_PROXY}"
        headers = {"Allow": _METHODS, **_FINAL}
        raise RequestFailedError(Failure(status=405, message=message, headers=headers))
    if not target.startswith("/"):
        raise RequestFailedError(_no_path(target, f" {_NO_PROXY}"))


def check_target(target: str) -> None:
    r"""Let pass only what can be put behind a base address without changing where that leads.

    Raises:
        RequestFailedError: `target` has another form (`//host/…`, `/\host/…`).
    """
    if target.startswith(("//", "/\\")) or not target.isascii():
        raise RequestFailedError(_no_path(target))


def _no_path(target: str, hint: str = "") -> Failure:
    return Failure(
        status=400,
        message=f"Offramp: the request target {target[:100]!r} is not a path.{hint}",
        # A query can hold a credential, so that the diagnostics do without the target.
        diagnostic="the request target is not a path",
    )


async def read_body(
    request: web.BaseRequest,
    limit_bytes: int,
    memory: BodyMemory,
    *,
    progress_timeout_s: float = PROGRESS_TIMEOUT_S,
) -> bytes:
    """The body as it came, up to `limit_bytes`.

    Raises:
        RequestFailedError: it is longer, breaks HTTP's rules, came no further for
            `progress_timeout_s`, or had to make room in `memory` for others.
    """
    if not request.can_read_body:
        return b""
    announced = request.content_length
    if announced is not None and announced > limit_bytes:
        raise RequestFailedError(_too_large(limit_bytes))
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        if request.content.is_eof():  # all of it is here already, as nearly always
            body = _read_at_once(request)
        else:
            body = await _receive(request, limit_bytes, memory, progress_timeout_s)
    except web.RequestPayloadError as error:
        failure = Failure(status=400, message=f"Offramp: the request body is broken: {error}")
        raise RequestFailedError(failure) from error
    if len(body) > limit_bytes:
        raise RequestFailedError(_too_large(limit_bytes))
    return body


def _read_at_once(request: web.BaseRequest) -> bytes:
    body = request.content.read_nowait()
    while not request.content.at_eof():  # reading made room for more
        body += request.content.read_nowait()
    return body


async def _receive(
    request: web.BaseRequest, limit_bytes: int, memory: BodyMemory, progress_timeout_s: float
) -> bytes:
    chunks: list[bytes] = []
    length = 0
    loop = asyncio.get_running_loop()
    deadline = asyncio.timeout(progress_timeout_s)

    def give_way() -> None:
        if not deadline.expired():
            deadline.reschedule(loop.time())

    share = Share(give_way)
    try:
        async with deadline:
            while chunk := await request.content.readany():
                chunks.append(chunk)
                length += len(chunk)
                if length > limit_bytes:
                    raise RequestFailedError(_too_large(limit_bytes))
                memory.hold(share, length)
                if share.has_given_way:
                    raise RequestFailedError(_no_room())
                deadline.reschedule(loop.time() + progress_timeout_s)
    except TimeoutError as error:
        failure = _no_room() if share.has_given_way else _stalled(progress_timeout_s)
        raise RequestFailedError(failure) from error
    finally:
        memory.release(share)
    return b"".join(chunks)


def _no_room() -> Failure:
    return Failure(
        status=503,
        message="Offramp: too many large requests are coming in at once.",
        headers={RETRY_AFTER: "2"},
    )


def _stalled(limit_s: float) -> Failure:
    message = f"Offramp: the rest of the request did not come for {limit_s:g} s."
    return Failure(status=408, message=message)


def _too_large(limit_bytes: int) -> Failure:
    limit = f"{limit_bytes / (1024 * 1024):g} MiB"
    return Failure(status=413, message=f"Offramp: the request is larger than {limit}.")
