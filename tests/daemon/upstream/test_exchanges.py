"""The client for HTTP by itself, against bare sockets: requests, answers, and connections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_S
from raw_upstream import Connection, RawUpstream, chunk, json_answer, raw_upstream
from tls import Certificates, has_openssl, make_certificates
from tunnels import serving

from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.upstream.client import Upstream
from offramp_daemon.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tunnels import Handler

    from offramp_daemon.upstream.answer import Answer
    from offramp_daemon.upstream.http_parser import Head

needs_openssl = pytest.mark.skipif(not has_openssl(), reason="the openssl command is not here")
MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture
async def way_out():
    async with Upstream() as upstream:
        yield upstream


async def send(
    way_out: Upstream,
    service: RawUpstream,
    *,
    method: str = "POST",
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    return await way_out.send(
        method,
        service.url,
        "/v1/x?a=%7B1%7D",
        headers=[
            (name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers
        ],
        body=body,
        connect_timeout_s=5,
    )


@contextlib.asynccontextmanager
async def served(handle: Handler) -> AsyncIterator[RawUpstream]:
    async with serving(handle) as port:
        yield RawUpstream(url=f"http://127.0.0.1:{port}")


async def whole(answer: Answer) -> bytes:
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    assert answer.at_eof()
    return b"".join(pieces)


def saying(raw: bytes, *, closes: bool = False):
    async def answer(connection: Connection) -> None:
        await connection.write(raw)
        if closes:
            connection.writer.close()

    return answer


async def test_request_is_written_as_it_was_given(way_out):
    headers = (("aUTH", "x"), ("X-Twice", "1"), ("x-twice", "2"), ("X-Odd", "caf\udce9 \xfc"))
    async with raw_upstream(saying(json_answer(b"{}"))) as service:
        await whole(await send(way_out, service, body=b"body", headers=headers))
        host = service.url.removeprefix("http://").encode()
    assert service.heads == [
        b"POST /v1/x?a=%7B1%7D HTTP/1.1\r\nHost: " + host + b"\r\naUTH: x\r\nX-Twice: 1\r\n"
        b"x-twice: 2\r\nX-Odd: caf\xe9 \xc3\xbc\r\nContent-Length: 4\r\n\r\n"
    ]
    assert service.bodies == [b"body"]


@pytest.mark.parametrize(
    ("method", "has_length"), [("GET", False), ("HEAD", False), ("DELETE", False), ("POST", True)]
)
async def test_length_of_no_body_is_said_where_one_is_expected(way_out, method, has_length):
    async with raw_upstream(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as service:
        assert await whole(await send(way_out, service, method=method)) == b""
    assert (b"\r\nContent-Length: 0\r\n" in service.heads[0]) is has_length


@pytest.mark.parametrize("value", ["a\r\nX-More: b", "a\nb", "a\rb", "a\0b"])
async def test_header_that_would_be_two_is_not_sent(way_out, value):
    async with raw_upstream(saying(json_answer(b"{}"))) as service:
        with pytest.raises(RequestFailedError):
            await send(way_out, service, headers=(("X-A", value),))
    assert not service.heads


async def test_answer_is_pulled_or_pushed_with_the_same_bytes(way_out):
    raw = CHUNKED + chunk(b"one") + chunk(b"two") + b"0\r\n\r\n"
    async with raw_upstream(saying(raw)) as service:
        assert await whole(await send(way_out, service)) == b"onetwo"
        answer = await send(way_out, service)
        pushed: list[bytes] = []
        ended = asyncio.get_running_loop().create_future()
        answer.pass_to(pushed.append, ended.set_result)
        assert await ended is None
        assert b"".join(pushed) == b"onetwo"
        assert len(service.writers) == 1


@pytest.mark.parametrize(
    "raw",
    [
        json_answer(b"{}", headers=b"Connection: close\r\n"),
        json_answer(b"{}") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        json_answer(b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
async def test_connection_is_not_used_again_where_the_answer_forbids_it(way_out, raw):
    async with raw_upstream(saying(raw)) as service:
        for _ in range(2):
            assert await whole(await send(way_out, service)) == b"{}"
        assert len(service.writers) == 2


async def test_bytes_that_nobody_asked_for_are_no_answer(way_out):
    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(b"{}"))
        if connection.number == 0:
            await asked_once.wait()
            await connection.write(json_answer(b"evil"))
            came.set()

    asked_once, came = asyncio.Event(), asyncio.Event()
    async with raw_upstream(answer) as service:
        await whole(await send(way_out, service))
        asked_once.set()
        await came.wait()
        assert await whole(await send(way_out, service)) == b"{}"


@pytest.mark.parametrize("raw", [CHUNKED + chunk(b"stump"), json_answer(b"stump" * 9)[:-40]])
@pytest.mark.parametrize("is_reset", [False, True])
async def test_answer_that_breaks_off_is_never_taken_for_whole(way_out, raw, is_reset):
    async def answer(connection: Connection) -> None:
        await connection.write(raw)
        if is_reset:
            await had_stump.wait()
            opened = connection.writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.writer.close()

    had_stump = asyncio.Event()
    async with raw_upstream(answer) as service:
        came = await send(way_out, service)
        assert await came.read() == b"stump"
        had_stump.set()
        with pytest.raises(UpstreamError):
            await came.read()
        assert came.has_ended
        assert not came.at_eof()


async def test_answer_that_its_connection_ends_is_whole(way_out):
    raw = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    async with raw_upstream(saying(raw, closes=True)) as service:
        assert await whole(await send(way_out, service)) == b"to the end"


@pytest.mark.parametrize(
    ("raw", "is_whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", True),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", True),
        (CHUNKED + b"a\r\nto the end\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nto the end", False),
    ],
)
@pytest.mark.parametrize("is_said", [True, False])
@needs_openssl
async def test_line_that_is_cut_within_tls_ends_no_answer(
    monkeypatch, secured, raw, is_whole, is_said
):
    async def answer(connection: Connection) -> None:
        await connection.write(raw)
        if is_said:
            connection.writer.close()
        else:  # a line that was cut ends as a connection does, only without TLS's own farewell
            connection.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    async with (
        Upstream() as way_out,
        raw_upstream(answer, tls=secured.server_context()) as service,
    ):
        answered = await send(way_out, service)
        pieces = [await answered.read()]
        if is_whole and is_said:
            assert [*pieces, await answered.read()] == [b"to the end", b""]
            assert answered.at_eof()
        else:
            with pytest.raises(UpstreamError):
                await answered.read()
            assert pieces == [b"to the end"]
            assert not answered.at_eof()
    assert way_out.connection_count == 0


async def test_news_are_heard_while_the_answer_is_awaited(way_out):
    async def answer(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await heard.get()
        await connection.write(b"HTTP/1.1 102 Processing\r\n\r\n" + json_answer(b"{}"))

    heard: asyncio.Queue[int] = asyncio.Queue()
    came: list[tuple[int, object]] = []

    def take(early: Head) -> None:
        came.append((early.status, early.raw_headers))
        heard.put_nowait(early.status)

    async with raw_upstream(answer) as service:
        answered = await way_out.send(
            "GET",
            service.url,
            "/",
            headers=[],
            body=b"",
            connect_timeout_s=5,
            on_early=take,
        )
        assert (answered.status, await whole(answered)) == (200, b"{}")
    assert came == [(103, ((b"Link", b"</a>"),)), (102, ())]


async def test_idle_connection_does_not_hold_who_heard_its_news(way_out):
    class Listener:
        def take(self, _early: Head) -> None:
            """Hear of it."""

    async with raw_upstream(saying(json_answer(b"{}"))) as service:
        listener = Listener()
        answered = await way_out.send(
            "GET",
            service.url,
            "/",
            headers=[],
            body=b"",
            connect_timeout_s=5,
            on_early=listener.take,
        )
        await whole(answered)
        assert way_out.idle_count == 1
        held = weakref.ref(listener)
        del listener
        gc.collect()
        assert held() is None


@pytest.mark.parametrize("is_pushed", [True, False])
async def test_trailers_are_known_with_the_end_of_the_body(way_out, is_pushed):
    raw = CHUNKED + chunk(b"ok") + b"0;x\r\nX-Sum: 1 \r\nX-Odd: caf\xe9\r\n\r\n"
    async with raw_upstream(saying(raw)) as service:
        for _ in range(2):
            answer = await send(way_out, service)
            assert answer.trailers == () or answer.has_ended
            if is_pushed:
                ended = asyncio.get_running_loop().create_future()
                answer.pass_to(lambda _: None, ended.set_result)
                assert await ended is None
            else:
                assert await whole(answer) == b"ok"
            assert answer.trailers == ((b"X-Sum", b"1"), (b"X-Odd", b"caf\xe9"))
        assert way_out.connection_count == way_out.idle_count == 1


async def test_early_error_during_an_upload_is_the_answer(way_out):
    """The service takes no more of a body than its head, and says so at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(json_answer(b"too large", status="413 Payload Too Large"))
        await writer.drain()
        await done.wait()
        writer.close()

    done = asyncio.Event()
    async with served(serve) as service:
        answer = await send(way_out, service, body=b"x" * (32 * MIB))
        assert (answer.status, await whole(answer)) == (413, b"too large")
        assert way_out.idle_count == 0
        done.set()


