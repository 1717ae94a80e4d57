"""Finds the path by which a program of ours can be named in a file that outlives an upgrade.

What runs now is often in a versioned folder (a package manager's cellar, our own environments),
which the next upgrade takes away; a link leads there that stays. It only looks.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import programs
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DAEMON = "offramp-daemon"
"""What a login item runs."""
COMMAND_LINE = "offramp"

APP_FOLDER = "offramp-app"
"""The folder of `make install`, below the data folder of the user's programs."""
CURRENT = "current"
"""The link in it that leads to the environment in use."""

_LINK_FOLDERS = (
    "/usr/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
)
BUNDLE_FOLDERS = ("lib", "offramp")
"""Below /usr or ~/.local: the folder with a folder for each version of the bundle."""

_VERSIONED = re.compile(rf"/(Cellar|{APP_FOLDER}/env-[^/]+|lib/offramp/\d[^/]*|offramp-\d[^/]*)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The absolute paths of our two programs, good until Offramp is removed."""

    daemon: Path
    command_line: Path


def app_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where `make install` puts Offramp.

    The same on every system: below `~/Library/Application Support` each script's first line would
    hold a space, which it can't.
    """
    data = environ.get("XDG_DATA_HOME", "")
    root = Path(data) if Path(data).is_absolute() else home / ".local" / "share"
    return root / APP_FOLDER


def bundle_folder(home: Path) -> Path:
    """Where the bundle's `install.sh` puts each version."""
    return home / ".local" / Path(*BUNDLE_FOLDERS)


def find(environ: Mapping[str, str], home: Path, *, own_folder: Path | None = None) -> Programs:
    """The programs of the installation that runs now; `own_folder` is where its scripts are.

    Raises:
        OfframpError: they are not there, as where only the source is run.
    """
    folder = own_folder or Path(sys.executable).parent
    for name in (DAEMON, COMMAND_LINE):
        if not os.access(folder / name, os.X_OK):
            raise OfframpError(
                f"There is no program {name} in {folder}, so it can't be started at login.",
                hint="Install Offramp: `make install` in a checkout, or pipx, uv tool or brew.",
            )
    found = Programs(
        daemon=stable_path(folder / DAEMON, environ, home),
        command_line=stable_path(folder / COMMAND_LINE, environ, home),
    )
    if programs.is_bundled() and is_versioned(found.daemon):
        raise OfframpError(
            f"Offramp runs from {folder}, where a login item would lose it at the next upgrade.",
            hint=f"Install it first: sh {shlex.quote(str(folder / 'install.sh'))}",
        )
    return found


def stable_path(program: Path, environ: Mapping[str, str], home: Path) -> Path:
    """The path to name `program` by: itself where that lasts, else a link that leads to it."""
    if not is_versioned(program):
        return program
    target = _resolved(program)
    for candidate in _links_to(program, environ, home):
        if not is_versioned(candidate) and _resolved(candidate) == target:
            return candidate
    return program


def is_versioned(program: Path) -> bool:
    """Whether the next upgrade takes the folder of `program` away."""
    return _VERSIONED.search(f"{program}/") is not None


def _links_to(program: Path, environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Where a lasting link may be, the best first."""
    parts = program.parts
    for index, part in enumerate(parts):
        above = Path(*parts[:index])
        if part.startswith("env-") and above.name == APP_FOLDER:
            yield above / CURRENT / Path(*parts[index + 1 :])
        elif part[:1].isdigit() and above.parts[-2:] == BUNDLE_FOLDERS:
            yield above.parents[1] / "bin" / program.name
        elif part == "Cellar" and len(parts) > index + 3:
            yield above / "opt" / parts[index + 1] / Path(*parts[index + 3 :])
    folders = (*environ.get("PATH", "").split(os.pathsep), str(home / ".local/bin"), *_LINK_FOLDERS)
    for folder in folders:
        if Path(folder).is_absolute():
            yield Path(folder) / program.name


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
