"""What to type for `offramp`, where a hint tells people to: the program as it was started.

In a checkout it is `.venv/bin/offramp`, which no shell finds by its name.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "offramp"
_IN_TEXT = re.compile(rf"(?<![\w/.-]){_NAME}(?= [a-z])")
"""The program; what people call the product has a capital."""


def as_typed(words: Iterable[str] | None = None) -> str:
    """Return what starts this program in this shell: `offramp` where the PATH leads to it."""
    started = next(iter(sys.argv if words is None else words), "")
    if Path(started).name != _NAME or os.sep not in started:
        return _NAME
    found = shutil.which(_NAME)
    if found is not None and _is_same(found, started):
        return _NAME
    return shlex.quote(started)


def in_hints(text: str) -> str:
    """Return `text` with each `offramp COMMAND` in it as it can be typed in this shell."""
    name = as_typed()
    return text if name == _NAME else _IN_TEXT.sub(lambda _: name, text)


def _is_same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
