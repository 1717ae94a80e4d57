"""Folders that are made are private, and only the user's own files are opened."""

import os
import stat
from pathlib import Path

import pytest

from offramp_core import private_files

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT


@pytest.fixture(params=[0o000, 0o002, 0o022], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_missing_parents_are_made_as_private_as_the_folder(tmp_path):
    private_files.make_folder(tmp_path / "a" / "b" / "c")

    assert [mode_of(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_folder_that_exists_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)

    private_files.make_folder(tmp_path / "new")

    assert mode_of(tmp_path) == 0o755


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "taken").touch()

    with pytest.raises(NotADirectoryError):
        private_files.make_folder(tmp_path / "taken")


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_readable_by_its_owner_only(tmp_path):
    os.close(private_files.open_file(tmp_path / "new", APPEND))

    assert mode_of(tmp_path / "new") == 0o600


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(b"mine\n")
    (tmp_path / "log").symlink_to(target)

    with pytest.raises(PermissionError, match="it is a link"):
        private_files.open_file(tmp_path / "log", APPEND)

    assert target.read_bytes() == b"mine\n"


def test_a_dangling_link_makes_no_file_where_it_leads(tmp_path):
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PermissionError, match="it is a link"):
        private_files.open_file(tmp_path / "log", APPEND)

    assert not (tmp_path / "elsewhere").exists()


def test_a_pipe_in_the_place_of_the_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "log")

    with pytest.raises(PermissionError, match="not a file of yours"):
        private_files.open_file(tmp_path / "log", APPEND)


def test_a_second_name_of_a_file_is_refused_in_a_shared_folder(tmp_path):
    (tmp_path / "mine").write_bytes(b"x")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "log").hardlink_to(tmp_path / "mine")

    with pytest.raises(PermissionError, match="not a file of yours"):
        private_files.open_file(shared / "log", APPEND)


def test_a_second_name_is_a_file_as_any_other_in_a_folder_of_ones_own(tmp_path):
    (tmp_path / "backup").write_bytes(b"x")
    (tmp_path / "log").hardlink_to(tmp_path / "backup")

    os.close(private_files.open_file(tmp_path / "log", APPEND))


@pytest.mark.root
@needs_root
def test_another_users_file_in_a_shared_folder_is_refused(tmp_path):
    tmp_path.chmod(0o1777)
    planted = tmp_path / "log"
    planted.touch()
    os.chown(planted, 65534, 65534)

    with pytest.raises(PermissionError, match="not a file of yours"):
        private_files.open_file(planted, APPEND)


@pytest.mark.root
@needs_root
def test_a_file_system_that_shows_another_owner_everywhere_is_written_to(tmp_path):
    file = tmp_path / "log"
    file.touch()
    tmp_path.chmod(0o700)
    for each in (file, tmp_path):
        os.chown(each, 65534, 65534)

    os.close(private_files.open_file(file, APPEND))
