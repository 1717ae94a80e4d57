"""How this Offramp came here, and so how it goes: a folder of our installers, or another's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import purge
from offramp_core.errors import OfframpError
from offramp_core.login_item.executables import COMMAND_LINE, DAEMON, app_folder, bundle_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OTHERS = {
    "/pipx/venvs/": "pipx uninstall offramp",
    "/uv/tools/": "uv tool uninstall offramp",
    "/Cellar/": "brew uninstall offramp",
    "/usr/lib/offramp/": "sudo apt remove offramp",
    "/Offramp.app/": "brew uninstall --cask offramp, or move Offramp.app to the Trash",
}


def removable(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """What an installer of ours made and what is there now: links on the path, then a folder."""
    for folder in (app_folder(environ, home), bundle_folder(home)):
        for name in (COMMAND_LINE, DAEMON):
            link = home / ".local" / "bin" / name
            if link.is_symlink() and link.parent.joinpath(link.readlink()).is_relative_to(folder):
                yield link
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def remove(path: Path) -> None:
    """Remove one of these; a running program keeps what it has loaded.

    Raises:
        OfframpError: it can't be removed, or not all of it.
    """
    try:
        purge.delete(path)
    except OSError as error:
        raise OfframpError(
            f"{path} can't be removed: {error.strerror}.", hint="Remove it by hand."
        ) from error


def other_removal(prefix: str = sys.prefix) -> str | None:
    """The command that removes an Offramp that somebody else installed; None if that is unknown."""
    for part, command in _OTHERS.items():
        if part in f"{Path(prefix).resolve()}/":
            return command
    return None
