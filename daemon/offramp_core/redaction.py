"""Masks what looks like a credential in text: the last line of defence, never the first.

Nothing that holds a credential should come here at all. What does, all the same (another library's
error message, say), leaves as `***`. Pure: text in, text out.
"""

from __future__ import annotations

import functools
import json
import re
from urllib.parse import quote

from offramp_core.services import SERVICES

MASK = "***"

_NAME = (
    r"(?:authorization|api[-_]?key|(?:access|auth|refresh|id|client|offramp|session)[-_]token"
    r"|passwd|password|secret)"
)
_KEY_SHAPES = "".join(f"|{service.key_shape}" for service in SERVICES if service.key_shape)
_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(?:sk-[\w-]{6,}"  # Anthropic's, and others of that make
    rf"{_KEY_SHAPES}"
    r"|eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]+)?)"  # a JSON web token
)
_BEARER = re.compile(r"(?<![A-Za-z])(bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/\s@'\"]+@")
_SEPARATOR = r"\\?[\"']?\s*[:=]\s*|\\?[\"']\s*,\s*"
_NAMED = re.compile(
    rf"({_NAME}(?:{_SEPARATOR}))"
    r"(?:b?\"(?:[^\"\\]|\\.)*\"|b?'(?:[^'\\]|\\.)*'"
    r"|\\?[\"']?(?:(?:bearer|basic)\s+)?[^\s\"',;&)}\]\\]+)",
    re.IGNORECASE,
)
_COOKIE = re.compile(rf"(cookie(?:{_SEPARATOR}))b?[\"']?[^\"'\r\n]+", re.IGNORECASE)
_HINTS = ("bearer", "authorization", "key", "token", "passw", "secret", "cookie")
"""Text without any of these needs no search by name, which is slow."""
_MODEL_NAME = re.compile(r"\w[\w.:/@+()\[\]-]{0,199}")
_CREDENTIAL_NAME = re.compile(rf"[\w-]*(?:{_NAME}|cookie)", re.IGNORECASE)
_LEAST = 4
"""A shorter value cannot be told from ordinary text."""


def mask_credentials(text: str) -> str:
    """`text` with everything masked that has the shape, or the name, of a credential."""
    text = _SHAPE.sub(MASK, text)
    if "://" in text:
        text = _USER_INFO.sub(f"{MASK}@", text)
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    return _COOKIE.sub(rf"\1{MASK}", text)


def holds_key(text: str) -> bool:
    """Whether a part of `text` has the shape of a key or of a login's token."""
    return _SHAPE.search(text) is not None


@functools.lru_cache(maxsize=256)
def model_name(text: str) -> str:
    """A model's name, fit for a file; what does not look like one, or holds a key, becomes `***`.

    Clients and services may write anything where the name belongs.
    """
    return MASK if _MODEL_NAME.fullmatch(text) is None or holds_key(text) else text


def is_credential_name(name: str) -> bool:
    """Whether a value of this name is masked whatever it looks like."""
    return _CREDENTIAL_NAME.fullmatch(name) is not None


class Redactor:
    """Masks credentials by shape, by name, and those that it was told by value."""

    def __init__(self) -> None:
        """Know no values yet."""
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, secret: str) -> None:
        """Mask `secret` from now on, also where it is quoted for JSON or for an address."""
        if len(secret) < _LEAST:
            return
        self._values |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
        # The longest first: a secret may begin with another one.
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(value) for value in longest_first))

    def redact(self, text: str) -> str:
        """`text` without credentials."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return mask_credentials(text)
