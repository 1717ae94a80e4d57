"""Projects by the names of Claude Code's files: paths that can be told, and those that can't."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.usage import projects
from offramp_core.usage.projects import ProjectFinder

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "758302bc-c174-45a3-a95b-8db05b091fa1"


def keep_session(home: Path, folder: str, session: str = SESSION) -> None:
    """Make the file that Claude Code keeps for a session in the project called `folder`."""
    kept = home / ".claude" / "projects" / folder
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{session}.jsonl").write_text("{}\n")


def finder(home: Path) -> ProjectFinder:
    return ProjectFinder(home / ".claude", home)


@pytest.mark.parametrize(
    "name", ["app", "my-app", "my.app", "a_b c", "naïve", "🙂x", "--x--", ".x"]
)
def test_project_on_this_disk_is_shown_by_its_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "code" / name).mkdir(parents=True)
    keep_session(tmp_path, projects.folder_name(f"{tmp_path}/code/{name}"))
    assert finder(tmp_path).find() == {SESSION: f"~/code/{name}"}


def test_project_that_is_gone_keeps_its_folders_name(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    folder = projects.folder_name(f"{tmp_path}/code/gone")
    keep_session(tmp_path, folder)
    assert finder(tmp_path).find() == {SESSION: folder}


def test_path_with_the_fewest_folders_wins_where_several_fit(tmp_path: Path) -> None:
    (tmp_path / "my" / "app").mkdir(parents=True)
    folder = projects.folder_name(f"{tmp_path}/my/app")
    assert projects.path_of(folder) == f"{tmp_path}/my/app"
    (tmp_path / "my-app").mkdir()
    assert projects.path_of(folder) == f"{tmp_path}/my-app"


def test_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    assert projects.path_of(projects.folder_name(f"{tmp_path}/notes")) is None


def test_home_itself_is_a_project(tmp_path: Path) -> None:
    keep_session(tmp_path, projects.folder_name(str(tmp_path)))
    assert finder(tmp_path).find() == {SESSION: "~"}


def test_long_path_is_found_by_its_checksum(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["folder-with-a-long-name"] * 8)
    (deep / "one").mkdir(parents=True)
    (deep / "two").mkdir()
    names = {projects.folder_name(str(deep / name)) for name in ("one", "two")}
    assert len(names) == 2
    for name in ("one", "two"):
        assert projects.path_of(projects.folder_name(str(deep / name))) == str(deep / name)


def test_folders_name_is_the_one_that_claude_code_makes() -> None:
    """The checksums are what JavaScript gives for these paths."""
    assert projects.folder_name("/tmp/cc.d/my_proj") == "-tmp-cc-d-my-proj"
    assert projects.folder_name("/" + "é" * 250) == "-" * 201 + "5hvcwf"
    assert projects.folder_name("/" + "🙂" * 150) == "-" * 201 + "5d5e3h"


def test_new_session_is_seen_at_the_next_look(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    folder = projects.folder_name(f"{tmp_path}/app")
    keep_session(tmp_path, folder)
    looking = finder(tmp_path)
    assert len(looking.find()) == 1
    keep_session(tmp_path, folder, "second")
    os.utime(tmp_path / ".claude" / "projects" / folder, ns=(1, 1))
    assert looking.find()["second"] == "~/app"


def test_nothing_is_found_where_claude_code_keeps_nothing(tmp_path: Path) -> None:
    assert finder(tmp_path).find() == {}
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "projects").write_text("a file")
    assert finder(tmp_path).find() == {}


def test_files_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    folder = projects.folder_name(f"{tmp_path}/app")
    keep_session(tmp_path, folder)
    kept = tmp_path / ".claude" / "projects" / folder
    os.mkfifo(kept / "pipe.jsonl")  # to open it would wait for good
    assert set(finder(tmp_path).find()) == {SESSION, "pipe"}


@given(st.text(min_size=1, max_size=300))
def test_any_path_has_a_name_of_letters_digits_and_dashes(path: str) -> None:
    name = projects.folder_name(path)
    assert name.isascii()
    assert all(character.isalnum() or character == "-" for character in name)
    assert len(name) <= 200 + 1 + 6
