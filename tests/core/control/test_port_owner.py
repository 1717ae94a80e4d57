"""Who holds a port, found out where the system tells."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from daemon_process import free_port

from offramp_core.control import port_owner
from offramp_core.control.port_owner import Holder

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[int]:
    """Somebody who answers every GET with `body`; the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_offramp_tells_who_it_is_and_since_when():
    told = {"service": "offramp", "pid": 77, "uptime_s": 3600, "version": "0.1.0\x1b[31m"}
    with answering(json.dumps(told).encode()) as port:
        holder = port_owner.find("localhost", port)
    assert holder is not None
    assert (holder.pid, holder.name, holder.is_offramp) == (77, "offramp", True)
    assert holder.since is not None
    assert abs(datetime.now(UTC) - timedelta(hours=1) - holder.since) < timedelta(seconds=30)
    assert holder.version == "0.1.0??31m"


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize("body", [b"", b"[]", b'{"service":"other"}', b'{"service":"offramp"}'])
def test_other_program_is_named_by_the_system(body):
    with answering(body) as port:
        holder = port_owner.find("127.0.0.1", port)
    assert holder is not None
    assert (holder.pid, holder.is_offramp, holder.since) == (os.getpid(), False, None)
    assert holder.name


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_program_that_says_nothing_is_named_too():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as silent:
        holder = port_owner.find("::1", silent.getsockname()[1], patience_s=0.05)
    assert holder is not None
    assert holder.pid == os.getpid()


def test_free_port_has_no_holder(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("head\n  0: torn\n")
    port = free_port()
    assert port_owner.find("127.0.0.1", port, proc=tmp_path) is None


def test_process_whose_files_cannot_be_seen_is_passed_over(tmp_path):
    line = "0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(f"head\n{line}\n")
    (tmp_path / "31").mkdir()
    assert port_owner.find("192.0.2.1", 0x0BB9, proc=tmp_path) is None
    (tmp_path / "32" / "fd").mkdir(parents=True)
    (tmp_path / "32" / "fd" / "5").symlink_to("socket:[4242]")
    (tmp_path / "32" / "comm").write_text("nginx: \x1b]0;x\n")
    assert port_owner.find("192.0.2.1", 0x0BB9, proc=tmp_path) == Holder(
        pid=32, name="nginx????0?x"
    )


def test_lsofs_lines_are_read():
    assert port_owner.read_lsof("p501\ncnode\nf23\np502\ncruby\n") == Holder(pid=501, name="node")
    assert port_owner.read_lsof("") is None
    assert port_owner.read_lsof("cnode\n") is None


def test_lsof_finds_a_program_or_nothing(tmp_path, monkeypatch):
    fake = tmp_path / "lsof"
    fake.write_text('#!/bin/sh\necho "$@" > "$0.asked"\necho p12\necho cControlCenter\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = port_owner.find("192.0.2.1", 5000, proc=tmp_path)
    assert found == Holder(pid=12, name="ControlCenter")
    assert (tmp_path / "lsof.asked").read_text() == "-nP -iTCP:5000 -sTCP:LISTEN -Fpc\n"
    fake.write_text("#!/bin/sh\nexit 1\n")
    assert port_owner.find("192.0.2.1", 5000, proc=tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert port_owner.find("192.0.2.1", 5000, proc=tmp_path) is None
