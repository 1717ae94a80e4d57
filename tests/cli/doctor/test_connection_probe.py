"""The way to a backend: each way in which it can end, with real sockets."""

from __future__ import annotations

import asyncio
import email.utils
import socket
import ssl
import sys
import time

import pytest
from daemon_process import free_port
from doctor_harness import said, severities
from http_proxy import http_proxy
from hypothesis import given
from hypothesis import strategies as st
from raw_upstream import Connection, json_answer, raw_upstream
from socks_proxy import socks_proxy
from tls import Certificates, has_openssl, make_certificates

from offramp_cli.doctor import certificate_issuer, connection_probe, proxy_lookup
from offramp_cli.doctor.checks import check_backends
from offramp_cli.doctor.connection_probe import ConnectionTrace
from offramp_core.settings import Backend, default_backends

ANTHROPIC, ZAI = default_backends()
HOST = "upstream.invalid"
LOGIN = "me:c0rp-passw0rd"

needs_tls = [
    pytest.mark.skipif(not has_openssl(), reason="the openssl command is not here"),
    pytest.mark.skipif(sys.platform == "darwin", reason="its keychain knows no SSL_CERT_FILE"),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), f"DNS:{HOST},IP:127.0.0.1")


async def probe(url: str, *, limit_s: float = 5.0, **environ: str) -> ConnectionTrace:
    return await asyncio.to_thread(
        connection_probe.probe,
        url,
        "/v1/models",
        method="GET",
        environ=environ,
        platform="linux",
        limit_s=limit_s,
    )


def judged(trace: ConnectionTrace, backend: Backend = ANTHROPIC) -> list[str]:
    return severities(check_backends.judge(backend, trace))


async def answer_ok(connection: Connection) -> None:
    date = email.utils.formatdate(usegmt=True)
    await connection.write(json_answer(b"{}", headers=f"Date: {date}\r\n".encode()))


async def test_reachable_backend_is_ok_and_gets_no_credential():
    async with raw_upstream(answer_ok) as upstream:
        trace = await probe(upstream.url)
    assert (trace.status, trace.failed, trace.proxy, trace.tls) == (200, None, None, None)
    assert judged(trace) == ["ok"]
    assert "clocks agree" in said(check_backends.judge(ANTHROPIC, trace))
    (head,) = upstream.heads
    assert head.startswith(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"authorization" not in head.lower()
    assert b"x-api-key" not in head.lower()


async def test_closed_port_is_said_with_its_address():
    port = free_port()
    trace = await probe(f"http://127.0.0.1:{port}")
    assert trace.failed == "connect"
    text = said(check_backends.judge(ANTHROPIC, trace))
    assert f"port {port} at 127.0.0.1: connection refused" in text
    assert judged(trace) == ["failure"]


async def test_name_that_does_not_exist_is_the_name_servers():
    trace = await probe(f"https://{HOST}")
    assert trace.failed == "dns"
    assert f"{HOST} is not found" in said(check_backends.judge(ANTHROPIC, trace))


async def test_server_that_says_nothing_is_given_up():
    async def say_nothing(connection: Connection) -> None:
        await connection.reader.read()

    async with raw_upstream(say_nothing) as upstream:
        started_s = time.monotonic()
        trace = await probe(upstream.url, limit_s=0.2)
    assert time.monotonic() - started_s < 15
    assert (trace.failed, "no answer" in trace.why) == ("http", True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"SSH-2.0-OpenSSH_9\r\n\r\n", "not an HTTP"), (b"", "closed without an answer")],
)
async def test_answer_that_is_no_http_is_said(answer, words):
    async def say(connection: Connection) -> None:
        await connection.write(answer)
        connection.writer.close()

    async with raw_upstream(say) as upstream:
        trace = await probe(upstream.url)
    assert trace.failed == "http"
    assert words in trace.why


@pytest.mark.parametrize(("offset_s", "words"), [(3600, "behind"), (-120, "ahead of")])
async def test_clock_that_is_wrong_is_a_warning(offset_s, words):
    async def say(connection: Connection) -> None:
        date = email.utils.formatdate(time.time() + offset_s, usegmt=True)
        await connection.write(json_answer(b"{}", headers=f"Date: {date}\r\n".encode()))

    async with raw_upstream(say) as upstream:
        trace = await probe(upstream.url)
    remarks = [*check_backends.judge(ANTHROPIC, trace)]
    # On a busy machine a note that the network is slow comes between them.
    assert (severities(remarks)[0], severities(remarks)[-1]) == ("ok", "warning")
    assert f"{words} the service's" in remarks[-1].saw
    assert "clock" in remarks[-1].cure


