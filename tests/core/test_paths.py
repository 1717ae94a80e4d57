"""Where files belong, whatever the session offers."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from offramp_core import control_place
from offramp_core.paths import Paths


def test_private_session_folder_is_used_on_linux_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    on_linux = Paths.for_user(environ, platform="linux")
    on_macos = Paths.for_user(environ, platform="darwin")
    assert on_linux.runtime_dir == tmp_path / "offramp"
    assert on_macos.runtime_dir == on_macos.data_dir / "run"


@pytest.mark.parametrize("session", ["", "/no/such/folder", "bad\0name"])
def test_without_a_session_folder_our_own_data_folder_serves_without_a_word(session: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = Paths.for_user({"XDG_RUNTIME_DIR": session})
    assert paths.runtime_dir == paths.data_dir / "run"


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_session_folder_that_others_can_enter_is_left_alone(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    paths = Paths.for_user({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert paths.runtime_dir == paths.data_dir / "run"


def test_home_variable_puts_all_folders_below_it(tmp_path: Path) -> None:
    paths = Paths.for_user({"OFFRAMP_HOME": str(tmp_path)}, is_demo=True)
    for folder in (
        *(paths.config_dir, paths.data_dir, paths.diagnostics_dir),
        *(paths.runtime_dir, paths.cache_dir),
    ):
        assert folder.parent == tmp_path / "demo"
    assert os.fspath(paths.control_socket).endswith(".sock")


def test_what_can_be_made_again_is_in_the_systems_cache_folder_and_not_with_the_history() -> None:
    paths, demo = Paths.for_user({}), Paths.for_user({}, is_demo=True)
    assert paths.cache_dir in paths.folded_months.parents
    assert not paths.folded_months.is_relative_to(paths.data_dir)
    assert paths.folded_months != demo.folded_months
    assert paths.charts_selection_file.parent == paths.data_dir


HOMES = ({}, {"HOME": "/home/somebody"}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": "/"})
PLACES = (
    {},
    {"XDG_DATA_HOME": "/data"},
    {"XDG_DATA_HOME": "not/absolute"},
    {"XDG_RUNTIME_DIR": "/no/such/folder"},
    {"OFFRAMP_HOME": "/portable"},
    {"OFFRAMP_HOME": "~/offramp/"},
    {"OFFRAMP_HOME": "relative"},
    {"OFFRAMP_HOME": "/long/" + "folder/" * 20},
    {"OFFRAMP_HOME": "/long//" + "folder/./" * 20},
    {"OFFRAMP_HOME": "///long/" + "folder/" * 20},
    {"OFFRAMP_HOME": "//long/../" + "folder/" * 20},
    {"OFFRAMP_HOME": "./long/" + "folder/" * 20},
    {"XDG_DATA_HOME": "/long//" + "folder/" * 20},
    {"OFFRAMP_HOME": ""},
)


@pytest.mark.parametrize("is_demo", [False, True])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("home", HOMES)
def test_status_line_looks_for_the_socket_where_the_daemon_puts_it(
    monkeypatch: pytest.MonkeyPatch, home: dict[str, str], place: dict[str, str], is_demo: bool
) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "OFFRAMP_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**home, **place}.items():
        monkeypatch.setenv(name, value)
    expected = Paths.for_user(os.environ, is_demo=is_demo).control_socket
    assert Path(control_place.control_socket(os.environ, is_demo=is_demo)) == expected


@pytest.mark.parametrize("mode", [0o700, 0o750])
def test_status_line_takes_the_sessions_folder_as_the_daemon_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    tmp_path.chmod(mode)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("OFFRAMP_HOME", raising=False)
    expected = Paths.for_user(os.environ).control_socket
    assert Path(control_place.control_socket(os.environ)) == expected


def test_status_line_looks_in_the_library_on_macos() -> None:
    environ = {"HOME": "/Users/somebody", "XDG_RUNTIME_DIR": "/tmp"}
    found = control_place.control_socket(environ, platform="darwin")
    assert found == "/Users/somebody/Library/Application Support/offramp/run/control.sock"
