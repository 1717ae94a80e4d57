"""Recognises the refusals of thinking that a request without thinking gets past. Pure."""

from __future__ import annotations

import re

from offramp_daemon.wire.content_coding import ContentCodingError, decode_all

_LIMIT_BYTES = 1024 * 1024
_REFUSALS = re.compile(
    rb"invalid\W+(?:signature|data)\W+in\W+(?:redacted_)?thinking"
    rb"|expected\W+(?:\w+\W+or\W+)?thinking"
    rb"|(?:thinking|latest assistant message).{0,200}cannot be modified",
    re.IGNORECASE | re.DOTALL,
)


def is_wanted(body: bytes, content_encoding: str) -> bool:
    """Whether the error in `body` says that a thinking block was foreign, missing or changed."""
    try:
        plain = decode_all(body, content_encoding, limit_bytes=_LIMIT_BYTES)
    except ContentCodingError:
        return False
    return _REFUSALS.search(plain) is not None
