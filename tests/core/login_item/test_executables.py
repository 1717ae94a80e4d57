"""Which path a login item names: one that the next upgrade leaves alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from offramp_core.errors import OfframpError
from offramp_core.login_item import executables, install_location
from offramp_core.login_item.executables import COMMAND_LINE, DAEMON


def _install(folder: Path) -> Path:
    """An installation's scripts in `folder`."""
    folder.mkdir(parents=True)
    for name in (DAEMON, COMMAND_LINE):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def _link(link: Path, target: Path) -> Path:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    return link


def test_place_without_a_version_is_named_as_it_is(tmp_path: Path) -> None:
    for place in (".local/share/pipx/venvs/offramp/bin", ".local/share/uv/tools/offramp/bin"):
        folder = _install(tmp_path / place)
        found = executables.find({"PATH": "/usr/bin"}, tmp_path, own_folder=folder)
        assert found.daemon == folder / DAEMON
        assert found.command_line == folder / COMMAND_LINE


def test_own_environment_is_named_by_the_link_to_the_one_in_use(tmp_path: Path) -> None:
    app = executables.app_folder({}, tmp_path)
    folder = _install(app / "env-20260101-1" / "bin")
    _link(app / "current", app / "env-20260101-1")
    found = executables.find({}, tmp_path, own_folder=folder)
    assert found.daemon == app / "current" / "bin" / DAEMON


def test_own_environment_that_is_not_in_use_is_not_named_by_that_link(tmp_path: Path) -> None:
    app = executables.app_folder({}, tmp_path)
    folder = _install(app / "env-1" / "bin")
    _install(app / "env-2" / "bin")
    _link(app / "current", app / "env-2")
    assert executables.find({}, tmp_path, own_folder=folder).daemon == folder / DAEMON


def test_cellar_is_named_by_its_opt_link(tmp_path: Path) -> None:
    brew = tmp_path / "homebrew"
    folder = _install(brew / "Cellar" / "offramp" / "1.2.0" / "libexec" / "bin")
    _link(brew / "opt" / "offramp", brew / "Cellar" / "offramp" / "1.2.0")
    found = executables.find({}, tmp_path, own_folder=folder)
    assert found.daemon == brew / "opt" / "offramp" / "libexec" / "bin" / DAEMON


def test_cellar_without_opt_is_named_by_the_link_on_the_path(tmp_path: Path) -> None:
    folder = _install(tmp_path / "Cellar" / "offramp" / "1.2.0" / "bin")
    other = _install(tmp_path / "other")
    link = _link(tmp_path / "bin" / DAEMON, folder / DAEMON)
    path = f"relative:{other}:{tmp_path / 'missing'}:{link.parent}"
    assert executables.find({"PATH": path}, tmp_path, own_folder=folder).daemon == link


def test_versioned_place_without_any_link_is_named_all_the_same(tmp_path: Path) -> None:
    folder = _install(tmp_path / "Cellar" / "offramp" / "1.2.0" / "bin")
    found = executables.find({"PATH": ""}, tmp_path, own_folder=folder)
    assert found.daemon == folder / DAEMON


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, as if it ran from a bundle."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("top", ["usr", ".local"])
@pytest.mark.parametrize("version", ["0.2.0", "1.0.0rc1", "0.2.0-20261130"])
def test_bundle_is_named_by_the_link_beside_its_folder(
    tmp_path: Path, top: str, version: str
) -> None:
    folder = _install(tmp_path / top / "lib" / "offramp" / version)
    links = tmp_path / top / "bin"
    for name in (DAEMON, COMMAND_LINE):
        _link(links / name, folder / name)
    found = executables.find({"PATH": "/usr/bin"}, tmp_path, own_folder=folder)
    assert found.daemon == links / DAEMON
    assert found.command_line == links / COMMAND_LINE


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize(
    "place", [".local/lib/offramp/0.2.0", "Downloads/offramp-0.2.0-linux-x86_64"]
)
def test_bundle_that_no_lasting_link_leads_to_is_refused(tmp_path: Path, place: str) -> None:
    folder = _install(tmp_path / place)
    _link(tmp_path / ".local" / "bin" / DAEMON, _install(tmp_path / "other") / DAEMON)
    with pytest.raises(OfframpError, match="next upgrade") as caught:
        executables.find({"PATH": "/usr/bin"}, tmp_path, own_folder=folder)
    assert "install.sh" in caught.value.hint


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("place", ["opt/offramp", "Applications/Offramp.app/Contents/MacOS"])
def test_bundle_in_a_folder_without_a_version_is_named_as_it_is(tmp_path: Path, place: str) -> None:
    folder = _install(tmp_path / place)
    found = executables.find({"PATH": "/usr/bin"}, tmp_path, own_folder=folder)
    assert found.daemon == folder / DAEMON


def test_source_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OfframpError, match="no program offramp-daemon") as caught:
        executables.find({}, tmp_path, own_folder=tmp_path)
    assert "make install" in caught.value.hint


def test_data_folder_moves_the_app_folder_only_where_it_is_absolute(tmp_path: Path) -> None:
    usual = tmp_path / ".local" / "share" / "offramp-app"
    assert executables.app_folder({"XDG_DATA_HOME": "relative"}, tmp_path) == usual
    assert executables.app_folder({"XDG_DATA_HOME": "/d"}, tmp_path) == Path("/d/offramp-app")


def test_only_links_into_our_folder_are_removed_and_the_folder_last(tmp_path: Path) -> None:
    app = executables.app_folder({}, tmp_path)
    folder = _install(app / "env-1" / "bin")
    _link(app / "current", app / "env-1")
    ours = _link(tmp_path / ".local/bin/offramp", app / "current/bin/offramp")
    theirs = _link(tmp_path / ".local/bin/offramp-daemon", tmp_path / "pipx" / DAEMON)
    assert list(install_location.removable({}, tmp_path)) == [ours, app]
    for path in install_location.removable({}, tmp_path):
        install_location.remove(path)
    assert not folder.exists()
    assert theirs.is_symlink()
    assert list(install_location.removable({}, tmp_path)) == []


def test_bundle_of_one_user_is_removed_with_its_links(tmp_path: Path) -> None:
    root = executables.bundle_folder(tmp_path)
    folder = _install(root / "0.2.0")
    _install(root / "0.1.0")
    links = [
        _link(tmp_path / ".local/bin" / name, folder / name) for name in (COMMAND_LINE, DAEMON)
    ]
    assert list(install_location.removable({}, tmp_path)) == [*links, root]


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/u/.local/share/pipx/venvs/offramp", "pipx uninstall offramp"),
        ("/home/u/.local/share/uv/tools/offramp", "uv tool uninstall offramp"),
        ("/opt/homebrew/Cellar/offramp/1.0/libexec", "brew uninstall offramp"),
        ("/usr/lib/offramp/0.2.0/_internal", "sudo apt remove offramp"),
        ("/home/u/.local/lib/offramp/0.2.0/_internal", None),
        ("/home/u/checkout/.venv", None),
    ],
)
def test_other_installations_are_told_how_to_remove(prefix: str, command: str | None) -> None:
    assert install_location.other_removal(prefix) == command
