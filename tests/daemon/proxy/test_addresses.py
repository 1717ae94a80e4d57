"""The addresses that clients use: misspelt paths, health, and containers' names of this machine."""

from __future__ import annotations

import json

import pytest
from proxy_harness import CLAUDE_TOKEN, settings_for
from raw_client import OPUS, SONNET, address_of, post, read_to_end
from raw_upstream import MESSAGE, Connection, answer_message, raw_upstream
from running_app import running_app

LOGIN = b"Authorization: Bearer %s\r\nConnection: close\r\n" % CLAUDE_TOKEN.encode()


def with_host(request: bytes, host: bytes) -> bytes:
    return request.replace(b"Host: localhost\r\n", b"Host: %s\r\n" % host)


def get(path: bytes, method: bytes = b"GET") -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (method, path, LOGIN)


def error_of(came: bytes) -> dict[str, str]:
    answer = json.loads(came.partition(b"\r\n\r\n")[2])
    assert answer["type"] == "error"
    error = answer["error"]
    assert isinstance(error, dict)
    return error


async def answer(connection: Connection) -> None:
    if connection.head.startswith(b"HEAD "):
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    else:
        await answer_message(connection)


@pytest.fixture
async def upstream():
    async with raw_upstream(answer) as upstream:
        yield upstream


@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1/messages",
        "//v1/messages",
        "/messages",
        "/v1/message",
        "/api/v1/messages",
        "/v1/messages/",
        "/V1/Messages",
        "/v1/chat/completions",
        "/anthropic/v1/messages",
        "/v1/complete",
        "/v1/v1/messages/count_tokens",
        "/v1/messages/count_tokens/",
        "/v1/%6Dessages",
    ],
)
@pytest.mark.parametrize("query", ["", "?beta=true"])
@pytest.mark.parametrize("body", [OPUS, SONNET])
async def test_misspelt_path_is_answered_with_the_base_url(
    start_proxy, upstream, path, query, body
):
    async with start_proxy(upstream.url, upstream.url) as proxy:
        _, port = address_of(proxy.url)
        came = await read_to_end(proxy.url, post((path + query).encode(), body, LOGIN))
    # Of a 404 Claude Code would show only that it does not know the model.
    assert came.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nx-should-retry: false\r\n" in came
    error = error_of(came)
    assert error["type"] == "invalid_request_error"
    assert f"base URL http://localhost:{port}," in error["message"]
    assert not upstream.heads
    assert not proxy.records


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        (b"localhost:3001", "http://localhost:3001,"),
        (b"127.0.0.1:4000", "http://localhost:4000,"),
        (b"[::1]:3001", "http://localhost:3001,"),
        (b"host.docker.internal:3001", "http://host.docker.internal:3001,"),
        (b"app.localhost:80", "http://app.localhost:80,"),
    ],
)
async def test_base_url_is_the_one_that_leads_here_for_the_client(
    start_proxy, upstream, host, base_url
):
    async with start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, with_host(post(b"/messages", OPUS, LOGIN), host))
    assert base_url in error_of(came)["message"]


@pytest.mark.parametrize("path", [b"/v1/v1/models", b"/anthropic/v1/models", b"/messages"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_misspelt_path_without_a_prompt_is_not_found(start_proxy, upstream, path, method):
    async with start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, get(path, method))
    assert came.startswith(b"HTTP/1.1 404 ")
    assert not upstream.heads


async def test_misspelt_path_of_a_web_page_is_refused_as_any_other(start_proxy, upstream):
    async with start_proxy(upstream.url, upstream.url) as proxy:
        headers = LOGIN + b"Origin: http://evil.example\r\n"
        came = await read_to_end(proxy.url, post(b"/v1/v1/messages", OPUS, headers))
    assert came.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (b"HEAD", b"/"),
        (b"HEAD", b"/api/hello"),
        (b"GET", b"/v1/models?limit=1000"),
        (b"GET", b"/v1/models/claude-opus-4-6"),
        (b"GET", b"/v1/messages/batches/msgbatch_1/results"),
        (b"GET", b"/v1/files/file_1/content"),
        (b"GET", b"/api/oauth/usage"),
        (b"GET", b"/api/claude_code/organizations/metrics_enabled"),
        (b"GET", b"/v1/sessions/s_1/messages"),
        (b"GET", b"/v1/organizations/usage_report/messages"),
    ],
)
async def test_anthropics_own_paths_pass(start_proxy, upstream, method, path):
    async with start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, get(path, method))
    assert came.startswith(b"HTTP/1.1 200 ")
    assert upstream.heads[0].startswith(b"%s %s HTTP/1.1\r\n" % (method, path))
    assert CLAUDE_TOKEN.encode() in upstream.heads[0]


@pytest.mark.parametrize("path", [b"/v1/messages/batches", b"/v1/oauth/token", b"/api/event_log"])
async def test_anthropics_own_paths_pass_with_their_bodies(start_proxy, upstream, path):
    async with start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(path, SONNET, LOGIN))
    assert came.endswith(MESSAGE)
    assert upstream.bodies == [SONNET]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/health", 200),
        (b"/health/", 200),
        (b"/health?x", 200),
        (b"/HEALTH", 200),
        (b"//health", 200),
        (b"/%68ealth", 200),
        (b"/healthz", 404),
        (b"/health/live", 404),
        (b"/v1/health", 404),
        (b"/api/health/", 404),
    ],
)
async def test_health_is_never_passed_to_anthropic(tmp_path, upstream, path, status):
    async with running_app(tmp_path, settings_for(upstream.url, upstream.url)) as app:
        came = await read_to_end(app.url, get(path))
        other = await read_to_end(app.url, post(path, SONNET, LOGIN))
    assert came.startswith(b"HTTP/1.1 %d " % status)
    assert (b'"service":"offramp"' in came) is (status == 200)
    assert other.startswith(b"HTTP/1.1 400 ")
    assert not upstream.heads


@pytest.mark.parametrize(
    "host",
    [
        b"host.docker.internal:3001",
        b"host.containers.internal:3001",
        b"gateway.docker.internal",
        b"host.lima.internal:3001",
        b"host.orb.internal:3001",
        b"172.17.0.1:3001",
    ],
)
async def test_container_on_this_machine_is_served(tmp_path, upstream, host):
    async with running_app(tmp_path, settings_for(upstream.url, upstream.url)) as app:
        for body in (OPUS, SONNET):
            came = await read_to_end(app.url, with_host(post(b"/v1/messages", body, LOGIN), host))
            assert came.endswith(MESSAGE)
        came = await read_to_end(app.url, with_host(get(b"/health"), host))
        assert came.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "header",
    [
        b"Origin: http://host.docker.internal:3001",
        b"Origin: http://evil.example",
        b"Origin: null",
        b"Sec-Fetch-Site: cross-site",
    ],
)
async def test_web_page_by_a_containers_name_is_refused(start_proxy, upstream, header):
    request = with_host(
        post(b"/v1/messages", SONNET, LOGIN + header + b"\r\n"), b"host.docker.internal:3001"
    )
    async with start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, request)
    assert came.startswith(b"HTTP/1.1 403 ")
    assert not upstream.heads
