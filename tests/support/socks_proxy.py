"""A small SOCKS proxy of versions 4, 4a and 5, which refuses what real ones refuse.

Whatever it is asked for, it connects to one address, so that tests need no name service.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunnels import RefusedError, pass_on, serving

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

_NO_LOGIN, _LOGIN, _NONE_OF_THESE = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_GRANTED_4, _REJECTED_4 = 0x5A, 0x5B
GENERAL_FAILURE, NOT_ALLOWED, HOST_UNREACHABLE, UNKNOWN_COMMAND = 1, 2, 4, 7


@dataclass(frozen=True)
class Asked:
    """What a client wanted: `host` is as it stood in the request, a name or an address."""

    version: int
    host: str
    port: int
    is_name: bool
    user: str = ""
    password: str = ""


@dataclass
class SocksProxy:
    """Where it listens, what it was asked for, and how many clients came."""

    port: int = 0
    clients: int = 0
    asked: list[Asked] = field(default_factory=list)

    def url(self, scheme: str, login: str = "") -> str:
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port}"


@dataclass
class _Session:
    """One client's connection, up to the point from where bytes are only copied."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    login: tuple[str, str] | None
    refuse_with: int

    async def negotiate(self) -> Asked:
        (version,) = await self.reader.readexactly(1)
        if version == 4:
            return await self._version_4()
        if version == 5:
            return await self._version_5()
        raise RefusedError  # as real ones do, without a word

    async def _version_4(self) -> Asked:
        command, *number = await self.reader.readexactly(7)
        port, address = number[0] << 8 | number[1], bytes(number[2:])
        user = (await self.reader.readuntil(b"\0"))[:-1].decode()
        host, is_name = socket.inet_ntoa(address), False
        if address[:3] == b"\0\0\0" and address[3]:
            host, is_name = (await self.reader.readuntil(b"\0"))[:-1].decode(), True
        is_known = self.login is None or user == self.login[0]
        if command != _CONNECT or self.refuse_with or not is_known:
            self.writer.write(bytes([0, _REJECTED_4, 0, 0, 0, 0, 0, 0]))
            raise RefusedError
        self.writer.write(bytes([0, _GRANTED_4, 0, 0, 0, 0, 0, 0]))
        return Asked(4, host, port, is_name, user)

    async def _version_5(self) -> Asked:
        (count,) = await self.reader.readexactly(1)
        offered = await self.reader.readexactly(count)
        method = _NO_LOGIN if self.login is None else _LOGIN
        if method not in offered:
            self.writer.write(bytes([5, _NONE_OF_THESE]))
            raise RefusedError
        self.writer.write(bytes([5, method]))
        user, password = await self._read_login() if method == _LOGIN else ("", "")
        version, command, _, kind = await self.reader.readexactly(4)
        host = await self._read_host(kind)
        port = int.from_bytes(await self.reader.readexactly(2))
        code = UNKNOWN_COMMAND if command != _CONNECT or version != 5 else self.refuse_with
        self.writer.write(bytes([5, code, 0, _IPV4, 0, 0, 0, 0, 0, 0]))
        if code:
            raise RefusedError
        return Asked(5, host, port, kind == _NAME, user, password)

    async def _read_login(self) -> tuple[str, str]:
        _, length = await self.reader.readexactly(2)
        user = (await self.reader.readexactly(length)).decode()
        (length,) = await self.reader.readexactly(1)
        password = (await self.reader.readexactly(length)).decode()
        is_right = (user, password) == self.login
        self.writer.write(bytes([1, 0 if is_right else 1]))
        if not is_right:
            raise RefusedError
        return user, password

    async def _read_host(self, kind: int) -> str:
        if kind == _NAME:
            (length,) = await self.reader.readexactly(1)
            return (await self.reader.readexactly(length)).decode()
        if kind == _IPV4:
            return socket.inet_ntoa(await self.reader.readexactly(4))
        if kind == _IPV6:
            return socket.inet_ntop(socket.AF_INET6, await self.reader.readexactly(16))
        raise RefusedError


@contextlib.asynccontextmanager
async def socks_proxy(
    address: tuple[str, int],
    *,
    login: tuple[str, str] | None = None,
    refuse_with: int = 0,
    is_mute: bool = False,
    says: bytes = b"",
    port: int = 0,
) -> AsyncIterator[SocksProxy]:
    """Connect everybody to `address`, after a login if one is wanted.

    It can refuse all with a reply code of version 5, never answer, or say anything at all.
    """
    proxy = SocksProxy()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.clients += 1
        if is_mute:
            await reader.read()
        elif says:
            await reader.readexactly(1)
            writer.write(says)
        else:
            proxy.asked.append(await _Session(reader, writer, login, refuse_with).negotiate())
            await pass_on(reader, writer, address)

    async with serving(handle, port) as proxy.port:
        yield proxy
