"""Checks what a release is made of, as far as one machine can: `make release-check`.

Usage: check.py [--tag TAG] [--folder FOLDER]

Looks at the tree (clean, the version's part of the changelog, the tag) and at the files of this
version in FOLDER (`dist`): the wheel and the sdist, and whichever bundles, packages and SBOMs are
there. Writes SHA256SUMS and RELEASE_NOTES.md beside them. It ends with an error if anything is
wrong, and says first what all of it is.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
import zlib
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.metadata import Metadata
from release_facts import TOP, ReleaseError, changelog_part, project_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUMS, NOTES = "SHA256SUMS", "RELEASE_NOTES.md"
_FAULTS = (
    *(ReleaseError, OSError, EOFError, LookupError, ValueError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
)
"""What looking at a damaged file, or at one that lacks something, raises."""


def main() -> None:
    """Run every check, whatever the others say."""
    parser = argparse.ArgumentParser(description="Check what a release is made of.")
    parser.add_argument("--tag", default="", help="the release's tag, such as v0.2.0")
    parser.add_argument("--folder", type=Path, default=TOP / "dist", help="where its files are")
    given = parser.parse_args()
    try:
        version = project_version()
    except (ReleaseError, OSError) as error:
        sys.exit(f"release-check: {error}")
    checks: list[tuple[str, Callable[[], str]]] = [
        ("version and tag", lambda: tag_fits(given.tag, version)),
        ("changelog", lambda: write_notes(given.folder, version)),
        ("tree", tree_is_clean),
        ("published values", published_values),
        *((file.name, lambda file=file: look_at(file, version)) for file in files(given.folder)),
        ("wheel and sdist", lambda: both_are_there(given.folder, version)),
        ("checksums", lambda: write_sums(given.folder, version)),
    ]
    sys.exit(1 if [each for each in checks if not _passes(*each)] else 0)


def _passes(name: str, check: Callable[[], str]) -> bool:
    try:
        said = check()
    except _FAULTS as error:
        print(f"FAIL  {name}: {error}")
        return False
    print(f"ok    {name}: {said}")
    return True


def tag_fits(tag: str, version: str) -> str:
    """Check that the tag is the version's."""
    if not tag:
        return f"{version}; no tag was given"
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, but the package says {version} (so v{version}).")
    return tag


def write_notes(folder: Path, version: str) -> str:
    """Write the version's part of the changelog beside the files."""
    part = changelog_part((TOP / "CHANGELOG.md").read_text("utf-8"), version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTES).write_text(part, encoding="utf-8")
    return f"{len(part.splitlines())} lines for {version}, in {NOTES}"


def tree_is_clean() -> str:
    """Check that what is built is what is committed."""
    if not (TOP / ".git").exists() or shutil.which("git") is None:
        return "not looked at: this is no git checkout"
    command = ("git", "-c", "safe.directory=*", "status", "--porcelain")
    said = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    if changed := said.splitlines():
        raise ReleaseError(f"{len(changed)} files are not committed, {changed[0].strip()} first.")
    return "everything is committed"