def refuse_uploads(listener: socket.socket, times: int) -> None:
    """Refuse as a service does that runs beside the client, and not in its turns."""
    for _ in range(times):
        opened, _ = listener.accept()
        with opened:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            read_bytes = 0
            while read_bytes < 70_000:
                read_bytes += len(opened.recv(MIB))
            opened.sendall(json_answer(b"too large", status="413 Too Large"))


async def test_early_error_is_heard_though_the_service_closes_under_the_upload(way_out):
    times = 20
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        service = RawUpstream(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(refuse_uploads, listener, times))
            for _ in range(times):
                answer = await send(way_out, service, body=bytes(20 * MIB))
                assert (answer.status, await whole(answer)) == (413, b"too large")
    assert way_out.connection_count == 0


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Too Large", "529 Overloaded"])
async def test_error_that_ends_only_behind_the_upload_is_heard_to_its_end(way_out, status):
    body = b"x" * (8 * MIB)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head, _, said = json_answer(b"too large", status=status).partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        took.append(await reader.readexactly(len(body)))
        writer.write(said)

    took: list[bytes] = []
    async with served(serve) as service:
        answer = await send(way_out, service, body=body)
        assert (str(answer.status), await whole(answer)) == (status[:3], b"too large")
        assert took == [body]
        assert way_out.idle_count == 0


