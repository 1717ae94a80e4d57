"""What a purge removes: all that is ours, and nothing that a link or a name leads to besides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from privileges import without_root

from offramp_core import purge
from offramp_core.errors import OfframpError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("requests-2026-11", "events", "quota")


def _write(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")


def _left(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def _usual(root: Path) -> Paths:
    return Paths(
        config_dir=root / "config" / "offramp",
        data_dir=root / "share" / "offramp",
        diagnostics_dir=root / "state" / "offramp" / "log",
        cache_dir=root / "cache" / "offramp",
        runtime_dir=root / "run" / "offramp",
    )


def test_our_own_folders_go_whole(tmp_path: Path) -> None:
    paths = _usual(tmp_path)
    stranger = tmp_path / "share" / "other" / "file"
    _write(paths.config_file, paths.log_dir / "requests-2026-01.jsonl", paths.data_dir / "any")
    _write(paths.diagnostics_file, paths.folded_months / "00ff.folded", stranger)
    purge.remove(purge.find(paths, log_dir=None, is_exclusive=True))
    assert _left(tmp_path) == {"share/other/file"}
    assert not (tmp_path / "state" / "offramp").exists()
    assert (tmp_path / "state").exists()
    assert purge.find(paths, log_dir=None, is_exclusive=True).doomed == ()


def test_demos_folders_leave_no_empty_one(tmp_path: Path) -> None:
    log = tmp_path / "state" / "offramp-demo" / "log"
    paths = replace(_usual(tmp_path), diagnostics_dir=log)
    _write(paths.diagnostics_file)
    purge.remove(purge.find(paths, log_dir=None, is_exclusive=True))
    assert (tmp_path / "state").exists()
    assert not log.parent.exists()


def test_in_a_folder_of_the_users_choice_only_our_files_go(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    _write(paths.config_file, paths.env_file, paths.keys_file, paths.delegation_file)
    _write(paths.log_dir / "requests-2026-01.jsonl", paths.log_dir / "events.jsonl")
    _write(paths.tray_said_file)
    _write(paths.diagnostics_file, paths.diagnostics_dir / "daemon.log.1")
    _write(
        paths.folded_months / "00ff.folded", paths.charts_window_file, paths.charts_selection_file
    )
    _write(paths.quota_file, paths.account_salt_file, paths.autopilot_file)
    _write(paths.troubles_file, paths.troubles_file.with_name("troubles.json.lock"))
    _write(paths.quota_file.with_name("quota.json.lock"))
    _write(paths.log_dir / "quota.jsonl")
    _write(tmp_path / "data" / "thesis.txt", tmp_path / "config" / "other.toml")
    purge.remove(purge.find(paths, log_dir=None, is_exclusive=False))
    assert _left(tmp_path) == {"data/thesis.txt", "config/other.toml"}
    assert not paths.log_dir.exists()
    assert not paths.diagnostics_dir.exists()


def test_log_folder_elsewhere_loses_our_files_alone(tmp_path: Path) -> None:
    paths, elsewhere = _usual(tmp_path), tmp_path / "elsewhere"
    _write(elsewhere / "requests-2026-01.jsonl", elsewhere / "events.jsonl", elsewhere / "mine.txt")
    found = purge.find(paths, log_dir=elsewhere, is_exclusive=True)
    purge.remove(found)
    assert _left(tmp_path) == {"elsewhere/mine.txt"}


@pytest.mark.parametrize(
    ("machine", "staying"),
    [("laptop", {"", "desktop"}), ("", {"laptop", "desktop"})],
)
def test_other_machines_files_stay_in_the_folder_they_share(
    tmp_path: Path, machine: str, staying: set[str]
) -> None:
    shared = tmp_path / "shared"
    marks = ("", ".sync-conflict-20261130-101010-ABCDEFG", " [conflicted]", " 2")
    names = {
        each: {f"{kind}{'.' if each else ''}{each}{mark}.jsonl" for kind in KINDS for mark in marks}
        for each in ("", "laptop", "desktop")
    }
    _write(*(shared / name for each in names.values() for name in each), shared / "mine.txt")
    plan = purge.find(_usual(tmp_path), log_dir=shared, is_exclusive=True, machine=machine)
    purge.remove(plan)
    assert _left(shared) == {"mine.txt"} | set().union(*(names[each] for each in staying))


@pytest.mark.parametrize("is_exclusive", [True, False])
@pytest.mark.parametrize("place", ["usual", "named", "below"])
def test_other_machines_files_stay_in_our_own_folders_too(
    tmp_path: Path, place: str, *, is_exclusive: bool
) -> None:
    paths = _usual(tmp_path)
    shared = paths.data_dir / "sync" if place == "below" else paths.log_dir
    own, other = shared / "requests-2026-11.laptop.jsonl", shared / "quota.desktop.jsonl"
    _write(own, other, paths.quota_file, paths.config_file)
    log_dir = None if place == "usual" else shared
    purge.remove(purge.find(paths, log_dir=log_dir, is_exclusive=is_exclusive, machine="laptop"))
    assert _left(tmp_path) == {str(other.relative_to(tmp_path))}


def test_own_folders_go_whole_where_no_other_machine_wrote(tmp_path: Path) -> None:
    paths = _usual(tmp_path)
    _write(paths.log_dir / "requests-2026-11.laptop.jsonl", paths.data_dir / "leftover")
    _write(paths.log_dir / "requests-2026-10.jsonl")
    purge.remove(purge.find(paths, log_dir=None, is_exclusive=True, machine="laptop"))
    assert _left(tmp_path) == set()


def test_links_are_not_followed(tmp_path: Path) -> None:
    paths, treasure = _usual(tmp_path), tmp_path / "treasure"
    _write(treasure / "config.toml", treasure / "kept", paths.data_dir / "file")
    paths.config_dir.parent.mkdir(parents=True)
    paths.config_dir.symlink_to(treasure)
    (paths.data_dir / "link").symlink_to(treasure)
    found = purge.find(paths, log_dir=None, is_exclusive=True)
    assert found.staying == (paths.config_dir,)
    purge.remove(found)
    assert _left(treasure) == {"config.toml", "kept"}
    assert not paths.data_dir.exists()


def test_socket_that_had_to_be_elsewhere_goes_too(tmp_path: Path) -> None:
    import socket

    paths = replace(_usual(tmp_path), runtime_dir=tmp_path / ("long" * 30))
    paths.control_socket.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(paths.control_socket))
    purge.remove(purge.find(paths, log_dir=None, is_exclusive=True))
    assert not paths.control_socket.exists()


def test_file_that_stays_is_said(tmp_path: Path) -> None:
    paths = _usual(tmp_path)
    _write(paths.config_file)
    found = purge.find(paths, log_dir=None, is_exclusive=True)
    paths.config_dir.chmod(0o500)
    try:
        with without_root(), pytest.raises(OfframpError, match="can't be removed"):
            purge.remove(found)
    finally:
        paths.config_dir.chmod(0o700)  # so that it can be cleaned up
    assert paths.config_file.exists()