def published_values() -> str:
    """Say which of the values are empty that somebody fills in who publishes."""
    values = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["tool"].get("offramp", {})
    empty = [name for name, value in values.items() if value == ""]
    return f"still empty in pyproject.toml: {', '.join(empty)}" if empty else "all are set"


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of the release, in the order of their names."""
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.is_file() and file.name not in {SUMS, NOTES}:
            yield file


def look_at(file: Path, version: str) -> str:
    """Check one file by its kind; its name must state this version."""
    if file.suffix == ".rb":  # named like the package, as Homebrew wants it
        return _mentions(file, version)
    if re.match(rf"offramp[-_]{re.escape(version)}[-_.]", file.name) is None:
        raise ReleaseError(f"its name has no {version}: remove it, or build it again.")
    if file.suffix == ".whl":
        return _wheel(file, version)
    if file.name == f"offramp-{version}.tar.gz":
        return _sdist(file, version)
    if file.name.endswith(".tar.gz"):
        return _tarball(file)
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            return _whole(archive)
    if file.name.endswith(".cdx.json"):
        return _sbom(file, version)
    if file.suffix == ".deb":
        return _deb(file, version)
    if file.suffix == ".dmg":
        return _image(file)
    raise ReleaseError("nobody knows this kind of file: remove it.")


def _mentions(file: Path, version: str) -> str:
    text = file.read_text("utf-8")
    if f'"{version}"' not in text or "@" in text.replace('"$@"', ""):
        raise ReleaseError(f"it is not filled in for {version}.")
    return "filled in"


def _wheel(file: Path, version: str) -> str:
    with zipfile.ZipFile(file) as archive:
        _whole(archive)
        info = f"offramp-{version}.dist-info"
        if f"{info}/licenses/LICENSE" not in archive.namelist():
            raise ReleaseError("it has no licence text.")
        return _metadata(archive.read(f"{info}/METADATA"), version)


def _image(file: Path) -> str:
    size = file.stat().st_size
    if size == 0:
        raise ReleaseError("it is empty.")
    return f"{size} bytes"


def _tarball(file: Path) -> str:
    with _whole_tar(file) as archive:
        names = archive.getnames()
        if f"{file.name.removesuffix('.tar.gz')}/offramp" not in names:
            raise ReleaseError("it holds no program offramp in a folder of its name.")
        return f"{len(names)} files"


def _whole_tar(file: Path) -> tarfile.TarFile:
    """Open it after it was read to its end: only there are the checksum and the length of all."""
    with gzip.open(file) as packed:
        while packed.read(1 << 20):
            pass
    return tarfile.open(file)


def _sdist(file: Path, version: str) -> str:
    with _whole_tar(file) as archive:
        info = archive.extractfile(f"offramp-{version}/PKG-INFO")
        if info is None:
            raise ReleaseError("its PKG-INFO is not a file.")
        return _metadata(info.read(), version)


def _metadata(text: bytes, version: str) -> str:
    """Check it as a package index would."""
    try:
        found = Metadata.from_email(text, validate=True)
    except ExceptionGroup as error:
        raise ReleaseError("; ".join(map(str, error.exceptions))) from error
    if (found.name, str(found.version)) != ("offramp", version):
        raise ReleaseError(f"it is {found.name} {found.version}.")
    content_type = BytesHeaderParser().parsebytes(text).get("Description-Content-Type", "")
    if not found.description or not content_type.startswith("text/markdown"):
        raise ReleaseError("its description is missing, or not marked as Markdown.")
    return f"valid metadata, version {found.metadata_version}"


def _whole(archive: zipfile.ZipFile) -> str:
    if broken := archive.testzip():
        raise ReleaseError(f"{broken} in it is damaged.")
    return f"{len(archive.namelist())} files"


def _sbom(file: Path, version: str) -> str:
    bill = json.loads(file.read_text("utf-8"))
    try:
        kind, parts = (bill["bomFormat"], bill["specVersion"]), bill["components"]
        stated = bill["metadata"]["component"]["version"]
        bare = [each.get("name", "?") for each in parts if not each.get("licenses")]
    except (LookupError, TypeError, AttributeError):
        kind, parts, stated, bare = ("", ""), [], "", []
    if kind != ("CycloneDX", "1.6") or not parts:
        raise ReleaseError("it is no bill of materials in CycloneDX 1.6.")
    if stated != version:
        raise ReleaseError(f"it is that of {stated}.")
    if bare:
        raise ReleaseError(f"it names no licence for {', '.join(bare)}.")
    return f"{len(parts)} parts, all with a licence"


def _deb(file: Path, version: str) -> str:
    if (program := shutil.which("dpkg-deb")) is None:
        return "not looked into: there is no dpkg-deb here"
    command = (program, "--field", str(file), "Package", "Version")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if f"Version: {version}" not in done.stdout:
        raise ReleaseError(f"dpkg-deb says: {(done.stdout or done.stderr).strip()}")
    return "its control file states this version"


def both_are_there(folder: Path, version: str) -> str:
    """Check that the two files that every release has are there."""
    for name in (f"offramp-{version}-py3-none-any.whl", f"offramp-{version}.tar.gz"):
        if not (folder / name).is_file():
            raise ReleaseError(f"{folder / name} is missing. Run: make build")
    return "both are there"


def write_sums(folder: Path, version: str) -> str:
    """Write the checksums as sha256sum does, and which it checks with -c."""
    lines = [f"{_sum(file)}  {file.name}\n" for file in files(folder)]
    if not lines:
        raise ReleaseError(f"there are no files of {version} in {folder}.")
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return f"{len(lines)} files, in {SUMS}"


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


if __name__ == "__main__":
    main()