async def test_early_error_that_breaks_off_ends_the_wait_for_it(way_out):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(json_answer(b"too large", status="413 Too Large")[:-1])
        await writer.drain()
        writer.transport.abort()

    async with served(serve) as service:
        answer = await send(way_out, service, body=bytes(32 * MIB))
        with pytest.raises(UpstreamError):
            await whole(answer)
    assert way_out.connection_count == 0


async def test_upload_goes_on_under_an_early_answer_that_is_no_error(way_out):
    body = b"x" * (8 * MIB)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + chunk(b"begun"))
        took = await reader.readexactly(len(body))
        writer.write(chunk(b"%d" % len(took)) + b"0\r\n\r\n")

    async with served(serve) as service:
        answer = await send(way_out, service, body=body)
        assert await whole(answer) == b"begun%d" % len(body)


async def test_service_that_does_not_read_holds_up_an_upload_and_nothing_else(way_out):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"Content-Length: 0" not in head:
            blocked.set()
            await go_on.wait()
            while len(taken) < 16 * MIB:
                taken.extend(await reader.read(MIB))
        writer.write(json_answer(b"{}"))

    blocked, go_on, taken = asyncio.Event(), asyncio.Event(), bytearray()
    body = bytes(range(256)) * (16 * MIB // 256)
    async with served(serve) as service, asyncio.TaskGroup() as group:
        upload = group.create_task(send(way_out, service, body=body))
        await blocked.wait()
        assert await whole(await send(way_out, service)) == b"{}"
        assert not upload.done()
        go_on.set()
        assert await whole(await upload) == b"{}"
        assert taken == body


async def test_caller_who_does_not_read_stops_the_service(way_out):
    async def answer(connection: Connection) -> None:
        connection.writer.transport.set_write_buffer_limits(0)
        await connection.write(CHUNKED)
        for _ in range(64):
            sent.append(1)
            try:
                async with asyncio.timeout(0.2):
                    await connection.write(chunk(b"x" * MIB))
            except TimeoutError:
                stopped.set()
                await connection.writer.drain()
        await connection.write(b"0\r\n\r\n")

    sent: list[int] = []
    stopped = asyncio.Event()
    async with raw_upstream(answer) as service:
        came = await send(way_out, service)
        async with asyncio.timeout(PATIENCE_S):
            await stopped.wait()
        assert len(sent) < 24  # what the kernel's buffers may hold
        assert len(await whole(came)) == 64 * MIB


async def test_sink_that_pauses_gets_the_rest_when_it_goes_on(way_out):
    async def answer(connection: Connection) -> None:
        connection.writer.transport.set_write_buffer_limits(0)
        await connection.write(CHUNKED)
        for _ in range(32):
            await connection.write(chunk(b"x" * MIB))
        await connection.write(b"0\r\n\r\n")

    async with raw_upstream(answer) as service:
        came = await send(way_out, service)
        pushed, ended = 0, asyncio.get_running_loop().create_future()

        def take(piece: bytes) -> None:
            nonlocal pushed
            pushed += len(piece)
            came.pause()
            asyncio.get_running_loop().call_soon(came.resume)

        came.pass_to(take, ended.set_result)
        assert await ended is None
        assert pushed == 32 * MIB


@pytest.mark.parametrize("phase", ["upload", "head", "body"])
async def test_caller_who_is_cancelled_leaves_no_connection(way_out, phase):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if phase == "body":
            writer.write(CHUNKED + chunk(b"begun"))
        reached.set()
        if phase == "upload":
            await left.wait()
        while await reader.read(MIB):
            pass
        ended.set()
        writer.close()

    async def ask() -> None:
        came = await send(way_out, service, body=b"x" * (16 * MIB if phase == "upload" else 9))
        try:
            await whole(came)
        finally:
            came.close()

    reached, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with served(serve) as service, asyncio.timeout(PATIENCE_S):
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            await reached.wait()
            asking.cancel()
        left.set()
        await ended.wait()
        assert way_out.connection_count == 0


async def test_caller_who_is_cancelled_while_connecting_leaves_nothing():
    started = asyncio.Event()

    def open_nothing(address):
        started.set()
        opened = socket.socket(*address[:3])
        made.append(opened)
        return opened

    made: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        service = RawUpstream(url=f"https://127.0.0.1:{listener.getsockname()[1]}")
        async with Upstream(socket_factory=open_nothing) as way_out, asyncio.timeout(PATIENCE_S):
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(send(way_out, service))
                await started.wait()
                asking.cancel()
            assert way_out.connection_count == 0
        assert [opened.fileno() for opened in made] == [-1]


@dataclass
class SlowNames:
    """A resolver of the system's that gives no answer before the test says so."""

    loop: asyncio.AbstractEventLoop
    asked: list[str] = field(default_factory=list)
    has_question: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    address: str | None = None

    def look_up(self, host: str, port: int, *_: object, flags: int = 0, **__: object) -> list:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        self.asked.append(host)
        self.loop.call_soon_threadsafe(self.has_question.set)
        assert self.may_answer.wait(PATIENCE_S)
        if self.address is None:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port))]


