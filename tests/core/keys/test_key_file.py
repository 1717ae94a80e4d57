"""The key file: private, whole, and never the reason that something else fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from offramp_core.errors import OfframpError
from offramp_core.keys import key_file
from offramp_core.paths import Paths
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from pathlib import Path

KEY = Secret("0123456789abcdef0123456789abcdef.AbCdEfGh12345678")
OTHER = Secret("fedcba98765432100123456789abcdef.HgFeDcBa87654321")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Paths.under(tmp_path).keys_file


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_no_file_is_no_keys(file: Path) -> None:
    assert key_file.read(file) == key_file.KeyFile()
    assert key_file.remove(file, "zai") is None
    assert not file.exists()


def test_what_is_put_is_read_and_private(file: Path) -> None:
    file.parent.mkdir(mode=0o755)
    key_file.put(file, "zai", place="file", key=KEY)
    key_file.put(file, "other", place="keyring")
    keys = key_file.read(file).keys
    assert (keys["zai"].place, keys["zai"].key) == ("file", KEY)
    assert (keys["other"].place, keys["other"].key) == ("keyring", None)
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert list(file.parent.iterdir()) == [file]


def test_key_stored_anew_differs_though_it_is_the_same(file: Path) -> None:
    key_file.put(file, "zai", place="keyring")
    first = key_file.read(file).keys["zai"]
    key_file.put(file, "zai", place="keyring")
    assert key_file.read(file).keys["zai"].stored != first.stored


def test_file_goes_with_its_last_key(file: Path) -> None:
    key_file.put(file, "zai", place="file", key=KEY)
    key_file.put(file, "other", place="file", key=OTHER)
    removed = key_file.remove(file, "zai")
    assert removed is not None
    assert removed.key == KEY
    assert list(key_file.read(file).keys) == ["other"]
    key_file.remove(file, "other")
    assert not file.exists()


@pytest.mark.parametrize("wide", [0o644, 0o640, 0o604])
def test_permissions_that_let_others_read_are_mended_and_told(file: Path, wide: int) -> None:
    key_file.put(file, "zai", place="file", key=KEY)
    file.chmod(wide)
    (note,) = key_file.read(file).notes
    assert f"{wide:04o}" in note
    assert str(file) in note
    assert mode(file) == 0o600
    assert key_file.read(file).notes == ()


def test_file_is_private_at_no_moment_less_when_a_key_is_put(file: Path) -> None:
    key_file.put(file, "zai", place="keyring")
    file.chmod(0o644)
    key_file.put(file, "zai", place="file", key=KEY)
    assert mode(file) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"version": 1, "keys": {"zai": {"place": "cellar"}}}',
        '{"version": 1, "keys": {"zai": {"place": "file", "key": ["' + KEY.reveal() + '"]}}}',
        '{"version": 1, "keys": {"zai": "' + KEY.reveal() + '"}',
        "\udcff" + KEY.reveal(),
        "[" * 100_000,
    ],
)
def test_damaged_file_gives_a_note_without_its_content(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode(errors="surrogateescape"))
    found = key_file.read(file)
    assert not found.keys
    notes = "".join(found.notes)
    assert f"{file} is damaged" in notes
    assert "offramp key set" in notes
    assert "abcdef" not in notes
    with pytest.raises(OfframpError) as caught:
        key_file.put(file, "zai", place="file", key=KEY)
    assert caught.value.__context__ is None
    assert file.read_bytes() == content.encode(errors="surrogateescape")


def test_file_of_a_newer_version_is_left_alone(file: Path) -> None:
    file.parent.mkdir(parents=True)
    content = json.dumps({"version": 2, "keys": {"zai": {"place": "enclave"}}})
    file.write_text(content)
    assert "newer Offramp" in key_file.read(file).notes[-1]
    with pytest.raises(OfframpError, match="newer Offramp"):
        key_file.put(file, "zai", place="file", key=KEY)
    assert file.read_text() == content


def test_folder_in_its_place_is_said(file: Path) -> None:
    file.mkdir(parents=True)
    file.chmod(0o700)
    (note,) = key_file.read(file).notes
    assert "is not a file" in note


def test_entry_shows_no_key(file: Path) -> None:
    key_file.put(file, "zai", place="file", key=KEY)
    assert KEY.reveal() not in repr(key_file.read(file))
