"""Writes the licence texts of all that is in a bundle; fails where a part has none.

Run by the Python that built the bundle: `licenses.py BUNDLE`. It reads what offramp.spec noted in
`_internal/inventory.json`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT = "THIRD-PARTY-LICENSES"
_TEXT = re.compile(
    r"(^|/)(licen[cs]es?/[^/]+|(un)?licen[cs]e|copying|notice|copyright)[^/]*$", re.IGNORECASE
)
_LGPL = ("pystray", r"COPYING(\.LGPL)?$")
_APACHE = ("aiohttp", r"LICENSE[^/]*$")
_BORROWED = {
    # Their wheels carry no text. It is the same licence as pystray's: LGPL 3, which adds to GPL 3.
    "pyside6-essentials": _LGPL,
    "shiboken6": _LGPL,
}
_DOCS = Path("/usr/share/doc")
_COMMON = re.compile(r"/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]")

INTRODUCTION = """\
Offramp's own licence is in the file LICENSE. This bundle also holds the programs and libraries
below, each under its own licence.

Replacing the LGPL libraries
----------------------------
Qt, PySide6 and shiboken6 are used under the GNU LGPL, version 3, and so is pystray. You may replace
them with versions of your own:

- Qt, PySide6 and shiboken6 are the files in _internal/PySide6 and _internal/shiboken6. Put your
  build of the same version (the lists below name it) in their place, under the same file names.
- pystray is the Python code in _internal/pystray. Put your files in the place of those.

Their sources: https://download.qt.io/official_releases/QtForPython/ and
https://github.com/moses-palmer/pystray. Qt contains code of other projects, which
https://doc.qt.io/qt-6/licenses-used-in-qt.html lists with their licences.
"""


class MissingLicenseError(Exception):
    """A part of the bundle has no licence text."""


def texts_of(name: str) -> Iterator[str]:
    """Yield the licence texts that a distribution brings along."""
    owner, pattern = _BORROWED.get(name.lower().replace("_", "-"), (name, ""))
    yield from _files_of(owner, pattern)


def _files_of(name: str, pattern: str) -> Iterator[str]:
    for file in metadata.distribution(name).files or ():
        path = file.as_posix()
        is_text = _TEXT.search(path) and ".dist-info/" in path
        if is_text and re.search(pattern, path):
            yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


def texts_of_library(library: dict[str, str]) -> Iterator[str]:
    """Yield the licence texts of a library of the system, as its package gives them."""
    copyright_file = _DOCS / library["package"] / "copyright"
    if library["package"] and copyright_file.exists():
        text = copyright_file.read_text(encoding="utf-8", errors="replace")
        yield text
        for common in sorted({Path(found).resolve() for found in _COMMON.findall(text)}):
            if common.is_file():
                yield common.read_text(encoding="utf-8", errors="replace")
    elif re.match(r"lib(ssl|crypto)\b", library["file"]):
        yield from _files_of(*_APACHE)


def texts_of_python() -> Iterator[str]:
    """Yield Python's licence, where it is not that of a package of the system."""
    for folder in (Path(os.__file__).parent, Path(sys.base_prefix)):
        for file in (folder / "LICENSE.txt", folder / "LICENSE"):
            if file.exists():
                yield file.read_text(encoding="utf-8", errors="replace")
                return


def sections(inventory: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    """Yield one section for each part.

    Raises:
        MissingLicenseError: a part has no text.
    """
    for part in inventory["distributions"]:
        yield _section(f"{part['name']} {part['version']}", texts_of(part["name"]))
    of_packages: dict[str, list[str]] = {}
    for library in inventory["libraries"]:
        title = f"{library['package']} {library['version']}".strip() or library["file"]
        if title not in of_packages:
            of_packages[title] = [*texts_of_library(library)]
            yield _section(f"{title} (a library of the system)", of_packages[title])
    if not any("python3" in title for title in of_packages):
        yield _section(f"Python {sys.version.split()[0]}", texts_of_python())


def _section(title: str, texts: Iterator[str] | list[str]) -> str:
    body = "\n".join(text.strip() + "\n" for text in texts)
    if not body.strip():
        raise MissingLicenseError(f"There is no licence text of {title}.")
    line = "=" * 100
    return f"{line}\n{title}\n{line}\n\n{body}\n"


def main() -> None:
    """Write the file into the bundle that the arguments name."""
    bundle = Path(sys.argv[1])
    inventory = json.loads((bundle / "_internal" / "inventory.json").read_text(encoding="utf-8"))
    try:
        parts = [*sections(inventory)]
    except MissingLicenseError as error:
        sys.exit(f"{error} Add it in packaging/bundle/licenses.py, or leave that part out.")
    (bundle / OUTPUT).write_text("\n".join([INTRODUCTION, *parts]), encoding="utf-8")
    print(f"{OUTPUT}: the licences of {len(parts)} parts.")


if __name__ == "__main__":
    main()
