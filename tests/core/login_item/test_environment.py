"""Which variables a login item sets, and where it listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from offramp_core.errors import OfframpError
from offramp_core.login_item import environment, sockets
from offramp_core.login_item.sockets import Address

HOME = Path("/home/u")
FOLDER = Path("/home/u/src")


def test_only_folders_away_from_their_default_are_kept() -> None:
    environ = {
        "HOME": "/home/u",
        "PATH": "/usr/bin",
        "ZAI_API_KEY": "secret",
        "HTTPS_PROXY": "http://user:password@proxy:1",
        "XDG_RUNTIME_DIR": "/run/user/1000",
        "XDG_CONFIG_HOME": "/home/u/.config/",
        "XDG_DATA_HOME": "/data/u",
        "XDG_STATE_HOME": "",
        "CLAUDE_CONFIG_DIR": "work/claude",
        "OFFRAMP_HOME": "/o",
    }
    assert environment.needed(environ, HOME, FOLDER) == {
        "OFFRAMP_HOME": "/o",
        "CLAUDE_CONFIG_DIR": "/home/u/src/work/claude",
        "XDG_DATA_HOME": "/data/u",
    }


def test_daemon_sees_its_folders_and_nothing_else_of_the_shell() -> None:
    seen = environment.seen_by_daemon(
        {"HOME": "/home/u", "PORT": "4000", "XDG_RUNTIME_DIR": "/run/user/1"},
        {"OFFRAMP_HOME": "/o"},
    )
    assert seen == {"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/1", "OFFRAMP_HOME": "/o"}


@pytest.mark.parametrize("value", ["/a\nb", "/a\x00b", "/a\x1bb"])
def test_folder_that_no_file_can_name_is_refused(value: str) -> None:
    with pytest.raises(OfframpError, match="OFFRAMP_HOME holds a character"):
        environment.needed({"OFFRAMP_HOME": value}, HOME, FOLDER)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_both_where_this_machine_has_both(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "has_ipv6_loopback", lambda: True)
    assert sockets.addresses(host, 3001) == (Address("127.0.0.1", 3001), Address("::1", 3001))
    monkeypatch.setattr(sockets, "has_ipv6_loopback", lambda: False)
    assert sockets.addresses(host, 3001) == (Address("127.0.0.1", 3001),)


def test_other_hosts_are_themselves() -> None:
    assert sockets.addresses("0.0.0.0", 1) == (Address("0.0.0.0", 1),)
    assert str(sockets.addresses("::", 3001)[0]) == "[::]:3001"
    assert str(sockets.addresses("192.0.2.1", 3001)[0]) == "192.0.2.1:3001"


def test_host_that_is_none_is_refused() -> None:
    with pytest.raises(OfframpError, match=r"Can't listen on 999\.1"):
        sockets.addresses("999.1.1.1", 3001)


def test_ipv6_loopback_is_found_by_trying() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        expected = True
    except OSError:
        expected = False
    assert sockets.has_ipv6_loopback() is expected
