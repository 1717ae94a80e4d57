"""Lets a test that root would pass too easily run as nobody."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOBODY = 65534


def open_to_others(tmp_path: Path) -> None:
    """Let everybody into a test's folder, which pytest keeps in folders of its own for its user."""
    made_by_pytest = [one for one in tmp_path.parents if one.name.startswith(("pytest-", "popen-"))]
    for folder in (tmp_path, *made_by_pytest):
        folder.chmod(folder.stat().st_mode | 0o055)


@contextlib.contextmanager
def without_root() -> Iterator[None]:
    """Be nobody for the length of the context, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
