"""Writes the Homebrew cask and formula of a release into the folder that has its files.

Usage: homebrew.py FOLDER [--address URL] [--homepage URL]

`--address` is where the release's files are downloaded from, without the file's name; `--homepage`
is the project's page. Both default to the values in `[tool.offramp]` of pyproject.toml (`source`
and `homepage`). As long as nobody has published Offramp these are empty, and nothing is written.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from pathlib import Path

_HERE = Path(__file__).parent
_TOP = _HERE.parents[1]
_CASK, _FORMULA = "offramp-cask.rb", "offramp-formula.rb"
_ARCHITECTURES = ("arm64", "x86_64")
_ADDRESS = re.compile(r"https://[\w.-]+(:\d+)?(/[\w.~%/-]*)?")
_UNSIGNED = """\
This build is not signed, so macOS refuses to open it at first. Allow it in
    System Settings > Privacy & Security > Open Anyway."""


def main() -> None:
    """Write both files, or say why not."""
    parser = argparse.ArgumentParser(description="Write the Homebrew cask and formula.")
    parser.add_argument("folder", type=Path, help="the folder with the release's files")
    parser.add_argument("--address", default="", help="where the files are downloaded from")
    parser.add_argument("--homepage", default="", help="the project's page")
    given = parser.parse_args()
    version = project_version()
    values = tomllib.loads((_TOP / "pyproject.toml").read_text("utf-8"))["tool"].get("offramp", {})
    source = values.get("source", "").rstrip("/")
    address = given.address or (f"{source}/releases/download/v{version}" if source else "")
    homepage = given.homepage or values.get("homepage", "")
    for name, text in (("--address", address), ("--homepage", homepage)):
        if not _ADDRESS.fullmatch(text):
            what = f"{text!r} is not an https address" if text else "it is not known yet"
            sys.exit(f"homebrew.py: {what}: pass {name}, or set it in pyproject.toml.")
    for name, text in texts(given.folder, version, address, homepage).items():
        (given.folder / name).write_text(text, encoding="utf-8")
        print(given.folder / name)


def project_version() -> str:
    """Return the version that the package states."""
    text = (_TOP / "daemon" / "offramp_core" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        sys.exit("homebrew.py: daemon/offramp_core/__init__.py states no version.")
    return found[1]


def texts(folder: Path, version: str, address: str, homepage: str) -> dict[str, str]:
    """Return the text of each file, by its name."""
    images = [folder / f"offramp-{version}-macos-{each}.dmg" for each in _ARCHITECTURES]
    # The image is the signed one; both or neither: the cask has one address for both.
    kind = "dmg" if all(image.is_file() for image in images) else "zip"
    common = {"VERSION": version, "ADDRESS": address.rstrip("/"), "HOMEPAGE": homepage}
    cask = common | _sums(folder, version, kind) | {"KIND": kind}
    cask["GATEKEEPER"] = "" if kind == "dmg" else _UNSIGNED
    linux = folder / f"offramp-{version}-linux-x86_64.tar.gz"
    formula = common | _sums(folder, version, "zip") | {"SHA256_LINUX": _sum(linux)}
    return {
        _CASK: _filled(_HERE / "cask.rb.in", cask),
        _FORMULA: _filled(_HERE / "formula.rb.in", formula),
    }


def _sums(folder: Path, version: str, kind: str) -> dict[str, str]:
    return {
        f"SHA256_{each.upper()}": _sum(folder / f"offramp-{version}-macos-{each}.{kind}")
        for each in _ARCHITECTURES
    }


def _sum(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        sys.exit(f"homebrew.py: {file} can't be read: {error.strerror}.")


def _filled(template: Path, values: dict[str, str]) -> str:
    text = re.sub(r"@([A-Z0-9_]+)@", lambda found: values[found[1]], template.read_text("utf-8"))
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).replace("\n\n  EOS", "\n  EOS")


if __name__ == "__main__":
    main()
