"""Which variables a login item sets, and where it listens."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import platformdirs
import platformdirs.macos
import platformdirs.unix
import pytest

from offramp_core.errors import OfframpError
from offramp_core.login_item import environment, sockets
from offramp_core.login_item.sockets import Address
from offramp_core.paths import Paths

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
    assert environment.needed(environ, HOME, FOLDER, platform="linux") == {
        "OFFRAMP_HOME": "/o",
        "CLAUDE_CONFIG_DIR": "/home/u/src/work/claude",
        "XDG_DATA_HOME": "/data/u",
    }


def test_daemon_sees_its_folders_and_nothing_else_of_the_shell() -> None:
    seen = environment.seen_by_daemon(
        {"HOME": "/home/u", "PORT": "4000", "XDG_RUNTIME_DIR": "/run/user/1"},
        {"OFFRAMP_HOME": "/o"},
        platform="linux",
    )
    assert seen == {"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/1", "OFFRAMP_HOME": "/o"}


SYSTEMS = {"linux": platformdirs.unix.Unix, "darwin": platformdirs.macos.MacOS}
MOVABLE = {
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
}


def _paths(
    environ: dict[str, str], platform: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Paths, Path]:
    """The folders that a process with `environ` uses, and its command socket."""
    for name in (*MOVABLE, "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(platformdirs, "PlatformDirs", SYSTEMS[platform])
    paths = Paths.for_user(environ, platform=platform)
    return paths, paths.control_socket


@pytest.mark.parametrize("platform", SYSTEMS)
@pytest.mark.parametrize("runtime", ["unset", "private"])
@pytest.mark.parametrize("moved", list(itertools.product(["unset", "default", "moved"], repeat=4)))
def test_shell_daemon_and_tray_agree_on_every_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    runtime: str,
    moved: tuple[str, ...],
) -> None:
    home = {"HOME": str(tmp_path)}
    shell = dict(home)
    for (name, default), state in zip(MOVABLE.items(), moved, strict=True):
        if state != "unset":
            shell[name] = str(tmp_path / default if state == "default" else tmp_path / f"x{name}")
    session = {}
    if runtime == "private":
        (tmp_path / "run").mkdir(mode=0o700)
        session = {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    # systemd gives its services the session's folder; launchd knows none.
    manager = home | (session if platform == "linux" else {})
    variables = environment.needed(shell, tmp_path, tmp_path, platform=platform)
    in_shell = _paths(shell | session, platform, monkeypatch)
    assert _paths(manager | variables, platform, monkeypatch) == in_shell
    seen = environment.seen_by_daemon(shell | session, variables, platform=platform)
    assert _paths(seen, platform, monkeypatch) == in_shell


@pytest.mark.parametrize("platform", SYSTEMS)
@pytest.mark.parametrize("name", MOVABLE)
@pytest.mark.parametrize(
    "value", [" ", "~/.config", "~/x", "rel/x", "./.config", " /x ", "{home}/", "{home}/x/../y"]
)
def test_shell_and_daemon_agree_where_a_folder_is_set_oddly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, name: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    home = {"HOME": str(tmp_path)}
    shell = home | {name: value.replace("{home}", str(tmp_path))}
    variables = environment.needed(shell, tmp_path, tmp_path, platform=platform)
    in_shell = _paths(shell, platform, monkeypatch)
    assert _paths(home | variables, platform, monkeypatch) == in_shell


@pytest.mark.parametrize("value", ["/a\nb", "/a\x00b", "/a\x1bb"])
def test_folder_that_no_file_can_name_is_refused(value: str) -> None:
    with pytest.raises(OfframpError, match="OFFRAMP_HOME contains a character"):
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
