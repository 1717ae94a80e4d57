"""What hostile requests and answers get, and what the others get meanwhile."""

from __future__ import annotations

import gzip
import json

import pytest
from raw_client import OPUS, SONNET, connected, post, read_to_end
from raw_upstream import (
    END,
    MESSAGE,
    START,
    Connection,
    answer_message,
    json_answer,
    raw_upstream,
)

from hostile_corpus import MIB, empty_members, padded_three_times, padded_twice, request_body, zeros

BOMBS = [
    ("gzip, gzip", padded_twice(request_body(), 128 * MIB)),
    ("gzip, gzip", gzip.compress(padded_twice(request_body(), 128 * MIB)[:200_000])),
    ("br", zeros("br", 50 * MIB)),
    ("zstd", zeros("zstd", 50 * MIB)),
    ("zstd, gzip", gzip.compress(empty_members("skip", 8 * MIB))),
    ("gzip, gzip", gzip.compress(empty_members("gzip", 8 * MIB))),
]


def answering(raw: bytes):
    async def answer(connection: Connection) -> None:
        await connection.write(raw)

    return answer


def status_of(came: bytes) -> int:
    return int(came.split(b" ", 2)[1])


def head_of(came: bytes) -> list[bytes]:
    return came.partition(b"\r\n\r\n")[0].split(b"\r\n")


@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/messages/count_tokens"])
@pytest.mark.parametrize(("coding", "body"), BOMBS)
async def test_bomb_is_refused_and_no_service_sees_it(start_proxy, path, coding, body):
    headers = b"Connection: close\r\nContent-Encoding: %s\r\n" % coding.encode()
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(proxy.url, post(path, body, headers))
        assert status_of(came) in {400, 413}
        assert not upstream.heads
        assert status_of(await read_to_end(proxy.url, post(b"/v1/messages", OPUS))) == 200


@pytest.mark.parametrize("coding", [b"gzip, gzip, gzip", b"gzip,br,zstd", b"br,br,br,br"])
async def test_request_in_more_than_two_codings_gets_a_415(start_proxy, coding):
    body = padded_three_times(request_body(), 256 * MIB)
    headers = b"Connection: close\r\nContent-Encoding: %s\r\n" % coding
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        came = await read_to_end(proxy.url, post(b"/v1/messages", body, headers))
        assert status_of(came) == 415
        assert b"too many" in came
        assert not upstream.heads


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/json"])
@pytest.mark.parametrize("request_sent", [OPUS, SONNET])
async def test_answer_that_is_a_bomb_passes_on_and_is_not_read_on(start_proxy, kind, request_sent):
    body = padded_twice(START + END if kind.startswith(b"text") else MESSAGE, 128 * MIB)
    raw = (
        b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Encoding: gzip, gzip\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (kind, len(body), body)
    )
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url, failover=False) as proxy,
    ):
        came = await read_to_end(proxy.url, post(b"/v1/messages", request_sent))
        if request_sent is OPUS or kind.startswith(b"text"):
            assert came.endswith(body)
        else:
            assert status_of(came) == 502
        record = await proxy.only_record()
        # What came before the padding counts.
        assert record.output_tokens == (34 if kind.startswith(b"text") else 0)


async def test_count_of_tokens_that_is_a_bomb_is_estimated(start_proxy):
    body = padded_twice(b'{"input_tokens": 5}', 128 * MIB)
    raw = json_answer(body, headers=b"Content-Encoding: gzip, gzip\r\n")
    async with (
        raw_upstream(answering(raw)) as zai,
        raw_upstream(answer_message) as anthropic,
        start_proxy(anthropic.url, zai.url) as proxy,
    ):
        came = await read_to_end(proxy.url, post(b"/v1/messages/count_tokens", SONNET))
        assert status_of(came) == 200
        assert json.loads(came.partition(b"\r\n\r\n")[2])["input_tokens"] > 5
        assert len(zai.heads) == 1


async def test_body_of_more_objects_than_a_conversation_has_goes_to_claude_unread(start_proxy):
    body = SONNET.replace(b"[]", b'[{"role":"user","content":[%s{}]}]' % (b"{}," * 400_000))
    async with (
        raw_upstream(answer_message) as anthropic,
        raw_upstream(answer_message) as zai,
        start_proxy(anthropic.url, zai.url) as proxy,
    ):
        assert status_of(await read_to_end(proxy.url, post(b"/v1/messages", body))) == 200
        assert anthropic.bodies == [body]
        assert not zai.heads


@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    "model", ["\\" * 500_000, "claude-sonnet-4-5" + "&amp;" * 200_000, "glm-5" + "-eyJ" * 200_000]
)
async def test_model_of_absurd_length_goes_to_claude_as_it_came_and_holds_up_nobody(
    start_proxy, path, model
):
    body = json.dumps({"model": model, "max_tokens": 1, "messages": []}).encode()
    async with (
        raw_upstream(answer_message) as anthropic,
        raw_upstream(answer_message) as zai,
        start_proxy(anthropic.url, zai.url) as proxy,
    ):
        assert status_of(await read_to_end(proxy.url, post(path, body))) == 200
        assert anthropic.bodies == [body]
        assert not zai.heads
        assert all(record.model is None for record in proxy.records)


