"""How the programs of Offramp start each other: the only place that starts `sys.executable`.

From an environment, a program is a module that its Python runs. A bundle has no Python to run
modules with: `sys.executable` is the bundle's own `offramp` there, which takes an option for the
programs that have no command of their own. Standard library only: the supervisor needs it.
"""

from __future__ import annotations

import os
import sys
from typing import Final, Literal

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


def is_bundled() -> bool:
    """Return whether this process runs from a bundle, which has its own Python inside."""
    return getattr(sys, "frozen", False) is True


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
