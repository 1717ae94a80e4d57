"""The connections out: TLS and whom it trusts, and upstreams that can't be reached."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import ssl
import sys

import pytest
from daemon_process import free_port
from patience import PATIENCE_S
from proxy_harness import running_proxy, settings_for
from raw_client import OPUS, connected, post
from raw_upstream import (
    END,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    answer_message,
    chunk,
    raw_upstream,
)
from tls import Certificates, has_openssl, make_certificates

from offramp_daemon.upstream import tls
from offramp_daemon.upstream.client import Upstream, open_socket
from offramp_daemon.upstream.network_watch import NetworkWatch

needs_openssl = pytest.mark.skipif(not has_openssl(), reason="the openssl command is not here")


async def ask(client, proxy) -> tuple[int, bytes]:
    async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
        return answered.status, await answered.read()


def message_of(body: bytes) -> str:
    error = json.loads(body)
    assert error["type"] == "error"
    text = error["error"]["message"]
    assert isinstance(text, str)
    return text


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    names = "DNS:localhost, DNS:upstream.invalid, IP:127.0.0.1"
    return make_certificates(tmp_path_factory.mktemp("tls"), names)


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "DNS:other.invalid")


def trust_in(authority: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make that file the system's trust store, as far as the system allows."""
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    if sys.platform == "darwin":  # its keychain knows nothing of that variable
        make = tls.client_context

        def with_authority() -> ssl.SSLContext:
            context = make()
            context.load_verify_locations(authority)
            return context

        monkeypatch.setattr(tls, "client_context", with_authority)


