"""Sockets that systemd or launchd pass on: taken over, refused where they can't be used."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import SOURCES
from patience import PATIENCE_S

from offramp_daemon.supervisor import socket_activation
from offramp_daemon.supervisor.socket_activation import ActivationError

if TYPE_CHECKING:
    from pathlib import Path

STUB = r"""
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int freed;
static void *handed;

int launch_activate_socket(const char *name, int **fds, size_t *count) {
    const char *code = getenv("STUB_CODE"), *first = getenv("STUB_FD");
    if (code) return atoi(code);
    if (strcmp(name, "Listeners") != 0) return ENOENT;
    *count = 1;
    *fds = handed = malloc(sizeof(int));
    (*fds)[0] = atoi(first);
    return 0;
}

void stub_free(void *given) { freed = given == handed; (free)(given); }
int was_freed(void) { return freed; }
"""

PASS_ON = """
import os, sys
from offramp_daemon.supervisor import socket_activation as activation
activation.renumber([int(each) for each in sys.argv[2:]])
environ = activation.environment_for(os.environ, len(sys.argv[2:]), os.getpid())
os.execve(sys.executable, [sys.executable, "-c", sys.argv[1]], environ)
"""

TAKE_OVER = """
import os
from offramp_daemon.supervisor import socket_activation as activation
got = activation.inherited(os.environ, os.getpid())
print([each.getsockname()[1] for each in got])
print([(each.fileno(), os.get_inheritable(each.fileno())) for each in got])
print([name for name in os.environ if name.startswith("LISTEN")])
for each in got:
    each.close()
"""


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_sockets_are_passed_on_by_systemds_protocol(listener):
    """Also where one of them stands in the place that another one is to have."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        opened = sorted((listener, other), key=socket.socket.fileno, reverse=True)
        numbers = [each.fileno() for each in opened]
        done = subprocess.run(
            [sys.executable, "-c", PASS_ON, TAKE_OVER, *map(str, numbers)],
            pass_fds=numbers,
            env={**os.environ, "PYTHONPATH": SOURCES, "LISTEN_FDNAMES": "old"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        ports = [each.getsockname()[1] for each in opened]
    assert done.stdout.splitlines() == [str(ports), "[(3, False), (4, False)]", "[]"]


@pytest.mark.parametrize("pid", ["1", "", "x"])
def test_sockets_of_another_process_are_left_alone(pid):
    environ = {"LISTEN_FDS": "2", "LISTEN_PID": pid, "LISTEN_FDNAMES": "a:b", "HOME": "/h"}
    assert socket_activation.inherited(environ, 7) == []
    assert environ == {"HOME": "/h"}


def test_nothing_passed_on_is_no_error():
    assert socket_activation.inherited({}, 7) == []


@pytest.mark.parametrize("count", ["x", "-1", "", "²"])
def test_count_that_is_none_is_refused(count):
    with pytest.raises(ActivationError, match="LISTEN_FDS") as caught:
        socket_activation.inherited({"LISTEN_FDS": count, "LISTEN_PID": "7"}, 7)
    assert "offramp serve" in caught.value.hint


def test_what_is_no_listening_socket_is_refused_with_its_number(tmp_path):
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(ActivationError, match=f"Descriptor {file.fileno()} "):
            socket_activation.adopt([file.fileno()])
        file.write("still open")
    with (
        socket.socket(socket.AF_UNIX) as other,
        pytest.raises(ActivationError, match="not a TCP socket"),
    ):
        socket_activation.adopt([other.fileno()])
    with pytest.raises(ActivationError):
        socket_activation.adopt([9999])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a socket listens")
def test_socket_that_does_not_listen_is_refused():
    with socket.socket() as idle:
        with pytest.raises(ActivationError, match="does not listen"):
            socket_activation.adopt([idle.fileno()])
        idle.getsockname()  # still the caller's


@pytest.fixture(scope="session")
def stub(tmp_path_factory) -> Path:
    """A library with launchd's call, which notes whether what it gave was freed."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    folder = tmp_path_factory.mktemp("stub")
    (folder / "stub.c").write_text(STUB, encoding="utf-8")
    library: Path = folder / "stub.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "stub.c")]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    return library


class Library:
    """The stub, its `free` the one that notes."""

    def __init__(self, path: Path) -> None:
        self._stub = ctypes.CDLL(str(path))
        self.launch_activate_socket = self._stub.launch_activate_socket
        self.free = self._stub.stub_free

    def was_freed(self) -> bool:
        return bool(self._stub.was_freed())


def test_launchds_sockets_are_taken_and_its_array_freed(stub, listener, monkeypatch):
    handed = os.dup(listener.fileno())
    os.set_inheritable(handed, True)
    monkeypatch.setenv("STUB_FD", str(handed))
    library = Library(stub)
    (found,) = socket_activation.from_launchd(library)
    with found:
        assert found.getsockname() == listener.getsockname()
        assert not found.getblocking()
        assert not os.get_inheritable(handed)
    assert library.was_freed()


def test_outside_of_launchd_there_are_none(stub, monkeypatch):
    monkeypatch.setenv("STUB_CODE", str(errno.ESRCH))
    assert socket_activation.from_launchd(Library(stub)) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOENT, "no sockets of the name Listeners"), (errno.EALREADY, "already taken")],
)
def test_launchd_that_refuses_is_said_with_the_cure(stub, monkeypatch, code, words):
    monkeypatch.setenv("STUB_CODE", str(code))
    with pytest.raises(ActivationError, match=words) as caught:
        socket_activation.from_launchd(Library(stub))
    assert f"error {code}" in caught.value.title
    assert "offramp install" in caught.value.hint


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has the call")
def test_system_without_launchd_has_none():
    assert socket_activation.from_launchd() == []
