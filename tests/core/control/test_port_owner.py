"""Who holds a port, found out where the system tells."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from daemon_process import free_port

from offramp_core.control import port_owner
from offramp_core.control.port_owner import Holder, Listening

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
    text = "p501\ncnode\nf23\nn*:3001\nf24\nn[::1]:3001\np502\ncruby\nf3\nn127.0.0.1:3001\n"
    assert port_owner.read_lsof(text) == [
        Listening(pid=501, name="node", address="*"),
        Listening(pid=501, name="node", address="::1"),
        Listening(pid=502, name="ruby", address="127.0.0.1"),
    ]
    assert port_owner.read_lsof("") == []
    assert port_owner.read_lsof("cnode\nn*:3001\n") == []
    assert port_owner.read_lsof("pnone\ncnode\nn*:3001\n") == []


def test_lsof_finds_a_program_or_nothing(tmp_path, monkeypatch):
    fake = tmp_path / "lsof"
    fake.write_text(
        '#!/bin/sh\necho "$@" > "$0.asked"\necho p12\necho cControlCenter\necho "n*:5000"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = port_owner.find("192.0.2.1", 5000, proc=tmp_path)
    assert found == Holder(pid=12, name="ControlCenter")
    assert (tmp_path / "lsof.asked").read_text() == "-nP -iTCP:5000 -sTCP:LISTEN -Fpcn\n"
    fake.write_text("#!/bin/sh\nexit 1\n")
    assert port_owner.find("192.0.2.1", 5000, proc=tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert port_owner.find("192.0.2.1", 5000, proc=tmp_path) is None


NODE, OURS, RUBY = (
    Listening(pid=900, name="node", address="*"),
    Listening(pid=400, name="Python", address="127.0.0.1"),
    Listening(pid=500, name="ruby", address="::1"),
)


@pytest.mark.parametrize(
    ("host", "listings", "pid"),
    [
        ("127.0.0.1", [NODE, OURS, RUBY], 400),
        ("localhost", [NODE, RUBY, OURS], 400),
        ("::1", [OURS, RUBY, NODE], 500),
        ("::1", [OURS, NODE], 900),
        ("192.0.2.7", [OURS, NODE], 900),
        ("0.0.0.0", [OURS, RUBY], 400),
        ("127.0.0.1", [RUBY], 500),
    ],
)
def test_of_several_programs_the_one_that_connections_reach_is_named(host, listings, pid):
    holder = port_owner.reached_at(host, listings)
    assert holder is not None
    assert holder.pid == pid


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_program_at_the_asked_address_is_named_and_not_one_at_another(tmp_path):
    """Also where the other one has the smaller pid, as a daemon that started earlier has."""
    net = tmp_path / "net"
    net.mkdir()
    line = "0: {}:0BB9 0:0 0A 0:0 00:0 0 0 0 {} 1\n"
    ipv4, ipv6 = (
        "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
        for packed in (b"\x7f\0\0\x01", b"\0" * 15 + b"\x01")
    )
    (net / "tcp").write_text("head\n" + line.format(ipv4, 1))
    (net / "tcp6").write_text("head\n" + line.format(ipv6, 2) + line.format("0" * 32, 3))
    for pid, inode, name in ((10, 1, "offramp"), (20, 2, "ruby"), (30, 3, "node")):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "fd" / "5").symlink_to(f"socket:[{inode}]")
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
    found = [port_owner.find(host, 0x0BB9, proc=tmp_path) for host in ("127.0.0.1", "::1")]
    assert [each and each.name for each in found] == ["offramp", "ruby"]
    assert port_owner.find_beside(0x0BB9, proc=tmp_path) == Holder(pid=30, name="node")
    assert port_owner.find_beside(0x0BBA, proc=tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_program_at_an_ipv4_address_by_a_socket_of_ipv6_is_named(tmp_path, address):
    """As each one of Java's: the table of IPv6 has `::ffff:127.0.0.1`."""
    packed = bytes(10) + b"\xff\xff" + socket.inet_aton(address)
    digits = "".join(f"{word:08X}" for word in struct.unpack("=4I", packed))
    other = "".join(f"{word:08X}" for word in struct.unpack("=4I", b"\0" * 15 + b"\x01"))
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("head\n")
    line = "0: {}:0BB9 0:0 0A 0:0 00:0 0 0 0 {} 1\n"
    (tmp_path / "net" / "tcp6").write_text(
        "head\n" + line.format(other, 1) + line.format(digits, 2)
    )
    for pid, inode, program in ((10, 1, "ruby"), (20, 2, "java")):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "fd" / "5").symlink_to(f"socket:[{inode}]")
        (tmp_path / str(pid) / "comm").write_text(f"{program}\n")
    assert port_owner.find("127.0.0.1", 0x0BB9, proc=tmp_path) == Holder(pid=20, name="java")
    beside = port_owner.find_beside(0x0BB9, proc=tmp_path)
    assert (beside is not None) is (address == "0.0.0.0")
