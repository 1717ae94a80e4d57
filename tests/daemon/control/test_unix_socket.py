"""The control socket's file: who may reach it, whose it is, and what a dead daemon leaves."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from offramp_core.errors import OfframpError
from offramp_daemon.control import unix_socket
from offramp_daemon.control.unix_socket import SocketBusyError


def modes(path) -> tuple[int, int]:
    return stat.S_IMODE(path.parent.stat().st_mode), stat.S_IMODE(path.stat().st_mode)


def test_socket_and_folder_are_the_users_alone(tmp_path):
    path = tmp_path / "run" / "control.sock"
    claimed = unix_socket.claim(path)
    assert modes(path) == (0o700, 0o600)
    claimed.release()
    assert not path.exists()


def test_folder_that_is_open_to_others_is_closed(tmp_path):
    path = tmp_path / "run" / "control.sock"
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o777)
    with unix_socket.claim(path).listener:
        assert modes(path) == (0o700, 0o600)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_folder_of_another_user_is_not_used(tmp_path):
    path = tmp_path / "run" / "control.sock"
    path.parent.mkdir()
    os.chown(path.parent, 65534, 65534)
    with pytest.raises(OfframpError, match="another user"):
        unix_socket.claim(path)


@pytest.mark.parametrize("kind", ["socket", "file"])
def test_what_a_dead_daemon_left_is_replaced(tmp_path, kind):
    path = tmp_path / "control.sock"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(os.fspath(path))
    else:
        path.write_text("")
    with unix_socket.claim(path).listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))


def test_live_daemons_socket_is_left_alone(tmp_path):
    path = tmp_path / "control.sock"
    with unix_socket.claim(path).listener as listener:
        with pytest.raises(SocketBusyError, match="Another Offramp"):
            unix_socket.claim(path)
        listener.setblocking(True)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.fspath(path))
            listener.accept()[0].close()  # the probe
            listener.accept()[0].close()


def test_release_leaves_the_successors_socket(tmp_path):
    path = tmp_path / "control.sock"
    first = unix_socket.claim(path)
    first.listener.close()
    second = unix_socket.claim(path)
    first.release()
    assert path.exists()
    second.release()
    assert not path.exists()


def test_socket_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OfframpError, match="can't be created") as caught:
        unix_socket.claim(tmp_path / "file" / "control.sock")
    assert "Requests are served" in caught.value.hint


def test_socket_that_is_handed_over_keeps_its_name_until_the_next_daemon_has_it(tmp_path):
    """So that a client knows that one is to come."""
    path = tmp_path / "control.sock"
    unix_socket.claim(path).abandon()
    assert path.exists()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(os.fspath(path))
    with unix_socket.claim(path).listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["control.live.lock", "control.lock", "control.sock"]


def test_rest_of_a_claim_that_died_half_way_is_no_hindrance(tmp_path):
    path = tmp_path / "control.sock"
    path.with_name("control.sock.n").write_text("")
    with unix_socket.claim(path).listener:
        assert path.is_socket()


def refuse_connections(path) -> None:
    """Have connections to `path` refused though its daemon lives, as macOS does if it is busy."""
    path.unlink()
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(os.fspath(path))


def test_live_daemon_whose_queue_is_full_keeps_its_socket(tmp_path):
    path = tmp_path / "control.sock"
    claimed = unix_socket.claim(path)
    refuse_connections(path)
    with pytest.raises(SocketBusyError, match="Another Offramp"):
        unix_socket.claim(path)
    claimed.abandon()
    unix_socket.claim(path).release()


def test_release_leaves_a_successors_socket_whose_queue_is_full(tmp_path):
    path = tmp_path / "control.sock"
    first = unix_socket.claim(path)
    first.listener.close()
    with unix_socket.claim(path).listener:
        refuse_connections(path)
        first.release()
        assert path.exists()


def test_daemon_that_was_killed_leaves_no_lock(tmp_path):
    path = tmp_path / "control.sock"
    code = (
        "import os, sys, pathlib; from offramp_daemon.control import unix_socket;"
        "unix_socket.claim(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run((sys.executable, "-c", code, os.fspath(path)), check=False)
    assert ended.returncode == -signal.SIGKILL
    unix_socket.claim(path).release()
    assert not path.exists()


def test_child_of_the_daemon_does_not_keep_its_lock(tmp_path):
    path = tmp_path / "control.sock"
    claimed = unix_socket.claim(path)
    with subprocess.Popen(("cat",), stdin=subprocess.PIPE) as child:
        claimed.abandon()
        unix_socket.claim(path).release()
        child.communicate()


def test_daemon_of_an_older_version_without_a_lock_keeps_its_socket(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as older:
        older.bind(os.fspath(path))
        older.listen()
        with pytest.raises(SocketBusyError):
            unix_socket.claim(path)
        assert path.is_socket()
