"""Accounts' names: stable, apart, and worth nothing without the salt."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY

from offramp_daemon.quota.account_ids import AccountIds

if TYPE_CHECKING:
    from pathlib import Path


def loaded(file: Path) -> AccountIds:
    accounts = AccountIds(file)
    accounts.load()
    return accounts


def name_of(file: Path) -> str:
    return loaded(file).name("anthropic", CLAUDE_TOKEN)


def test_account_keeps_its_name_from_run_to_run(tmp_path: Path) -> None:
    file = tmp_path / "data" / "account-salt"
    name = name_of(file)
    assert len(name) == 16
    assert int(name, 16) >= 0
    assert name_of(file) == name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["account-salt"]


def test_names_differ_by_credential_backend_and_salt(tmp_path: Path) -> None:
    accounts = loaded(tmp_path / "one")
    names = {
        accounts.name("anthropic", CLAUDE_TOKEN),
        accounts.name("anthropic", ZAI_KEY),
        accounts.name("zai", ZAI_KEY),
        name_of(tmp_path / "two"),
    }
    assert len(names) == 4


@pytest.mark.parametrize("content", [b"", b"too short", b"\xff" * 64, b"00" * 31, b"zz" * 32])
def test_damaged_salt_is_made_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "account-salt"
    file.write_bytes(content)
    assert name_of(file) == name_of(file)
    assert file.read_bytes() != content


def test_salt_that_can_not_be_kept_serves_for_this_run(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file", encoding="utf-8")
    accounts = loaded(tmp_path / "blocked" / "account-salt")
    assert accounts.name("zai", ZAI_KEY) == accounts.name("zai", ZAI_KEY)
    assert (tmp_path / "blocked").read_text(encoding="utf-8") == "a file"


def test_file_system_without_links_keeps_it_too(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_names: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "account-salt"
    assert name_of(file) == name_of(file)
    assert [each.name for each in tmp_path.iterdir()] == ["account-salt"]


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    file = tmp_path / "account-salt"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        names = set(pool.map(name_of, [file] * 16))
    assert names == {name_of(file)}


def test_credential_that_is_no_text_has_a_name_too(tmp_path: Path) -> None:
    assert len(loaded(tmp_path / "salt").name("anthropic", "\udcff\0")) == 16
