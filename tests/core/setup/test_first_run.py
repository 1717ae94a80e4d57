"""When the set-up window is due: only where nothing at all is set up, and only once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from control_harness import Commands
from proxy_harness import ZAI_KEY, settings_for
from running_app import running_app

from offramp_core.claude_settings import undo_state
from offramp_core.claude_settings.undo_state import Connection
from offramp_core.config import example
from offramp_core.keys import key_file
from offramp_core.paths import Paths
from offramp_core.settings import Secret
from offramp_core.setup import first_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path)


def write_config(paths: Paths) -> None:
    example.create_if_missing(paths.config_file)


def write_broken_env(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.env_file.write_text("PORT=many\n")


def write_env_key(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.env_file.write_text(f"ZAI_API_KEY={ZAI_KEY}\n")


def store_in_file(paths: Paths) -> None:
    key_file.put(paths.keys_file, "zai", place="file", key=Secret(ZAI_KEY))


def store_in_keyring(paths: Paths) -> None:
    key_file.put(paths.keys_file, "zai", place="keyring")


def connect(paths: Paths) -> None:
    file = paths.config_dir / "settings.json"
    connection = Connection(file=str(file), url="http://localhost:3001", made="file")
    undo_state.remember(paths.claude_code_file, file, connection)


def damage_connection(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.claude_code_file.write_text("{")


def link_config(paths: Paths) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.config_file.symlink_to("dotfiles-that-are-not-mounted.toml")


def test_nothing_set_up_is_due(paths: Paths) -> None:
    assert first_run.is_due(paths, {})


def test_offered_once_is_not_due_again(paths: Paths) -> None:
    first_run.mark_offered(paths)
    first_run.mark_offered(paths)
    assert not first_run.is_due(paths, {})


@pytest.mark.parametrize(
    "prepare",
    [
        write_config,
        write_broken_env,
        write_env_key,
        store_in_file,
        store_in_keyring,
        connect,
        damage_connection,
        link_config,
    ],
)
def test_anything_set_up_is_not_due(paths: Paths, prepare: Callable[[Paths], None]) -> None:
    prepare(paths)
    assert not first_run.is_due(paths, {})


def test_key_in_the_environment_is_not_due(paths: Paths) -> None:
    assert not first_run.is_due(paths, {"ZAI_API_KEY": ZAI_KEY})


def test_disconnected_again_is_due(paths: Paths) -> None:
    connect(paths)
    undo_state.remember(paths.claude_code_file, paths.config_dir / "settings.json", None)
    assert first_run.is_due(paths, {})


async def test_daemon_with_a_key_of_its_own_is_not_due(tmp_path: Path) -> None:
    settings = settings_for("http://127.0.0.1:9", "http://127.0.0.1:9")
    async with running_app(tmp_path, settings) as running:
        await Commands(running.paths).until_there()
        assert not await asyncio.to_thread(first_run.is_due, running.paths, {})


def test_folder_that_can_not_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the folder's place")
    paths = Paths.under(tmp_path)
    first_run.mark_offered(paths)
    assert first_run.is_due(paths, {})
