"""Where every program of a bundle begins: restores the environment, then starts what was asked.

`offramp-daemon` is a link to `offramp`: the name by which this process was called decides. The
programs that have no command of their own are named by an option (`offramp_core.programs`).
"""

from __future__ import annotations

import importlib
import os
import sys

from offramp_core import programs
from offramp_core.programs import MODULES, PART_OPTION, Program


def chosen(arguments: list[str]) -> Program:
    """Take from the process's `arguments` which program it is to be."""
    if arguments[1:2] == [PART_OPTION]:
        wanted = arguments[2] if len(arguments) > 2 else ""
        for name in MODULES:
            if name == wanted:
                del arguments[1:3]
                return name
        sys.exit(f"offramp: There is no part {wanted!r} in this bundle.")
    if arguments[0].rpartition(os.sep)[2] == "offramp-daemon":
        return "offramp-daemon"
    if len(arguments) == 1 and programs.is_opened_as_app(os.environ):
        arguments.append("tray")
    return "offramp"


def main() -> None:
    """Be one of Offramp's programs."""
    programs.restore_environment(os.environ)
    sys.argv[0] = programs.called_path(sys.argv[0], os.environ)
    importlib.import_module(MODULES[chosen(sys.argv)]).main()


main()
