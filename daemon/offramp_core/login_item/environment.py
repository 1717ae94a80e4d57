"""The few variables that a login item hands to the daemon: where its folders are, nothing secret.

A service manager's own environment is not the shell's, so a folder that was moved by a variable
would not be found there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_core.paths import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTS = {
    HOME_VARIABLE: None,
    "CLAUDE_CONFIG_DIR": ".claude",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
}
"""What it may need, and where each stands below the home folder on Linux if nobody sets it."""
_SESSION_FOLDER = "XDG_RUNTIME_DIR"
_XDG = "XDG_"


def needed(
    environ: Mapping[str, str], home: Path, folder: Path, *, platform: str = sys.platform
) -> dict[str, str]:
    """The variables of `environ` that move a folder from its default, as absolute paths.

    `folder` is the one from which a relative path of ours counts. On macOS each one that is set
    moves its folder: without it that is below ~/Library.

    Raises:
        OfframpError: no login item's file can hold a value.
    """
    moved = {}
    for name, default in _DEFAULTS.items():
        value = environ.get(name)
        if not value:
            continue
        if not value.isprintable():
            raise OfframpError(
                f"{name} contains a character that a login item can't: {value!r}.",
                hint="Use a folder without line ends or control characters in its name.",
            )
        if name.startswith(_XDG) and not Path(value).is_absolute():
            continue  # which the standard says is to be ignored, and every program does
        path = folder / Path(value).expanduser()
        if default is None or platform == "darwin" or path != home / default:
            moved[name] = str(path)
    return moved


def seen_by_daemon(
    environ: Mapping[str, str], moved: Mapping[str, str], *, platform: str = sys.platform
) -> dict[str, str]:
    """Return what of the shell's environment the daemon will have; it will have all of `moved`."""
    names = ("HOME",) if platform == "darwin" else ("HOME", _SESSION_FOLDER)
    system = {name: environ[name] for name in names if name in environ}
    return {**system, **moved}
