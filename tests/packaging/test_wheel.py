"""What is built can be installed: the wheel and the sdist hold what they should, and run.

No network: the environment's own build backend builds, and the new environment that the wheel goes
into sees this one's libraries, but not its Offramp.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offramp_core import __version__

if TYPE_CHECKING:
    from email.message import Message

CHECKOUT = Path(__file__).parents[2]
PACKAGES = {
    "offramp_core",
    "offramp_daemon",
    "offramp_cli",
    "offramp_simulator",
    "offramp_tray",
    "offramp_dashboard",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distributions:
    """The two files that one build made."""

    wheel: Path
    sdist: Path


def _build(source: Path, output: Path, *kinds: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), *kinds]
    done = subprocess.run(
        [*command, str(source)], cwd=output.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """A wheel and an sdist, both built from the checkout."""
    output = tmp_path_factory.mktemp("build") / "dist"
    _build(CHECKOUT, output, "--wheel", "--sdist")
    (wheel,) = output.glob("*.whl")
    (sdist,) = output.glob("*.tar.gz")
    return Distributions(wheel=wheel, sdist=sdist)


@pytest.fixture(scope="module")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a new environment with the wheel in it."""
    root = tmp_path_factory.mktemp("environment") / "with a space"
    builder = venv.EnvBuilder(symlinks=True, with_pip=False)
    builder.create(root)
    own = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    variables = {"base": str(root), "platbase": str(root)}
    site = Path(sysconfig.get_path("purelib", scheme="venv", vars=variables))
    # A path from a .pth file is searched, but its own .pth files (the editable Offramp's) are not.
    (site / "libraries.pth").write_text("\n".join(sorted(own)) + "\n")
    programs = root / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-index", str(distributions.wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return programs


def _run(programs: Path, folder: Path, *command: str) -> str:
    environ = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "OFFRAMP_HOME": str(folder / "offramp"),
    }
    done = subprocess.run(
        [str(programs / command[0]), *command[1:]],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_only_our_packages(distributions: Distributions) -> None:
    names = _contents(distributions.wheel).keys()
    assert {name.split("/")[0] for name in names} == {
        *PACKAGES,
        f"offramp-{__version__}.dist-info",
    }
    assert not [name for name in names if "test" in name or name.endswith(".pyc")]


def test_wheel_is_typed_and_licensed(distributions: Distributions) -> None:
    contents = _contents(distributions.wheel)
    assert {f"{package}/py.typed" for package in PACKAGES} <= contents.keys()
    licence = contents[f"offramp-{__version__}.dist-info/licenses/LICENSE"]
    assert licence == (CHECKOUT / "LICENSE").read_bytes()


def test_wheel_carries_the_templates_of_the_login_items(distributions: Distributions) -> None:
    contents = _contents(distributions.wheel)
    for template in (CHECKOUT / "packaging" / "linux").iterdir():
        assert contents[f"offramp_core/login_item/{template.name}"] == template.read_bytes()


def _metadata(wheel: Path) -> Message:
    contents = _contents(wheel)
    (name,) = (each for each in contents if each.endswith(".dist-info/METADATA"))
    return BytesParser().parsebytes(contents[name])


def test_package_that_nobody_has_published_names_no_place_and_nobody(
    distributions: Distributions,
) -> None:
    metadata = _metadata(distributions.wheel)
    named = {*metadata.keys(), *metadata.get_all("Dynamic", [])}
    assert not {"Home-page", "Project-URL", "Maintainer", "Maintainer-email", "Author"} & named
    assert metadata["License-Expression"] == "MIT"
    assert str(metadata.get_payload()).strip() == (CHECKOUT / "README.md").read_text().strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a wheel is made from."""
    copy = tmp_path / "checkout"
    unwanted = shutil.ignore_patterns("__pycache__")
    for folder in ("daemon", "tray", "dashboard_qt", "packaging"):
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=unwanted)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / file, copy)
    return copy


def _set(checkout: Path, **values: str) -> None:
    project = checkout / "pyproject.toml"
    text = project.read_text()
    for name, value in values.items():
        key = name.replace("_", "-")
        assert text.count(f'\n{key} = ""') == 1
        text = text.replace(f'\n{key} = ""', f'\n{key} = "{value}"')
    project.write_text(text)


def test_published_package_names_what_is_set(checkout: Path, tmp_path: Path) -> None:
    source = "https://forge.example/o/offramp"
    _set(
        checkout,
        homepage="https://offramp.example",
        source=source,
        release_page=f"{source}/releases/latest",
        maintainer="Ada <ada@offramp.example>",
    )
    _build(checkout, tmp_path / "dist", "--wheel")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    metadata = _metadata(wheel)
    assert metadata.get_all("Project-URL") == [
        "Homepage, https://offramp.example",
        f"Source, {source}",
        f"Releases, {source}/releases/latest",
    ]
    assert metadata["Maintainer-email"] == "Ada <ada@offramp.example>"
    assert "Dynamic" not in metadata
    readme = str(metadata.get_payload())
    assert f"]({source}/raw/HEAD/docs/install.md)" in readme
    assert f'src="{source}/raw/HEAD/docs/images/charts-light.png"' in readme
    assert not re.search(r'\]\((?!https?:)|(src|srcset)="(?!https?:)', readme)


def test_package_may_name_a_release_page_only(checkout: Path, tmp_path: Path) -> None:
    _set(checkout, release_page="https://releases.example/latest")
    _build(checkout, tmp_path / "dist", "--wheel")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    metadata = _metadata(wheel)
    assert metadata.get_all("Project-URL") == ["Releases, https://releases.example/latest"]
    assert "Maintainer-email" not in metadata


def test_wheel_fits_every_system(distributions: Distributions) -> None:
    assert distributions.wheel.name == f"offramp-{__version__}-py3-none-any.whl"


def test_sdist_holds_what_development_needs(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "constraints/all.txt",
        "constraints/build.txt",
        "packaging/linux/offramp.service",
        "packaging/setup.sh",
        "pyproject.toml",
        "tests/packaging/test_wheel.py",
    } <= names
    assert not [name for name in names if name.startswith((".venv", ".cache", "dist"))]


def test_sdist_builds_the_same_wheel(distributions: Distributions, tmp_path: Path) -> None:
    _build(CHECKOUT, tmp_path / "dist")  # naming no kind builds the wheel from the sdist
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert _contents(wheel) == _contents(distributions.wheel)


def test_installed_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    found = _run(
        installed, tmp_path, "python", "-c", "import offramp_daemon as o; print(o.__file__)"
    )
    assert Path(found.strip()).is_relative_to(installed.parent)


def test_installed_command_names_its_version(installed: Path, tmp_path: Path) -> None:
    assert __version__ in _run(installed, tmp_path, "offramp", "--version")


def test_installed_command_lists_its_commands(installed: Path, tmp_path: Path) -> None:
    text = _run(installed, tmp_path, "offramp", "--help")
    assert all(command in text for command in ("serve", "demo", "stats", "logs", "config"))


def test_installed_command_finds_its_settings(installed: Path, tmp_path: Path) -> None:
    text = _run(installed, tmp_path, "offramp", "config", "path")
    assert str(tmp_path / "offramp" / "config" / "config.toml") in text.replace("\n", "")
