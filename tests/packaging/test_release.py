"""`make release-check`: what it writes, and what it refuses."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offramp_core import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).parents[2]
METADATA = f"""\
Metadata-Version: 2.4
Name: offramp
Version: {__version__}
Description-Content-Type: text/markdown

# Offramp
"""
CHANGELOG = f"""\
# Changelog

## [Unreleased]

- Not yet.

## [{__version__}] - 2026-11-30

### Added

- A thing.

## [0.0.9] - 2026-01-01

- An old thing.

[{__version__}]: https://example.com/compare
"""


class Tree:
    """A copy of what the scripts read, without a repository, and a folder of release files."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.folder = top / "dist"
        shutil.copytree(TOP / "packaging", top / "packaging")
        for name in ("pyproject.toml", "constraints/app.txt", "daemon/offramp_core/__init__.py"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, top / name)
        (top / "CHANGELOG.md").write_text(CHANGELOG)
        self.folder.mkdir()
        self.write_wheel()
        self.write_sdist()

    def write_wheel(self, metadata: str = METADATA, *, licence: bool = True) -> None:
        name = f"offramp-{__version__}"
        with zipfile.ZipFile(self.folder / f"{name}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}.dist-info/METADATA", metadata)
            if licence:
                archive.writestr(f"{name}.dist-info/licenses/LICENSE", "MIT")

    def write_sdist(self) -> None:
        with tarfile.open(self.folder / f"offramp-{__version__}.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo(f"offramp-{__version__}/PKG-INFO")
            info.size = len(METADATA)
            archive.addfile(info, io.BytesIO(METADATA.encode()))

    def write_empty_wheel(self) -> None:
        name = f"offramp-{__version__}"
        with zipfile.ZipFile(self.folder / f"{name}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}.dist-info/licenses/LICENSE", "MIT")

    def write_tarball(self) -> None:
        with tarfile.open(self.folder / TARBALL, "w:gz") as archive:
            folder = TARBALL.removesuffix(".tar.gz")
            archive.addfile(tarfile.TarInfo(f"{folder}/offramp"))

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self.top / "packaging/release" / script), *arguments],
            cwd=self.top,
            capture_output=True,
            text=True,
            check=False,
        )

    def check(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("check.py", *arguments)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def test_release_that_is_whole_passes_and_is_summed_up(tree: Tree) -> None:
    done = tree.check("--tag", f"v{__version__}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    lines = (tree.folder / "SHA256SUMS").read_text().splitlines()
    sums = dict(line.split("  ")[::-1] for line in lines)
    assert set(sums) == {f"offramp-{__version__}-py3-none-any.whl", f"offramp-{__version__}.tar.gz"}
    for name, value in sums.items():
        assert hashlib.sha256((tree.folder / name).read_bytes()).hexdigest() == value
    assert (tree.folder / "RELEASE_NOTES.md").read_text() == "### Added\n\n- A thing.\n"
    assert tree.check().returncode == 0


def _tag(tree: Tree) -> None:
    tree.folder.joinpath("ok").unlink(missing_ok=True)


def _change(old: str, new: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        (tree.top / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new))

    return change


def _add(name: str, content: bytes = b"") -> Callable[[Tree], None]:
    return lambda tree: (tree.folder / name).write_bytes(content) and None


def _cut(name: str, ending: bytes = b"") -> Callable[[Tree], None]:
    def cut(tree: Tree) -> None:
        file = tree.folder / name
        file.write_bytes(file.read_bytes()[:-8] + ending)

    return cut


def _spoil_tarball(ending: bytes) -> Callable[[Tree], None]:
    def spoil(tree: Tree) -> None:
        tree.write_tarball()
        _cut(TARBALL, ending)(tree)

    return spoil


def _sbom(**fields: object) -> bytes:
    good = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"version": __version__}},
        "components": [{"name": "a", "licenses": [{"expression": "MIT"}]}],
    }
    return json.dumps({**good, **fields}).encode()


