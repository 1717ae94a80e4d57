"""SOCKS proxies on the way out, and an ALL_PROXY that can't be used."""

from __future__ import annotations

import io
import json
import socket
import sys
from urllib.parse import urlsplit

import pytest
from daemon_process import free_port
from http_proxy import http_proxy
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY, running_proxy, settings_for
from raw_client import OPUS, SONNET
from raw_upstream import MESSAGE, SSE_HEAD, START, answer_message, chunk, raw_upstream
from socks_proxy import GENERAL_FAILURE, HOST_UNREACHABLE, NOT_ALLOWED, Asked, socks_proxy
from tls import has_openssl

from offramp_daemon.upstream.client import Upstream

HOST = "upstream.invalid"
ADDRESS = "192.0.2.7"
PASSWORD = "s0cks-passw0rd"

pytestmark = [
    pytest.mark.usefixtures("own_environment"),
    pytest.mark.skipif(not has_openssl(), reason="the openssl command is not here"),
    pytest.mark.skipif(sys.platform == "darwin", reason="its keychain knows no SSL_CERT_FILE"),
]


@pytest.fixture
def port(upstream) -> int:
    return address_of(upstream.url)[1]


@pytest.fixture
def url(port) -> str:
    """An address that only a proxy leads to."""
    return f"https://{HOST}:{port}"


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


async def ask(client, proxy, body: bytes = OPUS) -> tuple[int, bytes]:
    data = io.BytesIO(body)  # of bytes, aiohttp takes no large ones without a warning
    async with client.post(proxy.url + "/v1/messages?beta=true", data=data) as answered:
        return answered.status, await answered.read()


