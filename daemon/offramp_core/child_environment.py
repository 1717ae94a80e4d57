"""Makes the environment for other programs that are started: without the user's keys.

A program for a notification, for the clipboard or for a version number has no use for a key, and
may write its environment into a crash report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_core.redaction import holds_key

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = re.compile(r"(?:.*_)?(?:API_?)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)", re.I)
_NEEDED = frozenset({"XDG_ACTIVATION_TOKEN"})
"""A window's right to come to the front is no secret."""


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy `environ` without what is a credential by its name, or has the shape of a known key."""
    return {
        name: value
        for name, value in environ.items()
        if name in _NEEDED or not (_NAMES.fullmatch(name) or holds_key(value))
    }