TARBALL = f"offramp-{__version__}-linux-x86_64.tar.gz"
SBOM = f"offramp-{__version__}-linux-x86_64.cdx.json"
SPOILT = {
    "other tag": (_tag, ("--tag", "v9.9.9"), "the tag is v9.9.9"),
    "tag without v": (_tag, ("--tag", __version__), f"the tag is {__version__}"),
    "no heading": (_change(f"[{__version__}]", "[9.9.9]"), (), "has no heading"),
    "no date": (_change(" - 2026-11-30", ""), (), "has no date"),
    "odd date": (_change("2026-11-30", "soon"), (), "has no date"),
    "no day": (_change("2026-11-30", "2026-13-45"), (), "has no date"),
    "no changelog": (lambda tree: (tree.top / "CHANGELOG.md").unlink(), (), "No such file"),
    "empty part": (_change("### Added\n\n- A thing.\n", ""), (), "says nothing"),
    "no wheel": (lambda tree: next(tree.folder.glob("*.whl")).unlink(), (), "is missing"),
    "no sdist": (lambda tree: next(tree.folder.glob("*.gz")).unlink(), (), "is missing"),
    "no licence": (lambda tree: tree.write_wheel(licence=False), (), "no licence text"),
    "other package": (
        lambda tree: tree.write_wheel(METADATA.replace("offramp", "offram")),
        (),
        "it is offram",
    ),
    "bad metadata": (
        lambda tree: tree.write_wheel(METADATA.replace("2.4", "x.y")),
        (),
        ".whl: ",
    ),
    "plain text": (
        lambda tree: tree.write_wheel(METADATA.replace("text/markdown", "text/plain")),
        (),
        "Markdown",
    ),
    "old file": (_add("offramp-0.0.1-linux-x86_64.tar.gz"), (), "its name has no"),
    "longer version": (_add(f"offramp-{__version__}1-py3-none-any.whl"), (), "its name has no"),
    "odd kind": (_add(f"offramp-{__version__}.exe"), (), "nobody knows this kind"),
    "damaged tar": (_add(f"offramp-{__version__}-linux-x86_64.tar.gz", b"x"), (), ".tar.gz: "),
    "cut tar": (_spoil_tarball(b""), (), ".tar.gz: "),
    "tar with an error": (_spoil_tarball(b"12345678"), (), "CRC"),
    "tar of something else": (_add(TARBALL, gzip.compress(b"\0" * 10240)), (), "no program"),
    "cut sdist": (_cut(f"offramp-{__version__}.tar.gz"), (), ".tar.gz: "),
    "wheel without metadata": (lambda tree: tree.write_empty_wheel(), (), ".whl: "),
    "empty image": (_add(f"offramp-{__version__}-macos-arm64.dmg"), (), "it is empty"),
    "damaged zip": (_add(f"offramp-{__version__}-macos-arm64.zip", b"x"), (), ".zip: "),
    "no deb": (_add(f"offramp_{__version__}_amd64.deb", b"x"), (), ".deb: "),
    "no JSON": (_add(SBOM, b"{"), (), ".json: "),
    "other SBOM": (_add(SBOM, _sbom(bomFormat="SPDX")), (), "no bill of materials"),
    "SBOM as a list": (_add(SBOM, b"[]"), (), "no bill of materials"),
    "SBOM without a version": (_add(SBOM, _sbom(metadata={})), (), "no bill of materials"),
    "SBOM of numbers": (_add(SBOM, _sbom(components=[1])), (), "no bill of materials"),
    "empty SBOM": (_add(SBOM, _sbom(components=[])), (), "no bill of materials"),
    "bare SBOM": (_add(SBOM, _sbom(components=[{"name": "b"}])), (), "no licence for b"),
    "SBOM of another version": (
        _add(SBOM, _sbom(metadata={"component": {"version": "0.0.1"}})),
        (),
        "it is that of 0.0.1",
    ),
    "cask not filled in": (_add("offramp-cask.rb", b'version "@VERSION@"'), (), "not filled in"),
}


