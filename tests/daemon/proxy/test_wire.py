"""What passes through on the wire, byte for byte, and what does not."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket

import pytest
from daemon_process import free_port
from patience import PATIENCE_S
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY, running_proxy, settings_for
from raw_client import OPUS, SONNET, connected, get, post, read_to_end
from raw_upstream import (
    DELTA,
    END,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    answer_message,
    chunk,
    json_answer,
    raw_upstream,
)

from offramp_daemon.upstream.client import Upstream


@pytest.mark.parametrize(
    "body",
    [
        OPUS,
        b'{ "model" : "claude-opus-4-6",\n\t"messages": [ ] , "x": 1.50e3 }',
        b'{"model":"claude-opus-4-6","messages":[{"role":"user","content":"cut \\ud83d"}]}',
        b'{"model":"claude-opus-4-6","n":123456789012345678901234567890}',
        b'{"model":["no","text"]}',
        b"[" * 5000 + b"]" * 5000,
    ],
)
async def test_body_for_anthropic_leaves_byte_for_byte(start_proxy, body):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        await read_to_end(proxy.url, post(b"/v1/messages?beta=true", body))
        assert upstream.bodies == [body]
        assert upstream.heads[0].startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")


async def test_end_to_end_headers_pass_to_anthropic_in_order(start_proxy):
    sent = (
        b"aUTHORIZATION: Bearer token\r\nX-Twice: 1\r\nx-twice: 2\r\nX-Gateway: secret\r\n"
        b"Cookie: a=b\r\nConnection: close, x-hop\r\nX-Hop: gone\r\nTE: trailers\r\n"
    )
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        await read_to_end(proxy.url, post(b"/v1/messages", OPUS, sent))
        lines = upstream.heads[0].split(b"\r\n")
        names = [line.partition(b":")[0] for line in lines[1:] if line]
        kept = [b"aUTHORIZATION", b"X-Twice", b"x-twice", b"X-Gateway", b"Cookie"]
        assert [name for name in names if name in kept] == kept
        lowered = {name.lower() for name in names}
        assert not lowered & {b"x-hop", b"te", b"accept", b"user-agent", b"accept-encoding"}


async def test_answer_comes_back_byte_for_byte_with_its_headers(start_proxy):
    async def answer(connection: Connection) -> None:
        head = b"X-Odd:  padded \r\nrequest-id: req_1\r\nRequest-Id: req_2\r\nSet-Cookie: s=1\r\n"
        await connection.write(json_answer(MESSAGE, headers=head))

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        head, _, body = came.partition(b"\r\n\r\n")
        assert body == MESSAGE
        for line in (b"request-id: req_1", b"Request-Id: req_2", b"Set-Cookie: s=1"):
            assert line in head.split(b"\r\n")
        assert b"\r\nServer:" not in head


async def test_answer_without_content_type_gets_none(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, get(b"/x"))
        assert came.startswith(b"HTTP/1.1 200 Fine\r\n")
        assert b"content-type" not in came.lower()


async def test_compressed_request_leaves_compressed_and_is_still_routed(start_proxy):
    body = gzip.compress(SONNET)
    async with (
        raw_upstream(answer_message) as anthropic,
        raw_upstream(answer_message) as zai,
        start_proxy(anthropic.url, zai.url) as proxy,
    ):
        gzipped = b"Connection: close\r\nContent-Encoding: gzip\r\n"
        await read_to_end(proxy.url, post(b"/v1/messages", body, gzipped))
        assert not anthropic.bodies
        assert json.loads(zai.bodies[0])["model"] == "claude-sonnet-4-5"
        assert b"content-encoding" not in zai.heads[0].lower()
        opus = gzip.compress(OPUS)
        await read_to_end(
            proxy.url,
            post(b"/v1/messages", opus, gzipped),
        )
        assert anthropic.bodies == [opus]


async def test_delegate_gets_its_key_alone_and_anthropic_never_does(start_proxy):
    credentials = (
        b"Authorization: Bearer %s\r\nX-API-Key: sk-ant-api03-x\r\ncookie: c=1\r\n"
        b"Connection: close\r\nX-Corporate-Token: t0p\r\nProxy-Authorization: Basic eA==\r\n"
        % CLAUDE_TOKEN.encode()
    )
    async with (
        raw_upstream(answer_message) as anthropic,
        raw_upstream(answer_message) as zai,
        start_proxy(anthropic.url, zai.url) as proxy,
    ):
        answer = await read_to_end(proxy.url, post(b"/v1/messages", SONNET, credentials))
        await read_to_end(proxy.url, post(b"/v1/messages", OPUS, credentials))
        head = zai.heads[0]
        assert head.count(ZAI_KEY.encode()) == 1
        for secret in (b"sk-ant", b"c=1", b"t0p", b"eA=="):
            assert secret not in head
        assert ZAI_KEY.encode() not in anthropic.heads[0] + answer


async def test_http_1_0_client_gets_a_whole_answer(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START) + chunk(END) + b"0\r\n\r\n")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        request = b"POST /v1/messages HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(OPUS), OPUS)
        came = await read_to_end(proxy.url, request)
        assert came.endswith(START + END)
        assert (await proxy.only_record()).status == "success"


async def test_expect_100_continue_is_answered(start_proxy):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(
            proxy.url, post(b"/v1/messages", OPUS, b"Connection: close\r\nExpect: 100-continue\r\n")
        )
        assert came.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        assert b"expect" not in upstream.heads[0].lower()


@pytest.mark.parametrize(
    "target",
    [b"//evil.example/v1/messages", b"/\\evil.example/", b"http://evil.example/v1/messages"],
)
async def test_target_that_is_no_path_is_refused(start_proxy, target):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(proxy.url, post(target, OPUS))
        assert came.startswith(b"HTTP/1.1 400 ")
        assert not upstream.heads


@pytest.mark.parametrize("host", [b"localhost", b"api.anthropic.com:443"])
@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT api.anthropic.com:443",
        b"CONNECT [::1]:443",
        b"CONNECT localhost",
        b"CONNECT /v1/models",
        b"CONNECT /v1/messages",
        b"TRACE /v1/models",
        b"TRACE /v1/messages?beta=true",
        b"TRACE http://api.anthropic.com/",
    ],
)
async def test_method_for_proxies_is_refused_without_asking_a_service(start_proxy, line, host):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        request = b"%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (line, host)
        came = await read_to_end(proxy.url, request)
        assert came.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nAllow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n" in came
        assert b"ANTHROPIC_BASE_URL" in came
        assert not upstream.heads
        assert not proxy.records


@pytest.mark.parametrize(
    "line",
    [
        b"OPTIONS *",
        b"GET *",
        b"TRACE *",
        b"GET api.anthropic.com:443",
        b"GET v1/models",
        b"POST v1/messages",
        b"GET ?x",
        b"TRACK /",
        b"connect localhost:443",
        b"GET http://localhost/v1/models",
        b"GET HTTPS://api.anthropic.com/v1/models",
        b"OPTIONS http://api.anthropic.com",
    ],
)
async def test_request_that_is_for_no_path_of_this_server_reaches_no_service(start_proxy, line):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        request = b"%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % line
        came = await read_to_end(proxy.url, request)
        assert came[9:12] in {b"400", b"405"}
        assert not upstream.heads


async def test_client_that_takes_offramp_for_a_proxy_is_told_so(start_proxy):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(
            proxy.url,
            b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        )
        assert came.startswith(b"HTTP/1.1 400 ")
        assert b"not in HTTP_PROXY" in came
        assert not upstream.heads


async def test_odd_path_and_query_reach_anthropic_unquoted(start_proxy):
    target = b"/v1/files/a%2Fb/../c%20d?x=%7B1%7D&&y=a+b&z"
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        await read_to_end(proxy.url, get(target))
        assert upstream.heads[0].startswith(b"GET %s HTTP/1.1\r\n" % target)
        assert not proxy.records


@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_cut_stream_never_ends_cleanly_for_the_client(start_proxy, ending):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START) + chunk(DELTA))
        if ending == "reset":
            opened = connection.writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.writer.close()

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert not came.endswith(b"0\r\n\r\n")
        record = await proxy.only_record()
        assert (record.status, record.input_tokens) == ("error", 12)


async def test_stream_that_ends_without_message_stop_is_cut_for_the_client(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START) + chunk(DELTA) + b"0\r\n\r\n")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert came.endswith(DELTA + b"\r\n")
        assert (await proxy.only_record()).status == "error"


async def test_chunks_arrive_as_they_are_sent(start_proxy, client):
    go_on = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await go_on.wait()
        await connection.write(chunk(END) + b"0\r\n\r\n")

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        client.post(proxy.url + "/v1/messages", data=OPUS) as answered,
    ):
        assert await answered.content.readany() == START
        go_on.set()
        assert await answered.content.read() == END


async def test_client_that_goes_ends_the_upstream_request_and_is_recorded(start_proxy, client):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await connection.reader.read()

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        answered = await client.post(proxy.url + "/v1/messages", data=OPUS)
        await answered.content.readany()
        answered.close()
        async with asyncio.timeout(PATIENCE_S):
            await upstream.closed.wait()
        record = await proxy.only_record()
        assert (record.status, record.input_tokens, record.cache_read_input_tokens) == (
            "cancelled",
            12,
            7,
        )


async def test_client_that_goes_before_the_answer_begins_is_recorded(start_proxy):
    arrived = asyncio.Event()

    async def answer(connection: Connection) -> None:
        arrived.set()
        await connection.reader.read()

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        host, port = proxy.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(post(b"/v1/messages", OPUS))
        await arrived.wait()
        writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await upstream.closed.wait()
        assert (await proxy.only_record()).status == "cancelled"


async def test_client_that_goes_while_it_sends_its_body_is_recorded(start_proxy):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        host, port = proxy.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
        )
        await proxy.has_request.wait()
        writer.transport.abort()
        record = await proxy.only_record()
        assert (record.status, record.model, record.backend) == ("cancelled", None, None)


async def test_stale_kept_connection_is_replaced_by_a_fresh_one(start_proxy, client):
    async def answer(connection: Connection) -> None:
        if connection.number == 0 and len(upstream.heads) > 1:
            connection.writer.transport.abort()
            return
        await connection.write(json_answer(MESSAGE))

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        for _ in range(2):
            async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
                assert answered.status == 200
                await answered.read()
        assert upstream.bodies == [OPUS] * 3
        assert [record.status for record in proxy.records] == ["success", "success"]


async def test_fresh_connection_that_breaks_is_not_tried_again(start_proxy, client):
    async def answer(connection: Connection) -> None:
        connection.writer.transport.abort()

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
            error = json.loads(await answered.read())
            assert answered.status == 502
            assert error["type"] == "error"
            assert error["error"]["type"] == "api_error"
        assert len(upstream.heads) == 1


async def test_silence_in_mid_stream_ends_it(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await connection.reader.read()

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url, silence_timeout_s=0.05) as proxy,
    ):
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert came.endswith(chunk(START))
        assert (await proxy.only_record()).status == "error"


async def test_large_body_passes_whole(start_proxy, client):
    body = OPUS[:-1] + b', "pad": "' + b"x" * (3 * 1024 * 1024) + b'"}'
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        async with client.post(proxy.url + "/v1/messages", data=_parts(body)) as answered:
            assert answered.status == 200
        assert upstream.bodies == [body]


async def _parts(body: bytes):
    yield body


@pytest.mark.parametrize("is_announced", [True, False])
async def test_body_over_the_limit_gets_a_413_of_anthropics_form(start_proxy, client, is_announced):
    body = b"x" * 5000
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url, max_body_bytes=4096) as proxy,
    ):
        data = body if is_announced else _parts(body)
        async with client.post(proxy.url + "/v1/messages", data=data) as answered:
            assert answered.status == 413
            assert json.loads(await answered.read())["error"]["type"] == "request_too_large"
        assert not upstream.heads
        assert (await proxy.only_record()).http_status == 413


async def test_refused_connection_gives_a_502_in_anthropics_form(start_proxy, client):
    port = free_port()
    async with start_proxy(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}") as proxy:
        async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
            assert answered.status == 502
            assert f"127.0.0.1:{port}" in json.loads(await answered.read())["error"]["message"]
        assert (await proxy.only_record()).backend == "anthropic"


async def test_name_that_does_not_resolve_says_so(start_proxy, client):
    async with (
        start_proxy("http://no-such-name.invalid", "http://no-such-name.invalid") as proxy,
        client.post(proxy.url + "/v1/messages", data=OPUS) as answered,
    ):
        assert answered.status == 502
        assert "DNS" in json.loads(await answered.read())["error"]["message"]


async def test_request_that_comes_back_is_refused_as_a_loop(start_proxy, client):
    async with start_proxy("http://127.0.0.1:1", "http://127.0.0.1:1") as proxy:
        proxy.change_backend("anthropic", base_url=proxy.url)
        async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
            assert answered.status == 508
        assert [record.http_status for record in proxy.records] == [508, 508]


async def test_redirect_is_passed_on_and_not_followed(start_proxy, client):
    async def answer(connection: Connection) -> None:
        await connection.write(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        async with client.post(
            proxy.url + "/v1/messages", data=OPUS, allow_redirects=False
        ) as answered:
            assert answered.status == 307
            assert answered.headers["Location"] == "http://127.0.0.1:1/"
        assert len(upstream.heads) == 1


async def test_cookies_are_not_kept_between_requests(start_proxy, client):
    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(MESSAGE, headers=b"Set-Cookie: s=1; Path=/\r\n"))

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        for _ in range(2):
            await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert b"cookie" not in b"".join(upstream.heads).lower()


async def test_head_requests_pass(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nX-A: b\r\n\r\n")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        for path in (b"/", b"/api/hello"):
            came = await read_to_end(
                proxy.url,
                b"HEAD %s HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n" % path,
            )
            assert came.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Content-Length: 15\r\n" in came
        assert not proxy.records


async def test_key_that_a_service_quotes_does_not_reach_the_client(start_proxy):
    async def answer(connection: Connection) -> None:
        body = json.dumps({"error": {"code": "1000", "message": f"bad key {ZAI_KEY}"}}).encode()
        await connection.write(json_answer(body, status="401 Unauthorized"))

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", SONNET))
        assert came.startswith(b"HTTP/1.1 403 ")
        assert b"bad key" in came
        assert ZAI_KEY.encode() not in came


async def test_fault_of_the_proxy_itself_breaks_off_a_begun_answer(start_proxy, monkeypatch):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await connection.reader.read()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("offramp_daemon.wire.sse.EventReader.feed", fail)
    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", OPUS))
        assert b"HTTP/1.1 500" not in came
        assert not came.endswith(b"0\r\n\r\n")
        assert (await proxy.only_record()).status == "error"


async def test_redirect_of_a_delegate_is_an_error_without_its_address(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", SONNET))
        assert came.startswith(b"HTTP/1.1 502 ")
        assert b"127.0.0.1:1" not in came
        assert (await proxy.only_record()).status == "error"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (b"/v1/messages", SONNET, b"200 OK"),
        (b"/v1/messages/count_tokens", SONNET, b"200 OK"),
        (
            b"/v1/messages",
            OPUS.replace(b'"messages"', b'"thinking": {"type": "adaptive"}, "messages"'),
            b"400 Bad Request",
        ),
    ],
)
async def test_silence_ends_an_answer_that_is_looked_at_first(start_proxy, path, body, status):
    async def answer(connection: Connection) -> None:
        await connection.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{" % status
        )
        await connection.reader.read()

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url, silence_timeout_s=0.05) as proxy,
    ):
        came = await read_to_end(proxy.url, post(path, body))
        assert came.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 200 "))
        assert (b"input_tokens" in came) == (b"count_tokens" in path)


async def test_chunk_that_breaks_the_rules_ends_the_answer(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await read_first.wait()
        await connection.write(b"ZZZ\r\nnot a chunk\r\n")
        await connection.reader.read()

    read_first = asyncio.Event()
    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await reader.readuntil(b"message_start")
        read_first.set()
        async with asyncio.timeout(PATIENCE_S):
            assert not (await reader.read()).endswith(b"0\r\n\r\n")
        record = await proxy.only_record()
        assert (record.status, record.http_status, record.input_tokens) == ("error", 200, 12)


async def test_answer_that_broke_off_in_its_head_is_not_asked_for_again(start_proxy, client):
    async def answer(connection: Connection) -> None:
        if len(upstream.heads) == 1:
            await connection.write(json_answer(MESSAGE))
            return
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
        connection.writer.close()

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        for wanted in (200, 502):
            async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
                assert answered.status == wanted
                await answered.read()
        assert len(upstream.heads) == 2


async def test_page_in_place_of_a_message_is_an_error(start_proxy):
    async def answer(connection: Connection) -> None:
        await connection.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
        )

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", SONNET))
        assert came.startswith(b"HTTP/1.1 502 ")


async def test_delegate_sees_no_more_of_the_query_than_beta(start_proxy):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        await read_to_end(proxy.url, post(b"/v1/messages?key=sk-ant-x&beta=true", SONNET))
        await read_to_end(proxy.url, post(b"/v1/messages?key=sk-ant-x", SONNET))
        targets = [head.split(b" ")[1] for head in upstream.heads]
        assert targets == [b"/v1/messages?beta=true", b"/v1/messages"]


async def test_account_stays_here_whatever_the_settings_leave_out(start_proxy):
    body = SONNET[:-1] + b', "metadata": {"user_id": "account-1"}}'
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        proxy.change_backend("zai", drop_fields=())
        await read_to_end(proxy.url, post(b"/v1/messages", body))
        assert b"account-1" not in upstream.bodies[0]


async def test_machine_that_slept_trusts_no_kept_connection(client):
    numbers: list[int] = []

    async def answer(connection: Connection) -> None:
        numbers.append(connection.number)
        await connection.write(json_answer(MESSAGE))

    wall_s = 1000.0
    way_out = Upstream(wall_s=lambda: wall_s, clock_s=lambda: 1000.0)
    async with (
        raw_upstream(answer) as upstream,
        running_proxy(settings_for(upstream.url, upstream.url), upstream=way_out) as proxy,
    ):
        for slept_s in (0.0, 0.0, 3600.0):
            wall_s += slept_s
            async with client.post(proxy.url + "/v1/messages", data=OPUS) as answered:
                await answered.read()
        assert numbers[0] != numbers[2]
        assert numbers[1] != numbers[2]


async def test_stream_of_a_delegate_with_another_good_status_is_passed_and_metered(start_proxy):
    async def answer(connection: Connection) -> None:
        head = SSE_HEAD.replace(b"200 OK", b"201 Created")
        await connection.write(head + chunk(START) + chunk(END) + b"0\r\n\r\n")

    async with raw_upstream(answer) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        came = await read_to_end(proxy.url, post(b"/v1/messages", SONNET))
        assert came.startswith(b"HTTP/1.1 201 ")
        record = await proxy.only_record()
        assert (record.status, record.output_tokens) == ("success", 34)
