"""Faulty tool calls of a delegate on their way through the proxy to the client."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import zlib
from typing import TYPE_CHECKING, Any

import anthropic
import brotli
import pytest
import zstandard
from messages import OPUS, SONNET, ask, send
from patience import PATIENCE_S
from proxy_harness import CLAUDE_TOKEN
from raw_client import connected, post, read_to_end
from raw_upstream import SSE_HEAD, Connection, RawUpstream, chunk, json_answer, raw_upstream

from offramp_daemon.messages.answers import answer_repair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import aiohttp
    from proxy_harness import RunningProxy

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
}
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("Bash", "Read")]
HISTORY = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "call_0", "name": "Bash"}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_0"}]},
]
CALLING: dict[str, Any] = {"tools": TOOLS, "messages": HISTORY}
FAULTS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "token behind": ({"name": "Bash</arg_value>"}, {}),
    "token before": ({"name": "<tool_call>Bash"}, {}),
    "line end": ({"name": "Bash\n"}, {}),
    "id out of the pattern": ({"id": "functions.Bash:0"}, {"id": "functions_Bash_0"}),
    "id of the history": ({"id": "call_0"}, {"id": "call_0_2"}),
    "no id": ({"id": ""}, {"id": "call"}),
    "null input": ({"input": None}, {"input": {}}),
}


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def event(kind: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), compact({"type": kind, **fields}))


def call(**fields: object) -> dict[str, object]:
    return {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {}} | fields


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "glm-4.7"}
USAGE = {"input_tokens": 12, "output_tokens": 34}
START = event(
    "message_start",
    message={**MESSAGE, "content": [], "stop_reason": None, "usage": {"output_tokens": 0}},
)
STARTED: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: _flushed(zlib.compressobj(wbits=31), zlib.Z_SYNC_FLUSH),
    "deflate": lambda: _flushed(zlib.compressobj(), zlib.Z_SYNC_FLUSH),
    "br": lambda: (coder := brotli.Compressor()).process(START) + coder.flush(),
    "zstd": lambda: _flushed(
        zstandard.ZstdCompressor().compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
    ),
}
"""`START` at the beginning of a body that goes on."""
END = event("message_delta", delta={"stop_reason": "tool_use"}, usage=USAGE) + event("message_stop")


def _flushed(coder: Any, how: int) -> bytes:
    return coder.compress(START) + coder.flush(how)


def called(index: int = 0, **fields: object) -> bytes:
    """The events of one call."""
    begun = event("content_block_start", index=index, content_block=call(**fields))
    arguments = {"type": "input_json_delta", "partial_json": '{"command":"ls"}'}
    written = event("content_block_delta", index=index, delta=arguments)
    return begun + written + event("content_block_stop", index=index)


def whole(*blocks: object) -> bytes:
    """A JSON answer."""
    return compact({**MESSAGE, "content": blocks, "stop_reason": "tool_use", "usage": USAGE})


def stream_head(coding: str) -> bytes:
    header = b"Content-Encoding: %s\r\n" % coding.encode() if coding else b""
    return SSE_HEAD.removesuffix(b"\r\n") + header + b"\r\n"


def streaming(body: bytes, coding: str = "", step: int = 0) -> Callable[[Connection], Any]:
    """An upstream that answers with `body`, in chunks of `step` bytes."""

    async def answer(connection: Connection) -> None:
        size = step or len(body)
        await connection.write(stream_head(coding))
        for start in range(0, len(body), size):
            await connection.write(chunk(body[start : start + size]))
        await connection.write(b"0\r\n\r\n")

    return answer


def answering(body: bytes, coding: str = "") -> Callable[[Connection], Any]:
    async def answer(connection: Connection) -> None:
        headers = b"Content-Encoding: %s\r\n" % coding.encode() if coding else b""
        await connection.write(json_answer(body, headers=headers))

    return answer


async def received(
    client: aiohttp.ClientSession, proxy: RunningProxy, body: dict[str, object]
) -> tuple[dict[str, str], bytes]:
    """The answer's headers, in lower case, and its body as it came."""
    async with client.post(proxy.url + "/v1/messages", json=body) as answered:
        assert answered.status == 200
        came = await answered.read()
        return {name.lower(): value for name, value in answered.headers.items()}, came


CASES = [
    *itertools.product(FAULTS, ["", "gzip"], [7]),
    *itertools.product(["token behind"], ENCODERS, [0, 1, 200]),
]


