"""How to upgrade, by where the program is and what installed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from offramp_cli.version import upgrade_way


@pytest.mark.parametrize(
    ("prefix", "begins"),
    [
        ("/home/u/.local/share/pipx/venvs/offramp", "pipx upgrade offramp"),
        ("/home/u/.local/pipx/venvs/offramp", "pipx upgrade offramp"),
        ("/home/u/.local/share/uv/tools/offramp", "uv tool upgrade offramp"),
        ("/opt/homebrew/Cellar/offramp/1.0/libexec", "brew upgrade offramp"),
        ("/home/u/.local/share/offramp-app/env-1", "in the checkout: git pull && make install"),
        ("/home/u/my tools", "'/home/u/my tools/bin/python' -m pip install --upgrade"),
        ("/usr", "/usr/bin/python -m pip install --upgrade offramp &&"),
    ],
)
def test_environment_is_upgraded_by_what_made_it(prefix: str, begins: str) -> None:
    assert upgrade_way.for_environment(Path(prefix)).startswith(begins)


@pytest.mark.parametrize(
    ("left", "begins"),
    [("pipx_metadata.json", "pipx upgrade"), ("uv-receipt.toml", "uv tool upgrade")],
)
def test_tool_is_known_in_a_folder_of_its_users_choice(
    tmp_path: Path, left: str, begins: str
) -> None:
    (tmp_path / left).touch()
    assert upgrade_way.for_environment(tmp_path).startswith(begins)


def test_environment_with_the_charts_keeps_them() -> None:
    way = upgrade_way.for_environment(Path("/opt/env"), has_charts=True)
    assert way.startswith("/opt/env/bin/python -m pip install --upgrade 'offramp[charts]'")


def test_checkout_is_upgraded_with_make() -> None:
    way = upgrade_way.for_environment(Path("/home/u/offramp/.venv"), is_checkout=True)
    assert way == "in the checkout: git pull && make setup"


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ("/usr/lib/offramp/0.2.0/offramp", ".deb"),
        ("/Applications/Offramp.app/Contents/MacOS/offramp", "brew upgrade --cask offramp"),
        ("/home/u/.local/lib/offramp/0.2.0/offramp", ".tar.gz"),
        ("/srv/offramp", ".tar.gz"),
    ],
)
def test_bundle_is_upgraded_by_its_own_kind_of_file(program: str, named: str) -> None:
    assert named in upgrade_way.for_bundle(Path(program))


def test_this_checkout_is_known() -> None:
    assert upgrade_way.of_this_program() == "in the checkout: git pull && make setup"