class TestTls:
    pytestmark = needs_tls

    async def test_untrusted_certificate_is_said_with_its_issuer(self, certificates):
        async with raw_upstream(answer_ok, tls=certificates.server_context()) as upstream:
            trace = await probe(upstream.url)
        assert (trace.failed, trace.issuer) == ("certificate", "Offramps tests")
        remarks = [*check_backends.judge(ANTHROPIC, trace)]
        assert severities(remarks) == ["failure"]
        assert "issued by Offramps tests" in remarks[0].saw
        assert "SSL_CERT_FILE" in remarks[0].cure
        assert not upstream.heads  # nothing was sent over either connection

    async def test_trusted_certificate_is_described(self, certificates, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        async with raw_upstream(answer_ok, tls=certificates.server_context()) as upstream:
            trace = await probe(upstream.url)
        assert (trace.status, trace.issuer, trace.tls) == (200, "Offramps tests", "TLSv1.3")
        assert trace.days_left == pytest.approx(30, abs=1)
        assert judged(trace, ZAI) == ["ok"]

    async def test_certificate_of_another_name_is_refused(self, tmp_path, monkeypatch):
        others = make_certificates(tmp_path, "DNS:elsewhere.invalid")
        monkeypatch.setenv("SSL_CERT_FILE", str(others.authority))
        async with raw_upstream(answer_ok, tls=others.server_context()) as upstream:
            trace = await probe(upstream.url)
        assert trace.failed == "certificate"
        assert "match" in trace.why

    async def test_plain_server_where_tls_is_wanted_is_said(self):
        async with raw_upstream(answer_ok) as upstream:
            trace = await probe(upstream.url.replace("http:", "https:"), limit_s=2)
        assert trace.failed in {"tls", "connect"}
        assert judged(trace) == ["failure"]

    async def test_way_goes_through_the_proxy_with_its_login(self, certificates, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        async with raw_upstream(answer_ok, tls=certificates.server_context()) as upstream:
            port = int(upstream.url.rpartition(":")[2])
            async with http_proxy(("127.0.0.1", port)) as corporate:
                trace = await probe(f"https://{HOST}:{port}", HTTPS_PROXY=corporate.url_with(LOGIN))
        assert (trace.status, trace.proxy) == (200, corporate.url)
        assert b"Proxy-Authorization: Basic " in corporate.heads[0]
        assert b"proxy" not in upstream.heads[0].lower()
        assert LOGIN not in said(check_backends.judge(ANTHROPIC, trace))

    def test_issuer_is_read_from_the_bytes(self, certificates: Certificates):
        pem = (certificates.folder / "server.pem").read_text()
        der = ssl.PEM_cert_to_DER_cert(pem)
        assert certificate_issuer.issuer_of(der) == "Offramps tests"
        for length in range(len(der)):
            assert certificate_issuer.issuer_of(der[:length]) is None


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_have_no_issuer(data):
    assert certificate_issuer.issuer_of(data) is None or isinstance(
        certificate_issuer.issuer_of(data), str
    )


async def test_proxy_that_refuses_is_said_without_its_password():
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with http_proxy(("127.0.0.1", 9), refusal=refusal) as corporate:
        trace = await probe(f"https://{HOST}", HTTPS_PROXY=corporate.url_with(LOGIN))
    assert (trace.failed, trace.why) == ("proxy", "it refused with status 407")
    text = said(check_backends.judge(ANTHROPIC, trace))
    assert corporate.url in text
    assert "HTTPS_PROXY" in text
    assert "passw0rd" not in text


@pytest.mark.parametrize(
    "address", ["quic://me:{}@h:1", "socks5://me:{}@h.invalid:1", "http://me:{}@h:x", "http://"]
)
async def test_proxy_that_is_none_is_said_without_its_password(address):
    trace = await probe(f"https://{HOST}", HTTPS_PROXY=address.format(LOGIN.partition(":")[2]))
    assert trace.failed == "proxy"
    assert "passw0rd" not in said(check_backends.judge(ANTHROPIC, trace))


@pytest.mark.parametrize("address", ["quic://me:{}@h:1", "http://me:{}@h:x", "http://"])
async def test_unusable_all_proxy_is_not_on_the_way(address):
    trace = await probe(f"https://{HOST}", ALL_PROXY=address.format(LOGIN.partition(":")[2]))
    assert trace.failed == "dns"
    assert "passw0rd" not in said(check_backends.judge(ANTHROPIC, trace))


async def test_all_proxy_that_can_not_be_reached_is_named_where_nothing_else_leads_on():
    trace = await probe(f"https://{HOST}", ALL_PROXY=f"socks5h://{LOGIN}@127.0.0.1:{free_port()}")
    assert trace.failed == "proxy"
    text = said(check_backends.judge(ANTHROPIC, trace))
    assert "connection refused" in text
    assert "ALL_PROXY" in text
    assert "passw0rd" not in text


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "http"])
async def test_all_proxy_that_can_not_be_reached_is_skipped(monkeypatch, scheme):
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: look_up("127.0.0.1" if host == HOST else host, *rest, **named),
    )
    async with raw_upstream(answer_ok) as upstream:
        _, _, port = upstream.url.rpartition(":")
        trace = await probe(
            f"http://{HOST}:{port}", ALL_PROXY=f"{scheme}://127.0.0.1:{free_port()}"
        )
    assert (trace.failed, trace.status, trace.proxy) == (None, 200, None)
    assert "(ALL_PROXY) can't be reached" in said(check_backends.judge(ANTHROPIC, trace))


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "socks"])
async def test_way_goes_through_a_socks_proxy_with_its_login(scheme):
    async with raw_upstream(answer_ok) as upstream:
        _, _, port = upstream.url.rpartition(":")
        async with socks_proxy(("127.0.0.1", int(port))) as tunnel:
            trace = await probe(f"http://{HOST}:{port}", ALL_PROXY=tunnel.url(scheme, LOGIN))
    assert (trace.failed, trace.status) == (None, 200)
    assert [asked.host for asked in tunnel.asked] == [HOST]
    text = said(check_backends.judge(ANTHROPIC, trace))
    assert tunnel.url(scheme) in text
    assert "passw0rd" not in text


