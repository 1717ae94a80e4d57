"""How the programs of Offramp start each other: the only place that starts `sys.executable`.

From an environment, a program is a module that its Python runs. A bundle has no Python to run
modules with: `sys.executable` is the bundle's own `offramp` there, which takes an option for the
programs that have no command of their own. Standard library only: the supervisor needs it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

Program = Literal["offramp", "offramp-daemon", "keyring", "charts-check"]

MODULES: Final[dict[Program, str]] = {
    "offramp": "offramp_cli",
    "offramp-daemon": "offramp_daemon.supervisor.__main__",
    "keyring": "offramp_core.keys.keyring_process",
    "charts-check": "offramp_dashboard.library_check",
}
"""The module of each program, whose `main` runs it."""

PART_OPTION: Final = "--part"
"""In a bundle, `offramp --part NAME` starts the program of that name."""

APP_ID: Final = "local.offramp"
"""By which macOS knows Offramp.app."""

_APP_VARIABLE = "__CFBundleIdentifier"
_OF_BUNDLE = "_PYI_"
_ORIGINAL = "_ORIG"
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""PyInstaller sets the path of this system, and keeps what was set in a variable beside it."""


def is_bundled() -> bool:
    """Return whether this process runs from a bundle, which has its own Python inside."""
    return getattr(sys, "frozen", False) is True


def is_opened_as_app(environ: Mapping[str, str]) -> bool:
    """Return whether macOS started this process as an app, by a double click for example.

    What runs in a terminal has the terminal's id there.
    """
    return environ.get(_APP_VARIABLE) == APP_ID


def start_command(program: Program) -> tuple[str, ...]:
    """Return the words that start `program` in the version that runs now."""
    if not is_bundled():
        # -P: nothing in the folder that the user happens to be in is taken for a module of ours.
        return (sys.executable, "-P", "-m", MODULES[program])
    if program == "offramp":
        return (sys.executable,)
    if program == "offramp-daemon":
        return (os.path.join(os.path.dirname(sys.executable), program),)  # noqa: PTH118, PTH120 - pathlib costs memory
    return (sys.executable, PART_OPTION, program)


def restore_environment(environ: MutableMapping[str, str]) -> None:
    """Take out of `environ` what the bundle's start put into it, and put back what was there.

    The start needs it only until Python runs. The system's programs would load the bundle's
    libraries by it, and another version of Offramp would take this one's files for its own.
    """
    for name in [name for name in environ if name.startswith(_OF_BUNDLE)]:
        del environ[name]
    for name in _LIBRARY_PATHS:
        before = environ.pop(f"{name}{_ORIGINAL}", None)
        environ.pop(name, None)
        if before is not None:
            environ[name] = before


def called_path(called: str, environ: Mapping[str, str]) -> str:
    """Return the path behind `called`, as which the shell started this process from its PATH.

    A script gets it from the system; a bundle only the word that was typed.
    """
    if os.sep in called:
        return called
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, called)  # noqa: PTH118 - pathlib costs memory
        if os.path.isabs(path) and os.access(path, os.X_OK):  # noqa: PTH117 - the same
            return path
    return called
