"""A small HTTP proxy such as companies have: CONNECT and absolute targets, a login if wanted.

Whatever name it is asked for, it connects to one address, so that tests need no name service.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunnels import pass_on, serving

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import AsyncIterator

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class HttpProxy:
    """Where it listens, and the head of each request that it received."""

    port: int = 0
    scheme: str = "http"
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def url_with(self, login: str) -> str:
        return f"{self.scheme}://{login}@127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def relay(address: tuple[str, int]) -> AsyncIterator[HttpProxy]:
    """Pass bytes on to `address`, as if it were somewhere else."""
    async with http_proxy(address) as passing:
        yield passing


@contextlib.asynccontextmanager
async def http_proxy(
    address: tuple[str, int],
    *,
    refusal: bytes = b"",
    is_mute: bool = False,
    greeting: bytes = _ESTABLISHED,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[HttpProxy]:
    """Connect everybody to `address`, or answer with `refusal` (a whole answer), or never."""
    proxy = HttpProxy(scheme="https" if tls else "http")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        proxy.heads.append(head)
        if is_mute:
            await reader.read()
        elif refusal:
            writer.write(refusal)
        elif head.startswith(b"CONNECT "):
            await pass_on(reader, writer, address, greeting=greeting)
        else:
            await pass_on(reader, writer, address, first=head)

    async with serving(handle, tls=tls) as proxy.port:
        yield proxy
