"""Files of Offramp's own: replaced or made whole, or as they were."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from offramp_core import atomic_file
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_replaced_file_has_the_new_data_and_mode(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "state"
    file.write_bytes(b"old")
    atomic_file.replace(file, b"new", mode=mode)
    assert contents(tmp_path) == {"state": b"new"}
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize(("waits_for_disk", "synced"), [(True, 2), (False, 0)])
def test_replacing_waits_for_the_disk_where_the_data_has_to_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits_for_disk: bool, synced: int
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    atomic_file.replace(tmp_path / "state", b"new", waits_for_disk=waits_for_disk)
    assert contents(tmp_path) == {"state": b"new"}
    assert len(waited) == synced, "the file, and the folder that names it"


def test_replacing_that_is_called_off_leaves_the_old_file_only(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_bytes(b"old")

    def refuse() -> None:
        raise ValueError("somebody else changed it")

    with pytest.raises(ValueError, match="somebody else"):
        atomic_file.replace(file, b"new", check=refuse)
    assert contents(tmp_path) == {"state": b"old"}


def test_file_that_can_not_be_replaced_stays_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_file.replace(tmp_path / "state", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_created_file_is_its_owners_only(tmp_path: Path) -> None:
    atomic_file.create(tmp_path / "salt", b"data")
    assert contents(tmp_path) == {"salt": b"data"}
    assert stat.S_IMODE((tmp_path / "salt").stat().st_mode) == 0o600


def test_creating_a_file_that_is_there_leaves_it(tmp_path: Path) -> None:
    (tmp_path / "salt").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        atomic_file.create(tmp_path / "salt", b"new")
    assert contents(tmp_path) == {"salt": b"old"}


def test_loading_reads_no_more_than_asked(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"12345")
    assert atomic_file.load(tmp_path / "state", 3) == b"123"


@pytest.mark.parametrize("name", ["missing", "file/below"])
def test_loading_a_file_that_is_not_there_gives_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert atomic_file.load(tmp_path / name, 10) is None


def test_loading_a_pipe_raises_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a file"):
        atomic_file.load(tmp_path / "pipe", 10)


def test_what_can_be_written_is_known_beforehand(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert atomic_file.can_write(file)
    assert atomic_file.can_write(tmp_path / "new" / "folder" / "file")
    file.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert atomic_file.can_write(link)
    file.chmod(0o444)
    assert not atomic_file.can_write(link)
    link.unlink()
    link.symlink_to(link)
    assert not atomic_file.can_write(link)


def test_writing_through_links_in_a_circle_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(link)
    with pytest.raises(OfframpError, match="links lead in a circle"):
        atomic_file.write(link, b"new", before=None)
    assert link.is_symlink()


def test_file_that_its_owner_made_read_only_is_not_replaced_by_root_either(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o444)
    with pytest.raises(OfframpError, match="it is read-only"):
        atomic_file.write(file, b"new", before=b"old")
    assert contents(tmp_path) == {"file": b"old"}
