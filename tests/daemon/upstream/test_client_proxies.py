"""HTTP proxies on the way out: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

import base64
import json
import sys
from urllib.parse import urlsplit

import pytest
from daemon_process import free_port
from http_proxy import http_proxy
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY
from raw_client import OPUS, SONNET, post, read_to_end
from raw_upstream import MESSAGE, answer_message, raw_upstream
from tls import has_openssl, make_certificates

HOST = "upstream.invalid"
PASSWORD = "c0rp-passw0rd"

pytestmark = [
    pytest.mark.usefixtures("own_environment"),
    pytest.mark.skipif(not has_openssl(), reason="the openssl command is not here"),
    pytest.mark.skipif(sys.platform == "darwin", reason="its keychain knows no SSL_CERT_FILE"),
]


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


async def ask(client, proxy, body: bytes = OPUS) -> tuple[int, bytes]:
    async with client.post(proxy.url + "/v1/messages?beta=true", data=body) as answered:
        return answered.status, await answered.read()


def message_of(body: bytes) -> str:
    text = json.loads(body)["error"]["message"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_https_upstream_is_reached_through_the_proxy(
    start_proxy, client, upstream, monkeypatch, variable
):
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port)) as corporate:
        monkeypatch.setenv(variable, corporate.url)
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
            assert await ask(client, proxy, SONNET) == (200, MESSAGE)
    (head,) = corporate.heads  # the second request went through the tunnel that was there
    assert head.startswith(f"CONNECT {HOST}:{port} HTTP/1.1\r\n".encode())
    for secret in (CLAUDE_TOKEN, ZAI_KEY, "claude-opus"):
        assert secret.encode() not in head
    assert upstream.heads[0].startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")
    assert f"\r\nHost: {HOST}:{port}\r\n".encode() in upstream.heads[0]
    assert b"proxy" not in upstream.heads[0].lower()


async def test_login_of_the_proxy_reaches_the_proxy_alone(
    start_proxy, client, upstream, monkeypatch
):
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port)) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url_with(f"me:{PASSWORD}%40"))
        async with start_proxy(url, url) as proxy:
            assert (await ask(client, proxy))[0] == 200
    login = base64.b64encode(f"me:{PASSWORD}@".encode())
    assert b"Proxy-Authorization: Basic " + login in corporate.heads[0]
    assert login not in upstream.heads[0]
    assert CLAUDE_TOKEN.encode() in upstream.heads[0]


@pytest.mark.parametrize("no_proxy", [HOST, ".invalid", "*", f"x, {HOST}:{{port}}"])
async def test_no_proxy_is_respected(start_proxy, client, upstream, monkeypatch, no_proxy):
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port)) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        monkeypatch.setenv("NO_PROXY", no_proxy.format(port=port))
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert not corporate.heads
    assert status == 502
    assert "DNS" in message_of(body)  # nobody but the proxy would have known the name


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_loopback_is_never_reached_through_a_proxy(start_proxy, client, monkeypatch, name):
    async with raw_upstream(answer_message) as upstream:
        _, port = address_of(upstream.url)
        url = f"http://{name}:{port}"
        async with http_proxy(("127.0.0.1", port)) as corporate:
            for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(variable, corporate.url)
            monkeypatch.delenv("HTTP_PROXY")
            monkeypatch.setenv("http_proxy", corporate.url)
            async with start_proxy(url, url) as proxy:
                assert await ask(client, proxy) == (200, MESSAGE)
    assert not corporate.heads


async def test_plain_upstream_is_reached_through_the_proxy(start_proxy, monkeypatch):
    async with raw_upstream(answer_message) as upstream:
        host, port = address_of(upstream.url)
        url = f"http://{HOST}:{port}"
        async with http_proxy((host, port)) as corporate:
            monkeypatch.setenv("http_proxy", corporate.url_with(f"me:{PASSWORD}"))
            async with start_proxy(url, url) as proxy:
                came = await read_to_end(proxy.url, post(b"/v1/%41?a=%7B1%7D&b", OPUS))
    assert came.endswith(MESSAGE)
    assert corporate.heads[0].startswith(
        f"POST http://{HOST}:{port}/v1/%41?a=%7B1%7D&b HTTP/1.1\r\n".encode()
    )
    assert b"Proxy-Authorization: Basic " in corporate.heads[0]


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required"])
async def test_refusal_of_the_proxy_is_said_without_its_password(
    start_proxy, client, monkeypatch, status
):
    refusal = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode()
    async with http_proxy(("127.0.0.1", 9), refusal=refusal) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url_with(f"me:{PASSWORD}"))
        async with start_proxy(f"https://{HOST}", f"https://{HOST}") as proxy:
            answer_status, body = await ask(client, proxy)
            assert (await proxy.only_record()).status == "error"
    assert answer_status == 502
    assert f"refused with status {status[:3]}" in message_of(body)
    assert PASSWORD.encode() not in body


async def test_proxy_that_is_not_there_is_said_without_its_password(
    start_proxy, client, monkeypatch
):
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@127.0.0.1:{port}")
    async with start_proxy(f"https://{HOST}", f"https://{HOST}") as proxy:
        status, body = await ask(client, proxy)
    assert status == 502
    assert "HTTPS_PROXY" in message_of(body)
    assert PASSWORD.encode() not in body


async def test_proxy_that_closes_on_connect_is_a_bad_gateway(start_proxy, client, monkeypatch):
    async with http_proxy(("127.0.0.1", 9), refusal=b" ") as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        async with start_proxy(f"https://{HOST}", f"https://{HOST}") as proxy:
            assert (await ask(client, proxy))[0] == 502


async def test_proxy_that_never_answers_is_a_timeout(start_proxy, client, monkeypatch):
    async with http_proxy(("127.0.0.1", 9), is_mute=True) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        url = f"https://{HOST}"
        async with start_proxy(url, url, connect_timeout_s=0.1) as proxy:
            status, _ = await ask(client, proxy)
    assert status == 504
    assert len(corporate.heads) == 1


@pytest.mark.parametrize("address", ["socks5://me:{}@127.0.0.1:1080", "http://me:{}@h:x", "//{}@"])
async def test_proxy_of_another_kind_is_refused_without_its_password(
    start_proxy, client, monkeypatch, address
):
    monkeypatch.setenv("ALL_PROXY", address.format(PASSWORD))
    async with start_proxy(f"https://{HOST}", f"https://{HOST}") as proxy:
        status, body = await ask(client, proxy)
    assert status == 502
    assert "ALL_PROXY" in message_of(body)
    assert PASSWORD.encode() not in body


async def test_untrusted_upstream_behind_the_proxy_is_said(
    start_proxy, client, tmp_path, monkeypatch
):
    strangers = make_certificates(tmp_path, f"DNS:{HOST}")
    async with raw_upstream(answer_message, tls=strangers.server_context()) as upstream:
        host, port = address_of(upstream.url)
        url = f"https://{HOST}:{port}"
        async with http_proxy((host, port)) as corporate:
            monkeypatch.setenv("HTTPS_PROXY", corporate.url)
            async with start_proxy(url, url) as proxy:
                status, body = await ask(client, proxy)
    assert status == 502
    assert f"certificate of {HOST}" in message_of(body)


async def test_authority_that_node_was_told_of_is_trusted_beside_the_systems(
    start_proxy, client, tmp_path, monkeypatch
):
    companys = make_certificates(tmp_path, f"DNS:{HOST}")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(companys.authority))
    async with raw_upstream(answer_message, tls=companys.server_context()) as upstream:
        host, port = address_of(upstream.url)
        url = f"https://{HOST}:{port}"
        async with http_proxy((host, port)) as corporate:
            monkeypatch.setenv("HTTPS_PROXY", corporate.url)
            async with start_proxy(url, url) as proxy:
                assert await ask(client, proxy) == (200, MESSAGE)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authority_that_can_not_be_read_is_passed_over(
    start_proxy, client, upstream, tmp_path, monkeypatch, content
):
    if content is not None:
        (tmp_path / "extra.pem").write_text(content)
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(tmp_path / "extra.pem"))
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port)) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)


@pytest.fixture(scope="module")
def proxy_certificates(tmp_path_factory, certificates):
    """The proxy's own certificate, by an authority that is trusted as well."""
    return make_certificates(tmp_path_factory.mktemp("proxy"), "IP:127.0.0.1")