@pytest.fixture
async def names(monkeypatch):
    names = SlowNames(asyncio.get_running_loop())
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.may_answer.set()


async def test_requests_to_one_name_wait_for_the_same_look_up(way_out, names):
    names.address = "127.0.0.1"
    async with raw_upstream(saying(json_answer(b"{}"))) as service, asyncio.timeout(PATIENCE_S):
        named = RawUpstream(url=service.url.replace("127.0.0.1", "slow.invalid"))
        async with asyncio.TaskGroup() as group:
            leaving, *staying = [group.create_task(send(way_out, named)) for _ in range(40)]
            await names.has_question.wait()
            leaving.cancel()
            # The threads that are there for everybody are not taken up by the look-ups.
            assert await asyncio.to_thread(lambda: "a thread is free") == "a thread is free"
            names.may_answer.set()
        for asking in staying:
            assert await whole(asking.result()) == b"{}"
    assert names.asked == ["slow.invalid"]


async def test_name_that_is_not_known_is_said_to_all_and_asked_for_again(way_out, names):
    named = RawUpstream(url="http://slow.invalid:1")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        asking = [group.create_task(outcome_of(way_out, named)) for _ in range(9)]
        await names.has_question.wait()
        names.may_answer.set()
    assert all("could not be looked up" in task.result() for task in asking)
    assert names.asked == ["slow.invalid"]
    assert "could not be looked up" in await outcome_of(way_out, named)
    assert len(names.asked) == 2


