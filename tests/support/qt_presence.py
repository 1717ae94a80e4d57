"""Whether Qt can be loaded; where it can't, the tests that need it are skipped with the reason.

Python finds PySide6 on every machine that the tests are set up on, but Qt itself loads libraries of
the system, which a server or a container may not have.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PREFIX = "PySide6."


def _problem() -> str | None:
    """Why Qt can't be loaded; None where it can."""
    try:
        for name in ("QtCore", "QtGui", "QtWidgets", "QtTest"):
            importlib.import_module(_PREFIX + name)
    except ImportError as error:
        return f"Qt can't be loaded, so the window is not tested; make setup says more ({error})"
    return None


PROBLEM = _problem()


class _Skipping(MetaPathFinder):
    """Has whatever imports one of Qt's modules skipped: a whole test module, or a single test."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(_PREFIX):
            pytest.skip(str(PROBLEM), allow_module_level=True)
        return None


def skip_what_imports_it() -> None:
    """Skip each test from now on that imports a module of Qt's."""
    for name in [name for name in sys.modules if name.startswith(_PREFIX)]:
        del sys.modules[name]  # those that could be loaded, without the others
    sys.meta_path.insert(0, _Skipping())
