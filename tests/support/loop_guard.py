"""Fails a test when code blocks the event loop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from blockbuster import blockbuster_ctx

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def no_blocking(*modules: str) -> Iterator[None]:
    """Refuse blocking calls that `modules` make on the event loop; without any, all such calls."""
    with blockbuster_ctx(scanned_modules=list(modules) or None) as guard:
        for function in guard.functions.values():
            # PySide6, once the tests have loaded it, reads the source of whatever imports anything.
            function.can_block_in("shibokensupport/feature.py", "_mod_uses_pyside")
        yield
