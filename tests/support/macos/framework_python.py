"""Stands in for a framework build of Python: its processes do not show which environment they use.

On macOS `bin/python` of an environment is a stub that starts .../Python.app/Contents/MacOS/Python
and makes that its first word (python/cpython, Mac/Tools/pythonw.c). The environment it belongs to
is handed on in a variable, so `sys.prefix` is right while the command line has nothing of it. Here
a link at such a path does the same: beside it lies what tells Python its environment.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def turn_into_framework_build(environment: Path, folder: Path) -> Path:
    """Have the Python of `environment` run from a framework in `folder`; return the program's path.

    What is loaded from the environment's packages is still loaded from there.
    """
    contents = folder / f"Python.framework/Versions/{_VERSION}/Resources/Python.app/Contents"
    program = contents / "MacOS" / "Python"
    program.parent.mkdir(parents=True)
    stub = environment / "bin" / "python"
    program.symlink_to(Path(os.path.realpath(stub)))
    (contents / "pyvenv.cfg").write_text(
        (environment / "pyvenv.cfg").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (contents / "lib").symlink_to(environment / "lib")
    for name in ("python", "python3", f"python{_VERSION}"):
        (environment / "bin" / name).unlink(missing_ok=True)
        (environment / "bin" / name).write_text(
            f'#!/bin/sh\nexec {shlex.quote(str(program))} "$@"\n', encoding="utf-8"
        )
        (environment / "bin" / name).chmod(0o755)
    return program
