"""The control client against sockets that misbehave: each failure has its own words."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_S
from privileges import open_to_others, without_root

from offramp_core.control import api
from offramp_core.control.api import (
    CommandAnswer,
    CommandRefusal,
    ControlAnswer,
    RecordsStatus,
    Status,
)
from offramp_core.control.client import (
    ControlClient,
    ControlError,
    NotRunningError,
    OtherVersionError,
)
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STATUS = Status(
    pid=7,
    started=datetime(2026, 11, 26, tzinfo=UTC),
    uptime_s=1,
    address="http://localhost:3001",
    records=RecordsStatus(written=0, waiting=0, lost=0),
    settings_file="config.toml",
)


@contextlib.contextmanager
def daemon(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[ControlClient]:
    """A daemon that reads a request on each connection and then does as `serve` says."""

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    ending, request = b"\r\n\r\n", b""
                    while not request.endswith(ending):
                        request += connection.recv(65536)
                        has_body = b"Content-Length: 0" not in request
                        ending = b"}" if has_body and request.startswith(b"POST") else ending
                    serve(connection)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield ControlClient(path, timeout_s=PATIENCE_S)
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def answer(body: bytes, status: str = "200 OK") -> Callable[[socket.socket], None]:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return lambda connection: connection.sendall(head + body)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_no_socket_means_not_running(path):
    with pytest.raises(NotRunningError, match="not running") as caught:
        ControlClient(path).status()
    assert str(path) in caught.value.title
    assert "offramp serve" in caught.value.hint


def test_socket_of_a_dead_daemon_means_not_running(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
    client = ControlClient(path, gap_s=0.1)
    for ask in (client.status, client.events):
        with pytest.raises(NotRunningError):
            ask()


def test_daemon_that_takes_a_dead_ones_place_is_waited_for(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    got: list[Status] = []
    asking = threading.Thread(target=lambda: got.append(ControlClient(path, gap_s=20).status()))
    asking.start()
    successor = path.with_name("t")
    with daemon(successor, answer(api.encode(STATUS))):
        successor.replace(path)
        asking.join(20)
    assert got == [STATUS]


def test_request_that_a_leaving_daemon_did_not_answer_is_asked_of_the_next(path):
    asked: list[socket.socket] = []
    answer_well = answer(api.encode(CommandAnswer(status=STATUS)))

    def answer_the_second(connection: socket.socket) -> None:
        asked.append(connection)
        if len(asked) > 1:
            answer_well(connection)

    with daemon(path, answer_the_second) as client:
        assert client.pause().status == STATUS
    assert len(asked) == 2


def test_drain_is_never_asked_twice(path):
    asked: list[socket.socket] = []
    with (
        daemon(path, asked.append) as client,
        pytest.raises(ControlError, match="broke off"),
    ):
        client.drain()
    assert len(asked) == 1


def test_folder_that_is_closed_to_us_is_no_permission(tmp_path, path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        tmp_path.chmod(0)
        try:
            with without_root(), pytest.raises(ControlError, match="No permission"):
                ControlClient(path).status()
        finally:
            tmp_path.chmod(0o700)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's socket")
def test_socket_of_another_user_is_not_trusted(tmp_path, path):
    open_to_others(tmp_path)
    with daemon(path, answer(api.encode(STATUS))) as client:
        path.chmod(0o666)
        with without_root(), pytest.raises(ControlError, match="No permission"):
            client.status()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("given", [("a",), ("a", "b"), ("b",), ("link",)])
def test_root_trusts_no_socket_that_another_user_may_have_made(tmp_path, given):
    """`a` is the folder and `b` the socket in it, to which `link` leads."""
    asked: list[socket.socket] = []
    names = {"a": tmp_path / "a", "b": tmp_path / "a" / "b", "link": tmp_path / "a" / "link"}
    names["a"].mkdir()
    with daemon(names["b"], asked.append):
        names["link"].symlink_to("b")
        for name in given:
            os.lchown(names[name], 65534, 65534)
        client = ControlClient(names["link" if "link" in given else "b"])
        with pytest.raises(ControlError, match="No permission") as refused:
            client.status()
    assert "root" in refused.value.hint
    assert not asked


def test_daemon_that_does_not_answer_is_given_up(path):
    go_on = threading.Event()
    with daemon(path, lambda _connection: go_on.wait() and None):
        with pytest.raises(ControlError, match=r"within 0\.1 s"):
            ControlClient(path, timeout_s=0.1).status()
        go_on.set()


def test_connection_that_breaks_off_is_said(path):
    with (
        daemon(path, lambda _connection: None),
        pytest.raises(ControlError, match="broke off"),
    ):
        ControlClient(path, gap_s=0.1).status()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"protocol":1}', b'{"pid":1}'])
def test_answer_that_is_not_ours_is_said(path, body):
    with (
        daemon(path, answer(body)) as client,
        pytest.raises(ControlError, match="can't be understood"),
    ):
        client.status()


@pytest.mark.parametrize(
    ("protocol", "hint"), [(0, "older: restart it"), (2, "newer: use the offramp")]
)
def test_other_protocol_says_which_side_to_renew(path, protocol, hint):
    body = api.encode(ControlAnswer(protocol=protocol, version="3.4.5"))
    for status in ("200 OK", "404 Not Found"):
        with daemon(path, answer(body, status)) as client:
            for ask in (client.status, client.pause):
                with pytest.raises(OtherVersionError, match=r"3\.4\.5") as caught:
                    ask()
                assert hint in caught.value.hint
        path.unlink()


def test_refusal_is_shown_in_the_daemons_words(path):
    body = api.encode(CommandRefusal(title="It knows no GET /events.", hint="Renew it."))
    with (
        daemon(path, answer(body, "404 Not Found")) as client,
        pytest.raises(ControlError, match="It knows no") as caught,
    ):
        client.events()
    assert caught.value.hint == "Renew it."


def chunked(*pieces: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def test_stream_yields_each_status_and_ends_with_the_daemon(path):
    line = api.encode(STATUS) + b"\n"
    pieces = (line, b"\n", line[:20], line[20:] + b"\n" + line, line[:30])
    with (
        daemon(path, lambda connection: connection.sendall(chunked(*pieces))) as client,
        contextlib.closing(client.events()) as stream,
    ):
        assert list(stream) == [STATUS] * 3


def test_stream_that_is_closed_from_another_thread_ends(path):
    go_on = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(chunked(api.encode(STATUS) + b"\n"))
        go_on.wait()

    with daemon(path, serve) as client:
        stream = client.events()
        statuses = iter(stream)
        assert next(statuses) == STATUS
        closing = threading.Timer(0.05, stream.close)
        closing.start()
        assert list(statuses) == []
        closing.join()
        stream.close()
        go_on.set()


def test_socket_in_a_deep_folder_gets_a_short_name_of_its_own(tmp_path):
    deep = [Paths.under(tmp_path / (letter * 120)).control_socket for letter in "ab"]
    assert deep[0] != deep[1]
    assert deep[0] == Paths.under(tmp_path / ("a" * 120)).control_socket
    for short in deep:
        assert len(os.fsencode(short)) <= 100
        assert short.parent.name == f"offramp-{os.geteuid()}"
    home = Paths.under(tmp_path.parents[1])
    assert home.control_socket == home.runtime_dir / "control.sock"