@pytest.mark.parametrize(("fault", "coding", "step"), CASES)
async def test_streamed_fault_is_repaired(start_proxy, client, fault, coding, step):
    wrong, right = FAULTS[fault]
    coded = ENCODERS[coding](START + called(**wrong) + END)
    async with (
        raw_upstream(streaming(coded, coding, step)) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        headers, came = await received(client, proxy, ask(**CALLING))
        record = await proxy.only_record()

    assert came == START + called(**right) + END
    assert "content-encoding" not in headers
    assert "content-length" not in headers
    assert headers["content-type"] == "text/event-stream"
    assert record.status == "success"
    assert (record.input_tokens, record.output_tokens) == (12, 34)
    assert record.served_model == "glm-4.7"


@pytest.mark.parametrize(
    ("fault", "coding"),
    [*itertools.product(FAULTS, ["", "gzip"]), *itertools.product(["no id"], ["br", "zstd"])],
)
async def test_fault_in_a_json_answer_is_repaired(start_proxy, client, fault, coding):
    wrong, right = FAULTS[fault]
    coded = ENCODERS[coding](whole({"type": "text", "text": "é"}, call(**wrong)))
    async with (
        raw_upstream(answering(coded, coding)) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        headers, came = await received(client, proxy, ask(stream=False, **CALLING))
        record = await proxy.only_record()

    assert came == whole({"type": "text", "text": "é"}, call(**right))
    assert "content-encoding" not in headers
    assert headers["content-length"] == str(len(came))
    assert record.status == "success"
    assert (record.input_tokens, record.output_tokens) == (12, 34)


async def test_json_answer_in_http_chunks_is_repaired_and_gets_a_length(start_proxy, client):
    body = whole(call(name="Bash</arg_value>"))

    async def answer(connection: Connection) -> None:
        head = SSE_HEAD.replace(b"text/event-stream", b"application/json")
        await connection.write(head + chunk(body[:20]) + chunk(body[20:]) + b"0\r\n\r\n")

    async with raw_upstream(answer) as zai, start_proxy(zai.url, zai.url) as proxy:
        headers, came = await received(client, proxy, ask(**CALLING))

    assert came == whole(call())
    assert headers["content-length"] == str(len(came))
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize("coding", ENCODERS)
async def test_answer_without_faults_keeps_its_bytes(start_proxy, client, coding):
    stream, message = START + called() + END, ENCODERS[coding](whole(call()))

    async def answer(connection: Connection) -> None:
        is_stream = json.loads(connection.body).get("stream")
        reply = streaming(ENCODERS[coding](stream), coding) if is_stream else None
        await (reply or answering(message, coding))(connection)

    async with raw_upstream(answer) as zai, start_proxy(zai.url, zai.url) as proxy:
        _, streamed = await received(client, proxy, ask(**CALLING))
        headers, came = await received(client, proxy, ask(stream=False, **CALLING))

    assert streamed == stream
    assert came == message
    assert headers.get("content-encoding", "") == coding
    assert headers["content-length"] == str(len(message))


@pytest.mark.parametrize("coding", ENCODERS)
async def test_answer_to_a_request_without_tools_keeps_its_bytes(start_proxy, client, coding):
    coded = ENCODERS[coding](START + called(name="Bash\n") + END)
    async with (
        raw_upstream(streaming(coded, coding)) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        headers, came = await received(client, proxy, ask())

    assert came == coded
    assert headers.get("content-encoding", "") == coding


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_claudes_own_answer_is_never_changed(start_proxy, client, coding):
    stream = ENCODERS[coding](START + called(name="Bash\n", id="call_0") + END)
    message = ENCODERS[coding](whole(call(name="Bash\n", id="call_0", input=[])))

    async def claude(connection: Connection) -> None:
        is_stream = json.loads(connection.body).get("stream")
        reply = streaming(stream, coding) if is_stream else answering(message, coding)
        await reply(connection)

    async def failing(connection: Connection) -> None:
        await connection.write(json_answer(b"{}", status="500 Internal Server Error"))

    async with (
        raw_upstream(claude) as anthropic_api,
        raw_upstream(failing) as zai,
        start_proxy(anthropic_api.url, zai.url) as proxy,
    ):
        for model, is_stream in itertools.product((OPUS, SONNET), (True, False)):
            headers, came = await received(client, proxy, ask(model, stream=is_stream, **CALLING))
            assert came == (stream if is_stream else message)
            assert headers.get("content-encoding", "") == coding


async def test_claudes_refusal_that_was_looked_at_is_not_changed(start_proxy, client):
    body = whole(call(name="Bash\n", id="call_0"))
    thought = {"type": "thinking", "thinking": "x", "signature": "Ab" * 200}
    messages = [*HISTORY, {"role": "assistant", "content": [thought]}]

    async def claude(connection: Connection) -> None:
        await connection.write(json_answer(body, status="400 Bad Request"))

    async with raw_upstream(claude) as upstream, start_proxy(upstream.url, upstream.url) as proxy:
        request = ask(OPUS, tools=TOOLS, messages=messages)
        assert await send(client, proxy, request) == (400, body)


@pytest.mark.parametrize("missing", [1, 2])
async def test_last_event_without_its_blank_line_is_not_lost(start_proxy, client, missing):
    begun = called(name="Bash\n").partition(b"\n\n")[0] + b"\n\n"
    right = called().partition(b"\n\n")[0] + b"\n\n"
    body = START + END + begun[:-missing]
    async with raw_upstream(streaming(body)) as zai, start_proxy(zai.url, zai.url) as proxy:
        _, came = await received(client, proxy, ask(**CALLING))

    assert came == START + END + right[:-missing]


async def test_stream_in_an_unknown_coding_passes_as_it_came(start_proxy, client):
    noise = bytes(range(256))
    async with (
        raw_upstream(streaming(noise, "x-secret")) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        headers, came = await received(client, proxy, ask(**CALLING))

    assert came == noise
    assert headers["content-encoding"] == "x-secret"


async def test_stream_that_is_not_what_its_coding_says_passes_as_it_came(start_proxy, client):
    plain = START + called(name="Bash\n") + END
    async with (
        raw_upstream(streaming(plain, "gzip")) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        headers, came = await received(client, proxy, ask(**CALLING))

    assert came == plain
    assert headers["content-encoding"] == "gzip"


async def test_stream_with_a_length_is_repaired_and_framed_again(start_proxy, client):
    body = START + called(id="functions.Bash:0") + called(1, name="Bash</arg_value>") + END

    async def answer(connection: Connection) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
        await connection.write(head % len(body) + body)

    async with raw_upstream(answer) as zai, start_proxy(zai.url, zai.url) as proxy:
        headers, came = await received(client, proxy, ask(**CALLING))

    assert came == START + called(id="functions_Bash_0") + called(1) + END
    assert "content-length" not in headers


async def test_old_client_gets_the_repaired_stream_up_to_the_connections_end(start_proxy):
    request = post(b"/v1/messages", compact(ask(**CALLING)), b"Authorization: Bearer x\r\n")
    async with (
        raw_upstream(streaming(START + called(name="Bash\n") + END)) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        came = await read_to_end(proxy.url, request.replace(b"HTTP/1.1", b"HTTP/1.0", 1))

    head, _, body = came.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == START + called() + END


class Stepwise:
    """An upstream that sends one part after the other, each when the test says so."""

    def __init__(self, *parts: bytes, coding: str = "", is_cut: bool = False) -> None:
        self._parts = parts
        self._head = stream_head(coding)
        self._is_cut = is_cut
        self.may_go = asyncio.Semaphore(0)

    async def answer(self, connection: Connection) -> None:
        await connection.write(self._head)
        for part in self._parts:
            await self.may_go.acquire()
            await connection.write(chunk(part))
        await self.may_go.acquire()
        if self._is_cut:
            connection.writer.close()
        else:
            await connection.write(b"0\r\n\r\n")


async def test_only_the_event_that_begins_a_call_waits_until_it_is_whole(start_proxy):
    text = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
    faulty, right = called(name="Bash\n"), called()
    cut = faulty.index(b"Bash")
    zai_stream = Stepwise(START + text[:40], text[40:], faulty[:cut], faulty[cut:] + END)
    request = post(b"/v1/messages", compact(ask(**CALLING)), b"Authorization: Bearer x\r\n")
    async with (
        asyncio.timeout(PATIENCE_S),
        raw_upstream(zai_stream.answer) as zai,
        start_proxy(zai.url, zai.url) as proxy,
        connected(proxy.url) as (reader, writer),
    ):
        writer.write(request)
        zai_stream.may_go.release()
        await reader.readuntil(chunk(START + text[:40]))
        zai_stream.may_go.release()
        assert await reader.readuntil(b"\n\n\r\n") == chunk(text[40:])
        zai_stream.may_go.release()
        zai_stream.may_go.release()
        assert await reader.readuntil(b"}\n\n\r\n") == chunk(right + END)
        zai_stream.may_go.release()
        assert await reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_stream_that_is_cut_in_a_held_event_is_cut_towards_the_client(start_proxy):
    faulty = called(name="Bash\n")
    torn = faulty[: faulty.index(b"Bash")]
    zai_stream = Stepwise(START, torn, is_cut=True)
    request = post(b"/v1/messages", compact(ask(**CALLING)), b"Authorization: Bearer x\r\n")
    for _ in range(3):
        zai_stream.may_go.release()
    async with (
        raw_upstream(zai_stream.answer) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        came = await read_to_end(proxy.url, request)
        record = await proxy.only_record()

    assert came.endswith(chunk(torn))
    assert chunk(START) in came
    assert record.status == "error"


@pytest.mark.parametrize("coding", STARTED)
async def test_stream_that_is_damaged_on_its_way_is_cut(start_proxy, coding):
    zai_stream = Stepwise(STARTED[coding](), b"\xff" * 2000, coding=coding)
    async with (
        raw_upstream(zai_stream.answer) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        came = await _begun_and_rest(proxy, zai_stream)
        record = await proxy.only_record()

    assert not came.endswith(b"0\r\n\r\n")
    assert record.status == "error"


async def test_what_came_before_the_damage_goes_out_before_the_stream_is_cut(start_proxy):
    faulty = called(name="Bash\n")
    torn = faulty[: faulty.index(b"Bash")]
    rest = gzip.compress(called() + torn) + b"\xff" * 100
    zai_stream = Stepwise(gzip.compress(START), rest, coding="gzip")
    async with (
        raw_upstream(zai_stream.answer) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        came = await _begun_and_rest(proxy, zai_stream)

    assert came == chunk(called()) + chunk(torn)


@pytest.mark.parametrize("coding", STARTED)
async def test_coded_stream_that_ends_early_is_cut(start_proxy, coding):
    request = post(b"/v1/messages", compact(ask(**CALLING)), b"Authorization: Bearer x\r\n")
    async with (
        raw_upstream(streaming(STARTED[coding](), coding)) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        came = await read_to_end(proxy.url, request)
        record = await proxy.only_record()

    assert came.endswith(chunk(START))
    assert record.status == "error"


async def test_stream_that_decodes_to_too_much_is_cut(start_proxy, monkeypatch):
    monkeypatch.setattr(answer_repair, "DECODED_LIMIT_BYTES", 1024 * 1024)
    rest = gzip.compress(called() + b"\n" * 2 * 1024 * 1024 + END)
    zai_stream = Stepwise(gzip.compress(START), rest, coding="gzip")
    async with (
        raw_upstream(zai_stream.answer) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        came = await _begun_and_rest(proxy, zai_stream)
        record = await proxy.only_record()

    assert not came.endswith(b"0\r\n\r\n")
    assert record.status == "error"


async def _begun_and_rest(proxy: RunningProxy, upstream: Stepwise) -> bytes:
    """What comes after the stream's first event, which is waited for."""
    request = post(b"/v1/messages", compact(ask(**CALLING)), b"Authorization: Bearer x\r\n")
    async with asyncio.timeout(PATIENCE_S), connected(proxy.url) as (reader, writer):
        writer.write(request)
        upstream.may_go.release()
        head = await reader.readuntil(chunk(START))
        assert b"content-encoding" not in head.lower()
        upstream.may_go.release()
        upstream.may_go.release()
        return await reader.read()


def calls_of(content: Iterable[Any]) -> list[Any]:
    return [block for block in content if block["type"] == "tool_use"]


@pytest.mark.parametrize("call_id", ["call_1", "functions.Bash:0", ""])
async def test_calls_of_a_tool_loop_have_ids_of_their_own(start_proxy, client, call_id):
    """A delegate counts its calls from the start in every answer; a client stores what it gets."""
    message = whole(call(id=call_id, name="Bash</arg_value>"), call(id=call_id, name="<x>Read"))
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
    async with (
        raw_upstream(answering(message)) as zai,
        start_proxy(zai.url, zai.url) as proxy,
    ):
        for _ in range(3):
            body = ask(stream=False, tools=TOOLS, messages=messages)
            status, came = await send(client, proxy, body)
            assert status == 200
            calls = calls_of(json.loads(came)["content"])
            results = [{"type": "tool_result", "tool_use_id": each["id"]} for each in calls]
            messages += [
                {"role": "assistant", "content": calls},
                {"role": "user", "content": results},
            ]

    stored = [each for item in messages[1::2] for each in item["content"]]
    assert len({each["id"] for each in stored}) == 6
    assert [each["name"] for each in stored] == ["Bash", "Read"] * 3


async def test_sdk_reads_a_repaired_stream(start_proxy):
    body = (
        START
        + called(name="Bash</arg_value>", id="functions.Bash:0")
        + called(1, id="call_0", input=None)
        + END
    )
    zai_upstream: RawUpstream
    async with (
        raw_upstream(streaming(gzip.compress(body), "gzip", 5)) as zai_upstream,
        start_proxy(zai_upstream.url, zai_upstream.url) as proxy,
        anthropic.AsyncAnthropic(
            base_url=proxy.url, auth_token=CLAUDE_TOKEN, max_retries=0, timeout=PATIENCE_S
        ) as sdk,
        sdk.messages.stream(**_for_sdk()) as stream,
    ):
        final = await stream.get_final_message()

    calls = [block for block in final.content if block.type == "tool_use"]
    assert [(each.id, each.name) for each in calls] == [
        ("functions_Bash_0", "Bash"),
        ("call_0_3", "Bash"),
    ]
    assert all(each.input == {"command": "ls"} for each in calls)


def _for_sdk() -> dict[str, Any]:
    return {"model": "claude-sonnet-5", "max_tokens": 100, **CALLING}
