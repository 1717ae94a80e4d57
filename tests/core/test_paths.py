"""Where files belong, whatever the session offers."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest

from offramp_core.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path


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
