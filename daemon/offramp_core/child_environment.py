"""Makes the environment for other programs that are started: without the user's keys.

A program for a notification, for the clipboard or for a version number has no use for a key, and
may write its environment into a crash report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_core.redaction import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = re.compile(
    r"API_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE|AUTHORIZATION"
    r"|(?:\A|_)KEYS?(?:_|\Z)|(?:_|\ASSH)PASS\Z|_(?:PWD|PAT|AUTH|HEADERS)\Z",
    re.IGNORECASE,
)
_NEEDED = frozenset({"XDG_ACTIVATION_TOKEN"})
"""A window's right to come to the front is no secret."""
_PROXY = "_proxy"
"""A notification may have to go through a proxy, whose address can hold a login."""


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy `environ` without what is a credential by its name, or holds one by its looks."""
    return {name: value for name, value in environ.items() if not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    if name in _NEEDED or name.lower().endswith(_PROXY):
        return False
    return _NAMES.search(name) is not None or mask_credentials(value) != value