def message_of(body: bytes) -> str:
    text = json.loads(body)["error"]["message"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("scheme", "version"),
    [("socks5h", 5), ("socks5", 5), ("socks", 5), ("socks4a", 4), ("SOCKS5H", 5)],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"])
async def test_https_upstream_is_reached_through_socks(
    start_proxy, client, upstream, port, url, monkeypatch, scheme, version, variable
):
    async with socks_proxy(address_of(upstream.url)) as tunnel:
        monkeypatch.setenv(variable, tunnel.url(scheme))
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
            assert await ask(client, proxy, SONNET) == (200, MESSAGE)
            assert proxy.upstream.warnings == ()
    # Both requests went through one tunnel, whose proxy looked the name up.
    assert tunnel.asked == [Asked(version, HOST, port, is_name=True)]
    assert upstream.heads[0].startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")
    assert f"\r\nHost: {HOST}:{port}\r\n".encode() in upstream.heads[0]


@pytest.mark.parametrize(("scheme", "version"), [("socks5", 5), ("socks4", 4)])
async def test_name_is_looked_up_here_where_the_scheme_says_so(
    start_proxy, client, upstream, port, url, monkeypatch, scheme, version
):
    look_up = socket.getaddrinfo

    def known(host, *arguments, **named):
        return look_up(ADDRESS if host == HOST else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", known)
    async with socks_proxy(address_of(upstream.url)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url(scheme))
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
    assert tunnel.asked == [Asked(version, ADDRESS, port, is_name=False)]


async def test_name_that_is_unknown_here_fails_with_version_4(
    start_proxy, client, upstream, url, monkeypatch
):
    async with socks_proxy(address_of(upstream.url)) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url("socks4"))
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert "DNS" in message_of(body)
    assert not tunnel.asked


@pytest.mark.parametrize(
    ("scheme", "login", "user", "password"),
    [
        ("socks5h", f"me:{PASSWORD}%40", "me", f"{PASSWORD}@"),
        ("socks5", "m%20e:p", "m e", "p"),
        ("socks4a", "me", "me", ""),
    ],
)
async def test_login_reaches_the_socks_proxy_and_nobody_else(
    start_proxy, client, upstream, url, monkeypatch, scheme, login, user, password
):
    async with socks_proxy(address_of(upstream.url), login=(user, password)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url(scheme, login))
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
    assert (tunnel.asked[0].user, tunnel.asked[0].password) == (user, password)
    assert b"proxy" not in upstream.heads[0].lower()
    assert CLAUDE_TOKEN.encode() in upstream.heads[0]


async def test_plain_upstream_is_reached_through_socks(start_proxy, client, monkeypatch):
    async with raw_upstream(answer_message) as upstream:
        _, port = address_of(upstream.url)
        async with socks_proxy(address_of(upstream.url)) as tunnel:
            monkeypatch.setenv("all_proxy", tunnel.url("socks5h"))
            plain = f"http://{HOST}:{port}"
            async with start_proxy(plain, plain) as proxy:
                assert await ask(client, proxy) == (200, MESSAGE)
    assert tunnel.asked == [Asked(5, HOST, port, is_name=True)]
    assert upstream.heads[0].startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")


async def test_stream_through_socks_arrives_as_it_came(
    start_proxy, client, certificates, monkeypatch
):
    async def answer(connection):
        await connection.write(SSE_HEAD + chunk(START) + b"0\r\n\r\n")
        connection.writer.close()

    async with raw_upstream(answer, tls=certificates.server_context()) as upstream:
        _, port = address_of(upstream.url)
        async with socks_proxy(address_of(upstream.url)) as tunnel:
            monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
            async with (
                start_proxy(f"https://{HOST}:{port}", f"https://{HOST}:{port}") as proxy,
                client.post(proxy.url + "/v1/messages", data=OPUS) as answered,
            ):
                assert await answered.content.readexactly(len(START)) == START


async def test_large_body_goes_through_socks_whole(start_proxy, client, upstream, url, monkeypatch):
    body = OPUS[:-1] + b', "x": "' + b"y" * 3_000_000 + b'"}'
    async with socks_proxy(address_of(upstream.url)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        async with start_proxy(url, url) as proxy:
            assert (await ask(client, proxy, body))[0] == 200
    assert upstream.bodies == [body]


async def test_certificate_of_another_host_behind_socks_is_refused(
    start_proxy, client, upstream, port, monkeypatch
):
    async with socks_proxy(address_of(upstream.url)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        other = f"https://other.invalid:{port}"
        async with start_proxy(other, other) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert f"certificate of other.invalid:{port} is not trusted" in message_of(body)
    assert not upstream.heads


@pytest.mark.parametrize("no_proxy", [HOST, ".invalid", "*"])
async def test_no_proxy_is_respected_for_socks(start_proxy, client, url, monkeypatch, no_proxy):
    async with socks_proxy(("127.0.0.1", 9)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        monkeypatch.setenv("NO_PROXY", no_proxy)
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert "DNS" in message_of(body)
    assert not tunnel.asked


async def test_loopback_is_never_reached_through_socks(start_proxy, client, monkeypatch):
    async with raw_upstream(answer_message) as upstream, socks_proxy(("127.0.0.1", 9)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        monkeypatch.setenv("http_proxy", tunnel.url("socks5h"))
        async with start_proxy(upstream.url, upstream.url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
    assert not tunnel.asked


UNUSABLE = [
    "quic://127.0.0.1:1080",
    f"ss://me:{PASSWORD}@127.0.0.1:8388",
    "http://",
    "socks5h://:1080",
    f"http://me:{PASSWORD}@127.0.0.1:port",
    f"socks5://me:{PASSWORD}@127.0.0.1:99999",
    f"//{PASSWORD}@",
    "http://[::1",
]


@pytest.mark.parametrize("address", UNUSABLE)
async def test_unusable_all_proxy_is_skipped_with_one_warning(
    start_proxy, client, certificates, monkeypatch, address
):
    # As a loopback address would spare the proxy, the upstream has another one here.
    monkeypatch.setenv("all_proxy", address)
    _lead_to_loopback(monkeypatch)
    async with raw_upstream(answer_message, tls=certificates.server_context()) as upstream:
        url = f"https://{HOST}:{address_of(upstream.url)[1]}"
        async with start_proxy(url, url) as proxy:
            (before,) = proxy.upstream.warnings
            assert await ask(client, proxy) == (200, MESSAGE)
            assert await ask(client, proxy, SONNET) == (200, MESSAGE)
            assert proxy.upstream.warnings == (before,)
    assert before.startswith("ALL_PROXY is ignored")
    assert PASSWORD not in before


@pytest.mark.parametrize("address", UNUSABLE)
async def test_unusable_proxy_of_the_scheme_is_an_error_and_never_skipped(
    start_proxy, client, upstream, port, monkeypatch, address
):
    monkeypatch.setenv("HTTPS_PROXY", address)
    _lead_to_loopback(monkeypatch)
    url = f"https://{HOST}:{port}"
    async with start_proxy(url, url) as proxy:
        status, body = await ask(client, proxy)
        assert proxy.upstream.warnings == ()
    assert status == 502
    assert "HTTPS_PROXY" in message_of(body)
    assert PASSWORD not in message_of(body)
    assert not upstream.heads


@pytest.mark.parametrize("bad", [*UNUSABLE, "socks5h://127.0.0.1:{free}"])
async def test_good_proxy_of_the_scheme_is_used_beside_a_bad_all_proxy(
    start_proxy, client, upstream, url, monkeypatch, bad
):
    async with http_proxy(address_of(upstream.url)) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        monkeypatch.setenv("ALL_PROXY", bad.replace("{free}", str(free_port())))
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
            assert proxy.upstream.warnings == ()
    assert len(corporate.heads) == 1


@pytest.mark.parametrize("variables", [{"NO_PROXY": "*"}, {"HTTPS_PROXY": "http://127.0.0.1:9"}])
async def test_all_proxy_that_nothing_would_use_is_not_looked_at(
    start_proxy, url, monkeypatch, variables
):
    async with socks_proxy(("127.0.0.1", 9)) as tunnel:
        for name, value in {"ALL_PROXY": tunnel.url("socks5h"), **variables}.items():
            monkeypatch.setenv(name, value)
        async with start_proxy(url, url) as proxy:
            assert proxy.upstream.warnings == ()
    assert tunnel.clients == 0


@pytest.mark.parametrize("scheme", ["socks5h", "socks", "socks4a", "http"])
async def test_all_proxy_that_is_not_there_is_skipped_with_one_warning_until_it_is(
    client, upstream, port, monkeypatch, scheme
):
    now_s, proxy_port = [0.0], free_port()
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:{PASSWORD}@127.0.0.1:{proxy_port}")
    _lead_to_loopback(monkeypatch)
    url = f"https://{HOST}:{port}"
    way_out = Upstream(wall_s=lambda: now_s[0], clock_s=lambda: now_s[0])
    async with running_proxy(settings_for(url, url), upstream=way_out) as proxy:
        (warning,) = proxy.upstream.warnings
        assert await ask(client, proxy) == (200, MESSAGE)
        assert await ask(client, proxy, SONNET) == (200, MESSAGE)
        assert proxy.upstream.warnings == (warning,)
        assert f"127.0.0.1:{proxy_port}" in warning
        assert PASSWORD not in warning
        now_s[0] = 61.0  # it is tried again, and still not there
        assert await ask(client, proxy) == (200, MESSAGE)
        assert proxy.upstream.warnings == (warning,)


async def test_all_proxy_that_is_there_again_is_used_and_no_warning_stays(
    client, upstream, port, monkeypatch
):
    now_s, proxy_port = [0.0], free_port()
    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy_port}")
    _lead_to_loopback(monkeypatch)
    url = f"https://{HOST}:{port}"
    way_out = Upstream(wall_s=lambda: now_s[0], clock_s=lambda: now_s[0])
    async with running_proxy(settings_for(url, url), upstream=way_out) as proxy:
        assert await ask(client, proxy) == (200, MESSAGE)
        assert len(proxy.upstream.warnings) == 1
        async with socks_proxy(address_of(upstream.url), port=proxy_port) as tunnel:
            assert await ask(client, proxy) == (200, MESSAGE)
            assert tunnel.clients == 0  # not tried before a minute has passed
            now_s[0] = 61.0
            upstream.close_connections()
            assert await ask(client, proxy) == (200, MESSAGE)
            assert tunnel.clients == 1
            assert proxy.upstream.warnings == ()


async def test_all_proxy_that_never_answers_is_skipped(client, upstream, port, monkeypatch):
    _lead_to_loopback(monkeypatch)
    url = f"https://{HOST}:{port}"
    async with socks_proxy(("127.0.0.1", 9), is_mute=True) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        settings = settings_for(url, url, connect_timeout_s=0.2)
        async with running_proxy(settings) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
            assert len(proxy.upstream.warnings) == 1
            count = tunnel.clients
            assert await ask(client, proxy) == (200, MESSAGE)
    assert tunnel.clients == count


async def test_all_proxy_that_is_not_there_is_named_where_there_is_no_other_way(
    start_proxy, client, url, monkeypatch
):
    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{free_port()}")
    async with start_proxy(url, url) as proxy:
        status, body = await ask(client, proxy)
    assert status == 502
    assert "SOCKS proxy" in message_of(body)
    assert "ALL_PROXY" in message_of(body)


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "socks5"])
async def test_socks_proxy_of_the_scheme_that_is_not_there_is_never_skipped(
    start_proxy, client, upstream, port, monkeypatch, scheme
):
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://me:{PASSWORD}@127.0.0.1:{free_port()}")
    _lead_to_loopback(monkeypatch)
    url = f"https://{HOST}:{port}"
    async with start_proxy(url, url) as proxy:
        status, body = await ask(client, proxy)
    assert status == 502
    assert "could not be reached: connection refused" in message_of(body)
    assert PASSWORD not in message_of(body)
    assert not upstream.heads


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY"])
@pytest.mark.parametrize(
    ("scheme", "options", "why"),
    [
        ("socks5h", {"refuse_with": NOT_ALLOWED}, "not allowed by ruleset"),
        ("socks5h", {"refuse_with": HOST_UNREACHABLE}, "host unreachable"),
        ("socks5h", {"refuse_with": GENERAL_FAILURE}, "general SOCKS server failure"),
        ("socks4a", {"refuse_with": NOT_ALLOWED}, "rejected"),
        ("socks5h", {"login": ("me", "other")}, "authentication failure"),
        ("socks5h", {"says": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "version"),
        ("socks4a", {"says": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "version"),
    ],
)
async def test_refusal_of_a_socks_proxy_is_said_without_its_password(
    start_proxy, client, upstream, port, monkeypatch, variable, scheme, options, why
):
    _lead_to_loopback(monkeypatch)
    url = f"https://{HOST}:{port}"
    async with socks_proxy(address_of(upstream.url), **options) as tunnel:
        monkeypatch.setenv(variable, tunnel.url(scheme, f"me:{PASSWORD}"))
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert why in message_of(body)
    assert PASSWORD not in message_of(body)
    assert not upstream.heads


async def test_socks_proxy_that_wants_a_login_which_is_not_set_is_said(
    start_proxy, client, url, monkeypatch
):
    async with socks_proxy(("127.0.0.1", 9), login=("me", PASSWORD)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert "authentication method" in message_of(body)


@pytest.mark.parametrize("login", [f"me:{PASSWORD}%C3%BC", f"{'u' * 300}:{PASSWORD}"])
async def test_login_that_socks_can_not_carry_is_said_without_it(
    start_proxy, client, url, monkeypatch, login
):
    async with socks_proxy(("127.0.0.1", 9), login=("me", PASSWORD)) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url("socks5h", login))
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert "SOCKS" in message_of(body)
    assert PASSWORD not in message_of(body)


async def test_socks_proxy_that_never_answers_is_a_timeout(start_proxy, client, url, monkeypatch):
    async with socks_proxy(("127.0.0.1", 9), is_mute=True) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url("socks5h"))
        async with start_proxy(url, url, connect_timeout_s=0.1) as proxy:
            status, _ = await ask(client, proxy)
    assert status == 504


async def test_dead_tunnel_is_replaced_once(start_proxy, client, upstream, url, monkeypatch):
    async with socks_proxy(address_of(upstream.url)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url("socks5h"))
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
            upstream.close_connections()
            assert await ask(client, proxy) == (200, MESSAGE)
    assert len(tunnel.asked) == 2
    assert ZAI_KEY.encode() not in upstream.heads[1]


def _lead_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the upstream's name lead to this machine, for requests that go out directly."""
    look_up = socket.getaddrinfo

    def known(host, *arguments, **named):
        return look_up("127.0.0.1" if host == HOST else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", known)
