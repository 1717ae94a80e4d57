"""Trees of earlier commits, taken from git, for tests of upgrades."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("daemon", "tray", "dashboard_qt")


def take_out(commit: str, folder: Path) -> str:
    """Write the sources of `commit` into `folder`; their import path, as `PYTHONPATH` has it.

    Skips the test where git, or the commit, is not there: in an unpacked release, or a clone whose
    history is cut short.
    """
    archive = folder / "tree.tar"
    folder.mkdir(parents=True)
    git = ("git", "-c", "safe.directory=*", "-C", str(_ROOT), "archive", f"--output={archive}")
    try:
        done = subprocess.run([*git, commit, *_FOLDERS], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("the older tree comes from git, which is not installed")
    if done.returncode != 0:
        why = done.stderr.decode().strip()
        pytest.skip(f"the older tree is not in this clone (a cut history, or no clone): {why}")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return os.pathsep.join(str(folder / name) for name in _FOLDERS)