@pytest.mark.parametrize("place", ["message", "code", "type", "head"])
@pytest.mark.parametrize("text", ["\\" * 7000, "-eyJ" * 1700, "\\\\u005c" * 900])
async def test_error_that_is_slow_to_search_for_keys_still_gets_an_answer(start_proxy, place, text):
    error = {"type": "invalid_request_error", "code": "1210", "message": "no"}
    if place != "head":
        error[place] = text
    odd = b"Request-Id: %s\r\n" % text.encode() if place == "head" else b""
    raw = json_answer(json.dumps({"error": error}).encode(), status="400 No", headers=odd)
    async with (
        raw_upstream(answering(raw)) as zai,
        start_proxy(zai.url, zai.url, failover=False) as proxy,
    ):
        came = await read_to_end(proxy.url, post(b"/v1/messages", SONNET))
        assert status_of(came) == 400


# Heads that can't be written as they came.

ODD_HEADS = [
    b"HTTP/1.1 200 \x1b[31mOK\r\n",
    b"HTTP/1.1 200 O\x7fK\r\n",
    b"HTTP/1.1 200 \xff\xfe\r\n",
    b"HTTP/1.1 200 OK\r\nX-Odd: a\x1b[31mb\r\n",
    b"HTTP/1.1 200 OK\r\nRequest-Id: a\x7fb\r\n",
    b"HTTP/1.1 200 OK\r\nX-Odd: \x01\r\nX-Fine: 1\r\n",
]


@pytest.mark.parametrize("head", ODD_HEADS)
@pytest.mark.parametrize("request_sent", [OPUS, SONNET])
async def test_answer_whose_head_holds_control_characters_is_passed_on_without_them(
    start_proxy, head, request_sent
):
    rest = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    raw = head + rest % (len(MESSAGE), MESSAGE)
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url, failover=False) as proxy,
    ):
        came = await read_to_end(proxy.url, post(b"/v1/messages", request_sent))
    assert status_of(came) in {200, 502}
    if status_of(came) == 200:
        assert came.endswith(MESSAGE)
    assert not {0x1B, 0x7F, 0x01} & set(came.partition(b"\r\n\r\n")[0])


NOT_FOR_CLIENTS = [
    b"Set-Cookie: a=1",
    b"Access-Control-Allow-Origin: *",
    b"Access-Control-Allow-Credentials: true",
    b'Clear-Site-Data: "*"',
    b"Strict-Transport-Security: max-age=31536000",
    b"Refresh: 0; url=http://elsewhere.example/",
    b"Location: http://elsewhere.example/",
    b"WWW-Authenticate: Basic",
    b"Retry-After: the-key-that-it-got",
    b"anthropic-ratelimit-unified-status: rejected",
    b"X-Anything: new",
]


async def test_answer_of_a_delegate_has_no_headers_but_those_of_the_list(start_proxy):
    fine = [b"Request-Id: req_1", b"Retry-After: 7", b"X-Request-Id: 2"]
    raw = json_answer(MESSAGE, headers=b"".join(line + b"\r\n" for line in NOT_FOR_CLIENTS + fine))
    async with (
        raw_upstream(answering(raw)) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        delegated = head_of(await read_to_end(proxy.url, post(b"/v1/messages", SONNET)))
        claudes = head_of(await read_to_end(proxy.url, post(b"/v1/messages", OPUS)))
    assert not set(NOT_FOR_CLIENTS) & set(delegated)
    assert set(fine) <= set(delegated)
    assert set(NOT_FOR_CLIENTS + fine) <= set(claudes)


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        (b"17", b"17"),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", b"Wed, 21 Oct 2026 07:28:00 GMT"),
        (b"0f1e2d3c", None),
        (b"1, 2", None),
        (b"-1", None),
        (b"1" * 30, None),
    ],
)
async def test_retry_after_of_a_delegates_error_is_a_number_or_a_date(start_proxy, value, passed):
    error = b'{"error":{"code":"1302","message":"busy"}}'
    raw = b"HTTP/1.1 500 Oh\r\nRetry-After: %s\r\nContent-Length: %d\r\n\r\n%s"
    async with (
        raw_upstream(answering(raw % (value, len(error), error.replace(b"1302", b"1234")))) as zai,
        start_proxy(zai.url, zai.url, failover=False) as proxy,
    ):
        lines = head_of(await read_to_end(proxy.url, post(b"/v1/messages", SONNET)))
    came = [line for line in lines if line.lower().startswith(b"retry-after")]
    assert came == ([] if passed is None else [b"Retry-After: " + passed])


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        (b"0123456789abcdef", True),
        (b"0123456789abcdef,fedcba9876543210", True),
        (b"anything", False),
        (b"0123456789ABCDEF", False),
        (b"01,,02", False),
        (b"01, 02", False),
        (b"0" * 5000, False),
        (b"", False),
    ],
)
async def test_of_the_clients_hop_header_only_what_a_daemon_writes_goes_on(
    start_proxy, value, is_kept
):
    headers = b"Connection: close\r\nx-offramp-hop: %s\r\n" % value
    async with raw_upstream(answer_message) as zai, start_proxy(zai.url, zai.url) as proxy:
        await read_to_end(proxy.url, post(b"/v1/messages", SONNET, headers))
        await read_to_end(proxy.url, post(b"/v1/messages", OPUS, headers))
        for head in zai.heads:
            (line,) = [each for each in head_of(head) if each.lower().startswith(b"x-offramp-hop")]
            sent = line.partition(b": ")[2].split(b",")
            assert sent[:-1] == (value.split(b",") if is_kept else [])
            assert len(sent[-1]) == 16


async def test_unfinished_body_keeps_no_other_client_waiting(start_proxy):
    async with (
        raw_upstream(answer_message) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
        connected(proxy.url) as (_, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS)[:-5])
        assert status_of(await read_to_end(proxy.url, post(b"/v1/messages", OPUS))) == 200
