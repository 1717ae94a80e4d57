"""Where keys go: into the keyring where it works, else into the file; and how they get out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from keyring_harness import NONE, FakeKeyring

from offramp_core.keys import key_file
from offramp_core.keys.key_store import Deleted, KeyStore, service_name
from offramp_core.keys.system_keyring import KeyringError, SystemKeyring
from offramp_core.paths import Paths
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = Secret("0123456789abcdef0123456789abcdef.AbCdEfGh12345678")
OTHER = Secret("fedcba98765432100123456789abcdef.HgFeDcBa87654321")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path / "home")


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeKeyring]:
    def use(**kind: str) -> FakeKeyring:
        fake = FakeKeyring(tmp_path, **kind)
        for name, value in fake.variables.items():
            monkeypatch.setenv(name, value)
        return fake

    return use


def store(paths: Paths, *, limit_s: float = 20) -> KeyStore:
    return KeyStore(paths, SystemKeyring(service_name(paths), limit_s=limit_s))


def test_key_goes_into_a_keyring_that_works_and_not_into_the_file(paths, use) -> None:
    fake = use()
    kept = store(paths).set("zai", KEY)
    assert (kept.place, kept.where, kept.obstacle) == ("keyring", "Test keyring", None)
    assert fake.keys() == {"zai": KEY.reveal()}
    assert KEY.reveal() not in paths.keys_file.read_text()
    assert store(paths).get("zai") == KEY


@pytest.mark.parametrize("state", ["locked", "failing", "blocked"])
def test_key_goes_into_the_file_where_the_keyring_does_not_work(paths, use, state) -> None:
    use().be(state)
    limit_s = 1 if state == "blocked" else 20
    kept = store(paths, limit_s=limit_s).set("zai", KEY)
    assert (kept.place, kept.where) == ("file", str(paths.keys_file))
    assert kept.obstacle is not None
    assert store(paths).get("zai") == KEY


def test_key_goes_into_the_file_where_there_is_no_keyring(paths, use) -> None:
    use(kind=NONE)
    kept = store(paths).set("zai", KEY)
    assert kept.obstacle is not None
    assert kept.obstacle.trouble == "absent"


def test_file_that_was_wished_for_asks_no_keyring(paths, use) -> None:
    use().be("locked")
    kept = store(paths).set("zai", KEY, place="file")
    assert (kept.place, kept.obstacle) == ("file", None)


def test_keyring_that_was_wished_for_or_nothing(paths, use) -> None:
    fake = use()
    store(paths).set("zai", OTHER, place="file")
    fake.be("locked")
    with pytest.raises(KeyringError):
        store(paths).set("zai", KEY, place="keyring")
    assert store(paths).get("zai") == OTHER


def test_move_to_the_keyring_leaves_none_in_the_file(paths, use) -> None:
    use()
    store(paths).set("zai", KEY, place="file")
    store(paths).set("zai", OTHER)
    assert KEY.reveal() not in paths.keys_file.read_text()
    assert store(paths).get("zai") == OTHER


def test_move_to_the_file_leaves_none_in_the_keyring(paths, use) -> None:
    fake = use()
    store(paths).set("zai", KEY)
    kept = store(paths).set("zai", OTHER, place="file")
    assert (kept.was_in_keyring, kept.obstacle) == (True, None)
    assert fake.keys() == {}


def test_move_to_the_file_says_what_a_locked_keyring_still_holds(paths, use) -> None:
    fake = use()
    store(paths).set("zai", KEY)
    fake.be("locked")
    kept = store(paths).set("zai", OTHER, place="file")
    assert kept.was_in_keyring
    assert kept.obstacle is not None
    assert store(paths).get("zai") == OTHER


def test_deleted_key_is_gone_from_both(paths, use) -> None:
    fake = use()
    store(paths).set("zai", KEY)
    assert store(paths).delete("zai") == Deleted(from_file=False, from_keyring=True)
    assert (fake.keys(), store(paths).entries()) == ({}, {})
    store(paths).set("zai", KEY, place="file")
    assert store(paths).delete("zai") == Deleted(from_file=True, from_keyring=False)
    assert store(paths).delete("zai") == Deleted(from_file=False, from_keyring=False)
    assert store(paths).get("zai") is None


def test_key_in_a_locked_keyring_is_no_longer_used_once_deleted(paths, use) -> None:
    fake = use()
    store(paths).set("zai", KEY)
    fake.be("locked")
    deleted = store(paths).delete("zai")
    assert deleted.obstacle is not None
    assert store(paths).get("zai") is None
    fake.be("")
    assert store(paths).delete("zai").from_keyring  # asked for again, it finds it


def test_deletion_without_a_keyring_is_no_trouble(paths, use) -> None:
    use(kind=NONE)
    store(paths).set("zai", KEY)
    assert store(paths).delete("zai") == Deleted(from_file=True, from_keyring=False)


def test_key_that_the_keyring_lost_is_none(paths, use) -> None:
    use()
    key_file.put(paths.keys_file, "zai", place="keyring")
    assert store(paths).get("zai") is None


def test_homes_do_not_share_the_keyrings_entries(paths, tmp_path, use) -> None:
    use()
    other = Paths.under(tmp_path / "other")
    store(paths).set("zai", KEY)
    store(other).set("zai", OTHER)
    store(other).delete("zai")
    assert store(paths).get("zai") == KEY
    assert service_name(Paths.for_user({})) == "offramp"
