"""The sockets of connections out, against bare ones: what is heard of a peer that has closed."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from patience import PATIENCE_S

from offramp_daemon.upstream.sockets import adopt, open_socket

SAID = b"too large"


@contextlib.contextmanager
def connected():
    """Both ends of a connection; ours is made the way the client makes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        ours = open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", address))
        with ours:
            ours.connect(address)
            ours.setblocking(False)
            theirs, _ = listener.accept()
            with theirs:
                yield ours, theirs


def refuse(theirs: socket.socket) -> None:
    """Answer and close in the middle of a request, which resets the connection."""
    assert theirs.recv(1) == b"r"
    theirs.sendall(SAID)
    theirs.close()


async def test_answer_of_a_service_that_refused_the_rest_is_heard():
    with connected() as (ours, theirs):
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"request")
        refuse(theirs)
        for _ in range(3):
            writer.write(b"more of it")
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.readexactly(len(SAID)) == SAID
            with pytest.raises(ConnectionError):
                await reader.read()
        writer.close()


async def test_answer_on_an_adopted_connection_is_heard_too():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plain = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs, adopt(plain) as ours:
        assert plain.fileno() == -1
        ours.send(b"request")
        refuse(theirs)
        assert ours.send(b"more of it") == 10
        assert ours.recv(99) == SAID
        with pytest.raises(ConnectionError):
            ours.recv(99)


async def test_reset_is_never_taken_for_an_orderly_end():
    with connected() as (ours, theirs):
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"request")
        assert theirs.recv(1) == b"r"
        theirs.close()
        writer.write(b"more of it")
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionError):
                await reader.read()
        writer.close()


async def test_orderly_end_stays_one():
    with connected() as (ours, theirs):
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"request")
        assert theirs.recv(99) == b"request"
        theirs.sendall(SAID)
        theirs.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == SAID
        writer.close()


def test_pieces_that_are_refused_count_as_sent():
    with connected() as (ours, theirs):
        ours.send(b"request")
        refuse(theirs)
        assert ours.sendmsg([b"more", memoryview(b" of it")]) == 10
        heard = bytearray(99)
        assert ours.recv_into(heard) == len(SAID)
        with pytest.raises(ConnectionError):
            ours.recv_into(heard)