async def test_https_upstream_is_reached_through_a_secured_proxy(
    start_proxy, client, upstream, proxy_certificates, monkeypatch
):
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(proxy_certificates.authority))
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    body = OPUS[:-1] + b', "x": "' + b"y" * 3_000_000 + b'"}'
    async with http_proxy((host, port), tls=proxy_certificates.server_context()) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url_with(f"me:{PASSWORD}"))
        async with start_proxy(url, url) as proxy:
            assert await ask(client, proxy) == (200, MESSAGE)
            came = await read_to_end(proxy.url, post(b"/v1/messages", body))
            assert came.endswith(MESSAGE)
    (head,) = corporate.heads  # both requests went through one tunnel
    assert head.startswith(f"CONNECT {HOST}:{port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic " in head
    assert upstream.bodies == [OPUS, body]
    assert b"proxy" not in upstream.heads[0].lower()


async def test_plain_upstream_is_reached_through_a_secured_proxy(
    start_proxy, client, proxy_certificates, monkeypatch
):
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(proxy_certificates.authority))
    async with raw_upstream(answer_message) as upstream:
        host, port = address_of(upstream.url)
        context = proxy_certificates.server_context()
        async with http_proxy((host, port), tls=context) as corporate:
            monkeypatch.setenv("HTTP_PROXY", corporate.url)
            url = f"http://{HOST}:{port}"
            async with start_proxy(url, url) as proxy:
                assert await ask(client, proxy) == (200, MESSAGE)
    assert corporate.heads[0].startswith(f"POST http://{HOST}:{port}/v1/messages".encode())


async def test_proxy_whose_certificate_is_not_trusted_is_named(
    start_proxy, client, upstream, proxy_certificates, monkeypatch
):
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port), tls=proxy_certificates.server_context()) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url_with(f"me:{PASSWORD}"))
        async with start_proxy(url, url) as proxy:
            status, body = await ask(client, proxy)
    assert status == 502
    assert "certificate of the HTTP proxy on the way" in message_of(body)
    assert PASSWORD.encode() not in body
    assert not corporate.heads


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.0 200 Connection established\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 Fine\r\nVia: x\r\n\r\n",
        b"HTTP/1.1 103 Soon\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_tunnel_is_a_tunnel_however_the_proxy_says_so(
    start_proxy, client, upstream, monkeypatch, greeting
):
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port), greeting=greeting) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        async with start_proxy(url, url) as proxy:
            for _ in range(2):
                assert await ask(client, proxy) == (200, MESSAGE)
    assert len(corporate.heads) == 1


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_what_is_no_tunnel_gets_nothing_of_the_request(
    start_proxy, client, upstream, monkeypatch, greeting
):
    host, port = address_of(upstream.url)
    url = f"https://{HOST}:{port}"
    async with http_proxy((host, port), refusal=greeting) as corporate:
        monkeypatch.setenv("HTTPS_PROXY", corporate.url)
        async with start_proxy(url, url) as proxy:
            status, _ = await ask(client, proxy)
    assert status == 502
    assert not upstream.heads