async def test_socks_proxy_that_refuses_is_said_without_its_password():
    async with socks_proxy(("127.0.0.1", 9), login=("me", "other")) as tunnel:
        trace = await probe(f"https://{HOST}", ALL_PROXY=tunnel.url("socks5h", LOGIN))
    assert trace.failed == "proxy"
    assert "authentication failure" in trace.why
    assert "passw0rd" not in said(check_backends.judge(ANTHROPIC, trace))


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, f"https://{HOST}", None),
        ({"HTTPS_PROXY": "http://p:8080"}, f"https://{HOST}", "http://p:8080"),
        ({"HTTPS_PROXY": "p:8080"}, f"https://{HOST}", "http://p:8080"),
        ({"HTTP_PROXY": "http://p"}, f"http://{HOST}", "http://p:80"),
        ({"HTTP_PROXY": "http://p"}, f"https://{HOST}", None),
        ({"ALL_PROXY": "https://[::1]"}, f"https://{HOST}", "https://[::1]:443"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".invalid"}, f"https://{HOST}", None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "other"}, f"https://{HOST}", "http://p:80"),
        ({"HTTPS_PROXY": "http://p"}, "https://127.0.0.1:1", None),
        ({"HTTPS_PROXY": ""}, f"https://{HOST}", None),
        ({"ALL_PROXY": "socks5h://u:p@h"}, f"https://{HOST}", "socks5h://h:1080"),
        ({"ALL_PROXY": "quic://h", "HTTPS_PROXY": "http://p"}, f"https://{HOST}", "http://p:80"),
        ({"ALL_PROXY": "quic://h"}, f"https://{HOST}", None),
    ],
)
def test_proxy_is_found_as_the_daemon_finds_it(environ, url, expected):
    found = proxy_lookup.way_for(url, environ, platform="linux").proxy
    assert (found.shown if found else None) == expected


def way_to(url: str = "https://api.anthropic.com", **fields: object) -> ConnectionTrace:
    trace = ConnectionTrace(base_url=url, status=200, took_s=0.1)
    for name, value in fields.items():
        setattr(trace, name, value)
    return trace


@pytest.mark.parametrize(
    ("trace", "expected", "words"),
    [
        (way_to(), ["ok"], "HTTP 200"),
        (way_to(status=401), ["ok"], "HTTP 401"),
        (way_to(status=503), ["ok", "warning"], "status page"),
        (way_to(status=403), ["ok", "warning"], "VPN"),
        (way_to(status=407), ["ok", "failure"], "USER:PASSWORD"),
        (way_to(took_s=4.0), ["ok", "note"], "slow"),
        (way_to(issuer="Google Trust Services", tls="TLSv1.3"), ["ok"], "Google"),
        (way_to(issuer="let's encrypt", tls="TLSv1.3"), ["ok"], "encrypt"),
        (way_to(issuer="Zscaler Inc.", tls="TLSv1.3"), ["ok", "warning"], "somebody reads"),
        (way_to("https://gw.example", issuer="Own CA", tls="TLSv1.3"), ["ok"], "Own CA"),
        (way_to(days_left=2.0, issuer="DigiCert Inc", tls="TLSv1.3"), ["ok", "note"], "2 days"),
        (way_to(unanswered=["2001:db8::1"]), ["ok", "note"], "IPv6"),
        (
            way_to(status=302, headers={"location": "http://wifi.example/login"}),
            ["failure"],
            "wifi.example",
        ),
        (way_to(status=302, headers={"location": "/v2"}), ["ok"], "HTTP 302"),
        (
            way_to("http://gw.example", headers={"content-type": "text/html"}),
            ["failure"],
            "login page",
        ),
        (way_to(failed="certificate", why="certificate has expired"), ["failure"], "clock"),
        (way_to(failed="certificate", why="self-signed"), ["failure"], "don't trust"),
        (way_to(failed="connect", why="no answer"), ["failure"], "firewall"),
        (way_to(failed="tls", why="wrong version number"), ["failure"], "not use TLS"),
    ],
)
def test_way_is_judged(trace, expected, words):
    remarks = [*check_backends.judge(ANTHROPIC, trace)]
    assert severities(remarks) == expected
    assert words in said(remarks)
    assert all(remark.cure for remark in remarks if remark.severity.value in {"warning", "failure"})