async def test_look_up_that_everybody_has_left_does_no_harm(way_out, names):
    named = RawUpstream(url="http://slow.invalid:1")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        asking = group.create_task(send(way_out, named))
        await names.has_question.wait()
        asking.cancel()
    names.may_answer.set()
    assert "could not be looked up" in await outcome_of(way_out, named)


async def outcome_of(way_out: Upstream, service: RawUpstream) -> str:
    with pytest.raises(RequestFailedError) as raised:
        await send(way_out, service)
    return str(raised.value)


async def test_kept_connection_that_died_is_replaced_once(way_out):
    async def answer(connection: Connection) -> None:
        if len(service.heads) > (1 if connection.number == 0 else 3):
            connection.writer.transport.abort()
        else:
            await connection.write(json_answer(b"{}"))

    async with raw_upstream(answer) as service:
        for _ in range(2):
            assert await whole(await send(way_out, service, body=b"b")) == b"{}"
        assert service.bodies == [b"b"] * 3
        # The next two find a kept and a fresh connection dead: that is no accident any more.
        with pytest.raises(RequestFailedError):
            await send(way_out, service, body=b"b")
        assert len(service.heads) == 5


async def test_answer_that_had_begun_is_not_asked_for_again(way_out):
    async def answer(connection: Connection) -> None:
        if len(service.heads) == 1:
            await connection.write(json_answer(b"{}"))
        else:
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
            connection.writer.close()

    async with raw_upstream(answer) as service:
        await whole(await send(way_out, service))
        with pytest.raises(RequestFailedError):
            await send(way_out, service)
        assert len(service.heads) == 2


async def test_connection_that_idled_for_long_is_not_used():
    now_s = [1000.0]
    async with (
        Upstream(wall_s=lambda: now_s[0], clock_s=lambda: now_s[0]) as way_out,
        raw_upstream(saying(json_answer(b"{}"))) as service,
    ):
        for passed_s, connections in ((0.0, 1), (29.0, 1), (29.0, 1), (31.0, 2)):
            now_s[0] += passed_s
            await whole(await send(way_out, service))
            assert len(service.writers) == connections
        assert way_out.connection_count == 1