@needs_openssl
async def test_upstream_that_the_systems_store_trusts_is_reached(
    start_proxy, client, certificates, monkeypatch
):
    trust_in(str(certificates.authority), monkeypatch)
    async with (
        raw_upstream(answer_message, tls=certificates.server_context()) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        for _ in range(2):
            assert await ask(client, proxy) == (200, MESSAGE)
        assert upstream.bodies == [OPUS, OPUS]
        assert {record.status for record in proxy.records} == {"success"}


@needs_openssl
async def test_untrusted_certificate_is_said(start_proxy, client, certificates):
    async with (
        raw_upstream(answer_message, tls=certificates.server_context()) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        status, body = await ask(client, proxy)
        assert status == 502
        assert "certificate of 127.0.0.1" in message_of(body)
        assert "not trusted" in message_of(body)
        assert "_ssl.c" not in message_of(body)
        assert not upstream.heads


@needs_openssl
async def test_certificate_of_another_host_is_said(start_proxy, client, others, monkeypatch):
    trust_in(str(others.authority), monkeypatch)
    async with (
        raw_upstream(answer_message, tls=others.server_context()) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        status, body = await ask(client, proxy)
        assert status == 502
        assert "certificate of 127.0.0.1" in message_of(body)
        assert not upstream.heads


async def test_plain_text_behind_an_https_address_is_said(start_proxy, client):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, start_proxy(url, url) as proxy:
        status, body = await ask(client, proxy)
        assert status == 502
        assert "(TLS)" in message_of(body)


async def test_upstream_that_never_finishes_its_tls_greeting_is_a_timeout(start_proxy, client):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, start_proxy(url, url, connect_timeout_s=0.1) as proxy:
        status, body = await ask(client, proxy)
        assert status == 504
        assert json.loads(body)["error"]["type"] == "timeout_error"
        assert (await proxy.only_record()).http_status == 504


async def test_upstream_that_takes_no_connection_is_a_timeout(start_proxy, client):
    with socket.socket() as listener, contextlib.ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        if not _fill(listener.getsockname(), queue):
            pytest.skip("this system takes more connections than it was asked to")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with start_proxy(url, url, connect_timeout_s=0.1) as proxy:
            status, body = await ask(client, proxy)
        assert status == 504
        assert "in time" in message_of(body)


def _fill(address: tuple[str, int], queue: contextlib.ExitStack) -> bool:
    """Connect until one connection is left hanging; whether that came to be."""
    for _ in range(8):
        opened = queue.enter_context(socket.socket())
        opened.setblocking(False)
        opened.connect_ex(address)
        if not select.select([], [opened], [], 0.2)[1]:
            return True
    return False


async def test_name_with_two_dead_addresses_says_why(start_proxy, client):
    url = f"http://localhost:{free_port()}"
    async with start_proxy(url, url) as proxy:
        status, body = await ask(client, proxy)
        assert status == 502
        assert "localhost" in message_of(body)
        assert "refused" in message_of(body).lower()


async def test_answer_that_is_no_http_is_a_bad_gateway(start_proxy, client):
    async def answer(connection: Connection) -> None:
        await connection.write(b"SSH-2.0-OpenSSH_9.6\r\n")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        status, body = await ask(client, proxy)
        assert status == 502
        assert "no usable answer" in message_of(body)


async def test_connection_out_notices_a_dead_peer(client):
    made: list[socket.socket] = []

    def open_and_keep(address):
        made.append(open_socket(address))
        return made[-1]

    async with (
        raw_upstream(answer_message) as upstream,
        running_proxy(
            settings_for(upstream.url, upstream.url),
            upstream=Upstream(socket_factory=open_and_keep),
        ) as proxy,
    ):
        await ask(client, proxy)
        assert made[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert made[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@needs_openssl
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS asks its keychain each time")
def test_trust_store_is_read_once_and_not_for_every_connection(certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    context = tls.client_context()
    assert len(context.get_ca_certs()) == 1
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_connection_that_is_not_trusted_is_closed_once_its_answer_has_ended(client):
    go_on = asyncio.Event()

    async def answer(connection: Connection) -> None:
        if connection.number == 0:
            await connection.write(SSE_HEAD + chunk(START))
            await go_on.wait()
            await connection.write(chunk(END) + b"0\r\n\r\n")
        else:
            await answer_message(connection)

    wall_s = 1000.0
    way_out = Upstream(wall_s=lambda: wall_s, clock_s=lambda: 1000.0)
    async with (
        raw_upstream(answer) as upstream,
        running_proxy(settings_for(upstream.url, upstream.url), upstream=way_out) as proxy,
    ):
        async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
            assert await answered.content.readany() == START
            for slept_s in (3600.0, 3600.0, 0.0):
                wall_s += slept_s
                assert (await ask(client, proxy))[0] == 200
                # The one with the stream stays, however often the machine slept.
                assert proxy.upstream.connection_count - proxy.upstream.idle_count == 1
            go_on.set()
            assert await answered.content.read() == END
        await proxy.in_flight.drain(5, asyncio.Event())
        assert proxy.upstream.connection_count == proxy.upstream.idle_count == 1
        assert (await ask(client, proxy))[0] == 200
        assert len(upstream.writers) == 3
        assert {record.status for record in proxy.records} == {"success"}


async def test_connections_of_an_address_that_went_are_not_trusted(
    start_proxy, client, monkeypatch
):
    numbers: list[int] = []

    async def answer(connection: Connection) -> None:
        numbers.append(connection.number)
        await answer_message(connection)

    changes = [False, False, True, False]
    monkeypatch.setattr(NetworkWatch, "has_changed", lambda _self: changes.pop(0))
    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        for _ in range(4):
            await ask(client, proxy)
    assert numbers == [0, 0, 1, 1]


@needs_openssl
async def test_large_bodies_pass_whole_both_ways_over_tls_to_a_slow_reader(
    start_proxy, certificates, monkeypatch
):
    trust_in(str(certificates.authority), monkeypatch)
    sent = OPUS[:-1] + b', "x": "' + b"y" * 6_000_000 + b'"}'
    event = b'data: {"type":"ping","x":"%s"}\n\n' % (b"z" * 65536)

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        for _ in range(256):
            await connection.write(chunk(event))
        await connection.write(chunk(END) + b"0\r\n\r\n")

    async with (
        raw_upstream(answer, tls=certificates.server_context()) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", sent))
        came = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while piece := await reader.read(65536):
                came += piece
        assert came.count(event[:40]) == 256
        assert came.endswith(b"0\r\n\r\n")
        assert upstream.bodies == [sent]
        record = await proxy.only_record()
        assert (record.status, record.output_tokens) == ("success", 34)
