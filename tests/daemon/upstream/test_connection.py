"""One connection, its bytes given by hand: wherever they are cut, and whatever comes between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from manual_loop import ManualLoop

from offramp_daemon.upstream.connection import Connection
from offramp_daemon.upstream.errors import (
    BadAnswerError,
    BrokenAnswerError,
    DisconnectedError,
    UpstreamError,
)

if TYPE_CHECKING:
    from offramp_daemon.upstream.answer import Answer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PARTS = (b'event: a\ndata: {"x":1}\n\n', b"event: b\r\n", b"data: caf\xc3\xa9\r\n\r\n")
BODY = b"".join(PARTS)
RECORDED = HEAD + b"".join(b"%X;a=b\r\n%s\r\n" % (len(part), part) for part in PARTS) + b"0\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport whose other side is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_paused = False
        self.is_gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_gone
        self.sent += data

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.is_gone

    def abort(self) -> None:
        self.is_gone = True


class Line:
    """A connection on a wire, with what it reported."""

    def __init__(self) -> None:
        self.idle = self.closed = 0
        self.wire = Wire()
        self.connection = Connection(on_idle=self._note_idle, on_closed=self._note_closed)
        self.connection.connection_made(self.wire)

    def _note_idle(self, _connection: Connection) -> None:
        self.idle += 1

    def _note_closed(self, _connection: Connection) -> None:
        self.closed += 1

    async def asking(self, group: asyncio.TaskGroup, body: bytes = b""):
        """A request that is on its way, whose task gives the answer or what came instead."""
        task = group.create_task(self._outcome(body))
        await asyncio.sleep(0)
        return task

    async def _outcome(self, body: bytes) -> Answer | UpstreamError:
        try:
            return await self.connection.ask("POST", b"HEAD", body)
        except UpstreamError as error:
            return error


async def take_all(answer: Answer, into: list[bytes]) -> None:
    while piece := await answer.read():
        into.append(piece)


async def test_answer_is_the_same_wherever_it_is_cut():
    for cut in range(1, len(RECORDED)):
        line, came, ends = Line(), [], []
        async with asyncio.TaskGroup() as group:
            task = await line.asking(group)
            line.connection.data_received(RECORDED[:cut])
            if cut >= len(HEAD):  # else the head is not whole yet
                answer = await task
                answer.pass_to(came.append, ends.append)
                line.connection.data_received(RECORDED[cut:])
            else:
                line.connection.data_received(RECORDED[cut:])
                answer = await task
                answer.pass_to(came.append, ends.append)
        assert (b"".join(came), ends, line.idle) == (BODY, [None], 1), cut
        assert not line.wire.is_gone


async def test_answer_that_is_cut_off_at_any_byte_is_never_whole():
    for cut in range(len(RECORDED)):
        line = Line()
        async with asyncio.TaskGroup() as group:
            task = await line.asking(group)
            line.connection.data_received(RECORDED[:cut])
            line.connection.connection_lost(None)
            if cut < len(HEAD):
                assert isinstance(await task, DisconnectedError)
                continue
            answer = await task
        came: list[bytes] = []
        with pytest.raises(BrokenAnswerError):
            await take_all(answer, came)
        assert BODY.startswith(b"".join(came))
        assert not answer.at_eof()
        assert (line.idle, line.closed) == (0, 1)


async def test_answer_that_breaks_the_rules_gives_what_came_before():
    line = Line()
    async with asyncio.TaskGroup() as group:
        task = await line.asking(group)
        line.connection.data_received(HEAD + b"2\r\nok\r\nZZ\r\n")
        answer = await task
    assert await answer.read() == b"ok"
    with pytest.raises(BadAnswerError):
        await answer.read()
    assert line.wire.is_gone
    assert line.idle == 0


async def test_stale_is_only_a_kept_connection_on_which_nothing_came():
    for is_kept, came, is_stale in (
        (False, b"", False),
        (True, b"", True),
        (True, b"HTTP/1.1 2", False),
        (True, b"HTTP/1.1 103 Early\r\n\r\n", False),
    ):
        line = Line()
        async with asyncio.TaskGroup() as group:
            if is_kept:
                first = await line.asking(group)
                line.connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
                assert (await first).at_eof()
            task = await line.asking(group)
            if came:
                line.connection.data_received(came)
            line.connection.connection_lost(ConnectionResetError())
            error = await task
        assert isinstance(error, DisconnectedError)
        assert error.is_stale is is_stale


def test_kept_connection_is_not_stale_once_the_service_may_be_at_work():
    loop, lines = ManualLoop(), []

    async def asking_again():
        line = Line()
        lines.append(line)
        async with asyncio.TaskGroup() as group:
            first = await line.asking(group)
            line.connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await first).at_eof()
            return await (await line.asking(group))

    for later_s, is_stale in ((1.0, True), (60.0, False)):
        task = loop.create_task(asking_again())
        loop.advance(later_s)
        assert not task.done()
        lines.pop().connection.connection_lost(ConnectionResetError())
        loop.settle()
        error = task.result()
        assert isinstance(error, DisconnectedError)
        assert error.is_stale is is_stale
    loop.end()


async def test_reading_stops_while_nobody_takes_and_while_the_sink_says_so():
    line = Line()
    async with asyncio.TaskGroup() as group:
        task = await line.asking(group)
        line.connection.data_received(HEAD)
        answer = await task
    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    for _ in range(64):
        line.connection.data_received(piece)
    assert line.wire.is_paused
    assert len(await answer.read()) == 64 * 0x4000
    assert not line.wire.is_paused
    answer.pass_to(lambda _piece: answer.pause(), lambda _error: None)
    line.connection.data_received(piece)
    assert line.wire.is_paused
    answer.resume()
    assert not line.wire.is_paused
    line.connection.data_received(piece)
    line.connection.data_received(b"0\r\n\r\n")  # was on its way
    assert line.idle == 1
    assert not line.wire.is_paused  # its end must be noticed while it is idle


async def test_sink_that_closes_the_answer_gets_no_more():
    line, came = Line(), []

    def take(piece: bytes) -> None:
        came.append(piece)
        answer.close()

    async with asyncio.TaskGroup() as group:
        task = await line.asking(group)
        line.connection.data_received(HEAD)
        answer = await task
    answer.pass_to(take, lambda _error: came.append(b"end"))
    line.connection.data_received(b"2\r\nok\r\n2\r\nok\r\n0\r\n\r\n")
    line.connection.data_received(b"2\r\nok\r\n")
    line.connection.connection_lost(None)
    assert came == [b"okok"]
    assert line.wire.is_gone
    assert (line.idle, line.closed) == (0, 1)


async def test_cancel_in_the_moment_of_the_answer_does_no_harm_to_the_next_request():
    line = Line()
    async with asyncio.TaskGroup() as group:
        task = await line.asking(group)
        task.cancel()
        line.connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert line.idle == 1
        following = await line.asking(group)
        assert task.cancelled()
        line.connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert (await following).status == 200
    assert not line.wire.is_gone


async def test_large_body_waits_for_room_and_is_dropped_with_its_connection():
    line, body = Line(), bytes(range(256)) * 4096
    async with asyncio.TaskGroup() as group:
        line.connection.pause_writing()
        task = await line.asking(group, body)
        assert line.wire.sent == b"HEAD"
        line.connection.resume_writing()
        for _ in range(3):  # it goes out in turns of half a megabyte
            await asyncio.sleep(0)
        assert line.wire.sent == b"HEAD" + body
        line.connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
        await task
        line.connection.pause_writing()
        cut = await line.asking(group, body)
        line.connection.close()
        line.connection.connection_lost(None)
        line.connection.resume_writing()
        assert isinstance(await cut, DisconnectedError)
