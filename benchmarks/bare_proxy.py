"""The yardstick: what a competent person writes in an hour with aiohttp, and nothing more.

A pass-through of every method and path to one upstream: the body is read in full and sent, the
answer is streamed. It parses, meters, guards and logs nothing. Run it as
`python bare_proxy.py PORT UPSTREAM_URL`.
"""

from __future__ import annotations

import argparse
import resource
from typing import TYPE_CHECKING

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs, web
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_MAX_BODY_BYTES = 64 * 1024 * 1024
_WANTED_FILES = 16_384
_DRAIN_S = 0.5
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_SESSION = web.AppKey("session", ClientSession)
_UPSTREAM = web.AppKey("upstream", str)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP
    )


async def _forward(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    async with request.app[_SESSION].request(
        request.method,
        URL(request.app[_UPSTREAM] + request.raw_path, encoded=True),
        headers=_end_to_end(request.headers),
        data=body or None,
        allow_redirects=False,
    ) as upstream:
        answer = web.StreamResponse(
            status=upstream.status, reason=upstream.reason, headers=_end_to_end(upstream.headers)
        )
        await answer.prepare(request)
        async for chunk in upstream.content.iter_any():
            await answer.write(chunk)
        await answer.write_eof()
    return answer


async def _open_session(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession(
        auto_decompress=False,
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT),
        timeout=ClientTimeout(total=None),
    ) as session:
        app[_SESSION] = session
        yield


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("upstream")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if most == resource.RLIM_INFINITY else min(_WANTED_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app[_UPSTREAM] = arguments.upstream
    app.cleanup_ctx.append(_open_session)
    app.router.add_route("*", "/{path:.*}", _forward)
    web.run_app(
        app,
        host="127.0.0.1",
        port=arguments.port,
        access_log=None,
        handler_cancellation=True,
        print=None,
        shutdown_timeout=_DRAIN_S,
    )


if __name__ == "__main__":
    main()
