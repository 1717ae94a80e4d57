"""Other users of this machine are kept away; this user, root and own containers are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiohttp import web
from daemon_process import daemon_process, write_config
from patience import PATIENCE_S
from privileges import without_root
from raw_client import OPUS, SONNET, get, post
from raw_upstream import answer_message, raw_upstream

from offramp_core.settings import Secret, Settings
from offramp_daemon.proxy.peer_users import MOST_STRANGERS, PeerUsers
from offramp_daemon.server import http_server, tcp_owner
from offramp_daemon.server.lifecycle import InFlight
from offramp_daemon.server.tcp_owner import NoOwner, System
from offramp_daemon.server.tcp_socket import TcpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from offramp_daemon.server.tcp_owner import Owner
    from offramp_daemon.server.tcp_socket import End

    Rows = Callable[[End, End], tuple[TcpSocket, ...] | None]

OWN, OTHER = 1000, 1001
DEFAULTS = Settings()

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user, too")


class Desk:
    """A server that asks `PeerUsers` about each request, and a system that answers as told."""

    def __init__(self, owner: Owner | None, *, in_table: Rows | None = None) -> None:
        self.asked = 0
        self.owner = owner
        self.settings = DEFAULTS
        self.in_table = in_table
        self.verdicts: list[bool] = []

    @property
    def system(self) -> System:
        return System(at_once=self._at_once, table=self._table)

    def _at_once(self, _client: End, _server: End) -> Owner | None:
        self.asked += 1
        return self.owner

    def _table(self, client: End, server: End) -> tuple[TcpSocket, ...] | None:
        assert self.in_table is not None
        return self.in_table(client, server)


def row(local: End, remote: End, uid: int | None, *, is_open: bool = True) -> TcpSocket:
    return TcpSocket(local=local, remote=remote, uid=uid, is_open=is_open)


@contextlib.asynccontextmanager
async def serving(desk: Desk, users: PeerUsers) -> AsyncIterator[tuple[str, int]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        desk.verdicts.append(await users.may_pass(request, desk.settings))
        return web.Response(text="seen")

    server = await asyncio.get_running_loop().create_server(
        http_server.of(InFlight(handle)), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"seen")


async def verdict(desk: Desk, tmp_path, *, subordinates: str = "") -> bool:
    file = tmp_path / "subuid"
    file.write_text(subordinates)
    users = PeerUsers(desk.system, own=OWN, subordinates=file)
    async with serving(desk, users) as address:
        reader, writer = await asyncio.open_connection(*address)
        await ask(reader, writer)
        writer.close()
    return desk.verdicts[0]


@pytest.mark.parametrize(
    ("owner", "passes"),
    [
        (OWN, True),
        (0, True),
        (OTHER, False),
        (65534, False),
        (2**32 - 2, False),
        (NoOwner.GONE, False),
        (NoOwner.ELSEWHERE, True),
        (NoOwner.UNREADABLE, True),
    ],
)
async def test_owner_of_the_connection_decides(tmp_path, owner, passes):
    assert await verdict(Desk(owner), tmp_path) is passes


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        (lambda _client, _server: None, True),
        (lambda _client, _server: (), True),
        (lambda c, s: (row(s, c, OWN),), True),
        (lambda c, s: (row(s, c, OWN, is_open=False),), False),
        (lambda c, s: (row(s, c, OWN), row(c, s, OWN)), True),
        (lambda c, s: (row(s, c, OWN), row(c, s, 0)), True),
        (lambda c, s: (row(s, c, OWN), row(c, s, OTHER)), False),
        (lambda c, s: (row(s, c, 0), row(c, s, OTHER)), False),
        (lambda c, s: (row(s, c, OWN), row(c, s, None)), False),
        # A table of a form that nobody knew must not keep its own user out.
        (lambda c, s: (row(s, c, 77), row(c, s, 78)), True),
    ],
)
async def test_table_decides_where_the_system_does_not_answer_at_once(tmp_path, rows, passes):
    assert await verdict(Desk(None, in_table=rows), tmp_path) is passes


async def test_lookup_that_fails_keeps_nobody_out(tmp_path, caplog):
    def fail(_client: End, _server: End) -> None:
        raise TypeError

    assert await verdict(Desk(None, in_table=fail), tmp_path)
    assert "could not be looked up" in caplog.text


@pytest.mark.parametrize(
    ("subordinates", "passes"),
    [
        ("1000:100000:65536\n", True),
        ("# none\n1000:1:1\n1000:100000:65536", True),
        ("1001:100000:65536\n", False),
        ("1000:100000:999\n", False),
        ("1000:100000\n1000:x:y\n1000\n:\n1000:-1:1000000", False),
        ("", False),
    ],
)
async def test_user_of_an_own_container_passes(tmp_path, subordinates, passes):
    assert await verdict(Desk(100999), tmp_path, subordinates=subordinates) is passes


async def test_each_connection_is_looked_up_once(tmp_path):
    desk = Desk(OWN)
    async with serving(desk, PeerUsers(desk.system, own=OWN)) as address:
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*address)
            for _ in range(3):
                await ask(reader, writer)
            desk.owner = OTHER
            writer.close()
    assert desk.verdicts == [True] * 3 + [False] * 3
    assert desk.asked == 2


@pytest.mark.parametrize(
    "change", [{"client_token": Secret("a-token-of-24-characters")}, {"other_users": True}]
)
async def test_setting_that_lets_others_in_holds_for_open_connections(change):
    desk = Desk(OTHER)
    async with serving(desk, PeerUsers(desk.system, own=OWN)) as address:
        reader, writer = await asyncio.open_connection(*address)
        await ask(reader, writer)
        desk.settings = msgspec.structs.replace(DEFAULTS, **change)
        await ask(reader, writer)
        desk.settings = DEFAULTS
        await ask(reader, writer)
        writer.close()
    assert desk.verdicts == [False, True, False]


async def test_nobody_is_looked_up_where_everybody_may_pass():
    desk = Desk(OTHER)
    desk.settings = Settings(other_users=True)
    async with serving(desk, PeerUsers(desk.system, own=OWN)) as address:
        reader, writer = await asyncio.open_connection(*address)
        await ask(reader, writer)
        writer.close()
    assert desk.asked == 0


def opened(port: int, host: str = "127.0.0.1", *, is_nobodys: bool) -> socket.socket:
    """A connection of nobody's, or of this process's user."""
    with without_root() if is_nobodys else contextlib.nullcontext():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = socket.socket(family)
        client.connect((host, port))
        client.setblocking(False)
        return client


async def answer_to(client: socket.socket, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(sock=client)
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        came = await reader.read(-1)
    writer.close()
    return came


REQUESTS = [
    post(b"/v1/messages", SONNET),
    post(b"/v1/messages", OPUS),
    post(b"/v1/messages/count_tokens", SONNET),
    get(b"/v1/models"),
    get(b"/health"),
    get(b"/", b"OPTIONS"),
    post(b"/v1/message", OPUS),
]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_own_requests_are_served(tmp_path, host):
    async with raw_upstream(answer_message) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with daemon_process(tmp_path) as daemon:
            client = opened(daemon.port, host, is_nobodys=False)
            came = await answer_to(client, post(b"/v1/messages", SONNET))
            assert came.startswith(b"HTTP/1.1 200 ")


@pytest.mark.root
@as_root
async def test_other_users_spend_no_key(tmp_path):
    async with raw_upstream(answer_message) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with daemon_process(tmp_path) as daemon:
            for host in ("127.0.0.1", "::1"):
                for request in REQUESTS:
                    client = opened(daemon.port, host, is_nobodys=True)
                    came = await answer_to(client, request)
                    assert came.startswith(b"HTTP/1.1 403 ")
                    assert b"\r\nServer: Offramp\r\n" in came
                    error = json.loads(came.partition(b"\r\n\r\n")[2])
                    assert error["type"] == "error"
                    assert error["error"]["type"] == "permission_error"
                    for word in ("client_token", "other_users", "PORT"):
                        assert word in error["error"]["message"]
            assert not upstream.heads


@pytest.mark.root
@as_root
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_other_user_who_does_not_wait_for_the_answer_spends_no_key(tmp_path, how):
    async with raw_upstream(answer_message) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with daemon_process(tmp_path) as daemon:
            for _ in range(50):
                client = opened(daemon.port, is_nobodys=True)
                client.send(post(b"/v1/messages", SONNET))
                if how == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            client = opened(daemon.port, is_nobodys=False)
            assert (await answer_to(client, get(b"/health"))).startswith(b"HTTP/1.1 200 ")
            assert not upstream.heads


@pytest.mark.root
@as_root
async def test_other_user_who_holds_many_connections_keeps_nobody_out(tmp_path):
    async with raw_upstream(answer_message) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with daemon_process(tmp_path) as daemon:
            pid = daemon.process.pid
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (MOST_STRANGERS + 100,) * 2)
            with contextlib.ExitStack() as held:
                for _ in range(MOST_STRANGERS // 50 + 4):
                    for _ in range(50):
                        held.enter_context(opened(daemon.port, is_nobodys=True))
                    # Its answer says that those before it have been met.
                    client = opened(daemon.port, is_nobodys=False)
                    came = await answer_to(client, post(b"/v1/messages", SONNET))
                    assert came.startswith(b"HTTP/1.1 200 ")
            # Once they are closed, which has been seen by the time of another answer, there is room
            # for others again, who then hear why they are refused.
            for is_nobodys, status in ((False, b"200"), (True, b"403")):
                client = opened(daemon.port, is_nobodys=is_nobodys)
                came = await answer_to(client, post(b"/v1/messages", SONNET))
                assert came.startswith(b"HTTP/1.1 " + status)


@pytest.mark.root
@as_root
async def test_other_users_are_served_where_the_settings_say_so(tmp_path):
    async with raw_upstream(answer_message) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top="other_users = true")
        async with daemon_process(tmp_path) as daemon:
            client = opened(daemon.port, is_nobodys=True)
            came = await answer_to(client, post(b"/v1/messages", SONNET))
            assert came.startswith(b"HTTP/1.1 200 ")


@pytest.mark.root
@as_root
async def test_token_decides_where_one_is_set(tmp_path):
    token = "a-token-of-24-characters"
    async with raw_upstream(answer_message) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top=f'client_token = "{token}"')
        async with daemon_process(tmp_path) as daemon:
            for is_nobodys in (True, False):
                client = opened(daemon.port, is_nobodys=is_nobodys)
                came = await answer_to(client, post(b"/v1/messages", SONNET))
                assert came.startswith(b"HTTP/1.1 403 ")
                assert b"offramp connect" in came
                assert not upstream.heads
            header = f"Connection: close\r\nx-offramp-token: {token}\r\n".encode()
            client = opened(daemon.port, is_nobodys=True)
            came = await answer_to(client, post(b"/v1/messages", SONNET, header))
            assert came.startswith(b"HTTP/1.1 200 ")
            assert token.encode() not in upstream.heads[0]


def test_owner_is_known_in_this_environment():
    """Where this fails, so does the protection: `offramp doctor` says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = opened(listener.getsockname()[1], is_nobodys=False)
        accepted, _ = listener.accept()
        with client, accepted:
            ends = [tcp_owner.end(a) for a in (accepted.getpeername(), accepted.getsockname())]
            client_end, server_end = (end for end in ends if end is not None)
            system, own = tcp_owner.of_platform(), os.geteuid()
            assert tcp_owner.find(client_end, server_end, system, own=own) == own