async def test_connections_of_different_services_are_kept_apart(way_out):
    async with (
        raw_upstream(saying(json_answer(b"one"))) as one,
        raw_upstream(saying(json_answer(b"two"))) as two,
    ):
        for _ in range(2):
            assert await whole(await send(way_out, one)) == b"one"
            assert await whole(await send(way_out, two)) == b"two"
        assert (len(one.writers), len(two.writers), way_out.idle_count) == (1, 1, 2)


async def test_end_of_the_client_closes_every_connection():
    async def answer(connection: Connection) -> None:
        await connection.write(CHUNKED + chunk(b"begun"))
        await connection.reader.read()

    async with raw_upstream(answer) as service:
        async with Upstream() as way_out:
            came = await send(way_out, service)
            assert await came.read() == b"begun"
        with pytest.raises(UpstreamError):
            await came.read()
        async with asyncio.timeout(PATIENCE_S):
            await service.closed.wait()


async def test_answer_that_breaks_the_rules_is_said_without_its_words(way_out):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: s3cret\r\n\r\nxx"
    async with raw_upstream(saying(raw)) as service:
        with pytest.raises(RequestFailedError) as caught:
            await send(way_out, service)
    assert "no usable answer" in caught.value.failure.message
    assert "s3cret" not in caught.value.failure.message
    assert way_out.connection_count == 0


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade"])
async def test_switch_to_another_protocol_is_refused_in_words(way_out, connection):
    raw = f"HTTP/1.1 101 Switching\r\nConnection: {connection}\r\nUpgrade: h2c\r\n\r\nsettings"
    async with raw_upstream(saying(raw.encode())) as service:
        said = await outcome_of(way_out, service)
    assert said.endswith("gave no usable answer: HTTP/1.1 with status 101 was not asked for.")
    assert way_out.connection_count == 0


async def test_offer_of_another_protocol_is_no_switch(way_out):
    raw = json_answer(b"{}", headers=b"Connection: upgrade\r\nUpgrade: h2,h2c\r\n")
    async with raw_upstream(saying(raw)) as service:
        assert await whole(await send(way_out, service)) == b"{}"
    assert way_out.idle_count == 1


FAULTS = (
    b"",
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-",
    json_answer(b"x" * 99)[:-40],
    CHUNKED + chunk(b"stump"),
    CHUNKED + b"ZZ\r\n",
    json_answer(b"{}") + b"more",
)


async def test_faults_of_all_kinds_leave_nothing_behind(way_out):
    async def answer(connection: Connection) -> None:
        number = int(connection.body)
        if number % 8 == 7:
            await connection.write(json_answer(b"{}"))
            return
        await connection.write(FAULTS[number % 8])
        if number % 3 == 0:
            opened = connection.writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        if number % 5:
            connection.writer.close()
        elif await connection.reader.read():  # it stalls until the client goes
            pytest.fail("more was asked for on the same connection")

    async def ask(number: int) -> None:
        with contextlib.suppress(RequestFailedError, UpstreamError, TimeoutError):
            stalls = number % 5 == 0 and number % 8 != 7
            async with asyncio.timeout(0.2 if stalls else PATIENCE_S):
                came = await send(way_out, service, body=b"%d" % number)
                try:
                    await whole(came)
                    good.append(number)
                finally:
                    came.close()

    good: list[int] = []
    async with raw_upstream(answer) as service, asyncio.timeout(PATIENCE_S):
        for start in range(0, 240, 40):
            async with asyncio.TaskGroup() as group:
                for number in range(start, start + 40):
                    group.create_task(ask(number))
        assert {number for number in range(240) if number % 8 == 7} <= set(good)
        assert way_out.connection_count == way_out.idle_count
    assert {number % 8 for number in good} <= {6, 7}