@pytest.mark.parametrize(("spoil", "arguments", "words"), SPOILT.values(), ids=SPOILT)
def test_release_with_a_fault_is_refused_and_the_rest_is_looked_at(
    tree: Tree, spoil: Callable[[Tree], None], arguments: tuple[str, ...], words: str
) -> None:
    if words.endswith(".deb: ") and shutil.which("dpkg-deb") is None:
        pytest.skip("there is no dpkg-deb here")
    spoil(tree)
    done = tree.check(*arguments)
    assert done.returncode == 1
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert len(failures) == 1
    assert words in failures[0]
    assert "checksums" in done.stdout


def test_whole_tarball_of_the_bundle_passes(tree: Tree) -> None:
    tree.write_tarball()
    done = tree.check()
    assert done.returncode == 0, done.stdout
    assert f"ok    {TARBALL}: 1 files" in done.stdout


def test_tree_that_states_no_version_is_refused_in_a_line(tree: Tree) -> None:
    (tree.top / "daemon/offramp_core/__init__.py").unlink()
    done = tree.check()
    assert done.returncode == 1
    assert done.stderr.startswith("release-check: ")
    assert "Traceback" not in done.stderr


def test_folder_without_files_is_refused(tree: Tree) -> None:
    done = tree.check("--folder", str(tree.top / "nothing"))
    assert done.returncode == 1
    assert "Run: make build" in done.stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_tree_with_something_uncommitted_is_refused(tree: Tree) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tree.top, check=True)
    done = tree.check()
    assert done.returncode == 1
    assert "not committed" in done.stdout


def test_values_that_are_empty_until_somebody_publishes_are_named(tree: Tree) -> None:
    file = tree.top / "pyproject.toml"
    text = re.sub(r"^\[tool\.offramp\]\n(?:.*\n)*?\n", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(f'{text}\n[tool.offramp]\nhomepage = ""\nmaintainer = "A <a@example.com>"\n')
    done = tree.check()
    assert "still empty in pyproject.toml: homepage\n" in done.stdout
    assert done.returncode == 0


def test_notes_are_the_versions_part_of_the_changelog(tree: Tree) -> None:
    assert tree.run("notes.py").stdout == "### Added\n\n- A thing.\n"
    assert tree.run("notes.py", "0.0.9").stdout == "- An old thing.\n"
    assert "no heading for 1.0.0" in tree.run("notes.py", "1.0.0").stderr


def write_sbom(file: Path) -> None:
    """Write it as on the real system: what a pretended macOS needs is not installed."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = TOP / "packaging/release/sbom.py"
    subprocess.run([sys.executable, str(script), str(file)], env=environ, check=True)


def test_sbom_names_all_that_this_system_needs_with_a_licence(tmp_path: Path) -> None:
    file = tmp_path / SBOM
    write_sbom(file)
    bill = json.loads(file.read_text())
    parts = {part["name"]: part for part in bill["components"]}
    assert {"aiohttp", "keyring", "pystray", "pyside6-essentials", "python"} <= set(parts)
    assert ("dbus-fast" in parts) == (platform.system() == "Linux")
    assert "pywin32-ctypes" not in parts
    assert "pytest" not in parts
    assert all(part["licenses"] and part["version"] for part in parts.values())
    assert parts["pystray"]["purl"] == f"pkg:pypi/pystray@{parts['pystray']['version']}"
    refs = {part["bom-ref"] for part in parts.values()}
    assert set(bill["dependencies"][0]["dependsOn"]) == refs
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])


def test_sbom_of_the_same_parts_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_sbom(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("pin", "words"),
    [("nobody-has-this==1.0", "is pinned, but not installed"), ("click==0.1", "is pinned at 0.1")],
)
def test_sbom_of_other_packages_than_the_pins_is_refused(tree: Tree, pin: str, words: str) -> None:
    (tree.top / "constraints/app.txt").write_text(f"{pin} \\\n    --hash=sha256:00\n")
    done = tree.run("sbom.py", str(tree.top / "out.json"))
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tree.top / "out.json").exists()
