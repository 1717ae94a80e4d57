"""Masks what is or looks like a credential in text: the last line of defence, never the first.

Nothing that holds a credential should come here at all. What does (another service's error message,
say) leaves as `***`, however it is spelt. Pure: text in, text out.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from offramp_core.services import SERVICES
from offramp_core.spellings import forms_of, views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offramp_core.spellings import Form, Span, View

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
    r"|eyJ[\w-]{6,2000}+\.[\w-]{4,}(?:\.[\w-]+)?)"  # a JSON web token; its head is bounded
)
_LOGIN = re.compile(r"\A([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"([?#]).*", re.DOTALL)
_BEARER = re.compile(r"(?<![A-Za-z])(bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
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
    return _masked(text, (span for view in views(text) for span in _by_looks(view)))


def mask_address(address: str) -> str:
    """A proxy's address without a login or a query, in any form in which somebody wrote it.

    It may have no scheme, and its password may hold a slash.
    """
    text = _LOGIN.sub(lambda found: f"{found[1] or ''}{MASK}@", address)
    return mask_credentials(_QUERY.sub(rf"\1{MASK}", text))


def holds_key(text: str) -> bool:
    """Whether a part of `text` has the shape of a key or of a login's token."""
    return any(_SHAPE.search(view.text) is not None for view in views(text))


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
    """Masks credentials by shape, by name, and those that it was told by value.

    A value is known in each of its spellings, in another case, and by a part of it: a service may
    quote the key that it got cut short.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Know `secrets`."""
        self._secrets: tuple[str, ...] = ()
        self._forms: tuple[Form, ...] = ()
        self._folded_blocks: tuple[str, ...] = ()
        self._coded_blocks: tuple[str, ...] = ()
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Mask `secret` from now on."""
        if len(secret) >= _LEAST and secret not in self._secrets:
            self._secrets += (secret,)
            self._forms += forms_of(secret)
            self._folded_blocks = _blocks(form for form in self._forms if not form.is_coded)
            self._coded_blocks = _blocks(form for form in self._forms if form.is_coded)

    def redact(self, text: str) -> str:
        """`text` without credentials."""
        spans = (
            span
            for view in views(text)
            for find in (self._by_value, _by_looks)
            for span in find(view)
        )
        return _masked(text, spans)

    def hide_values(self, text: str) -> str:
        """`text` without the known values; what only looks like a credential stays.

        JSON stays JSON, since no more than a part of a string is masked.
        """
        return _masked(text, (span for view in views(text) for span in self._by_value(view)))

    def holds(self, text: str) -> bool:
        """Whether a known value is in `text`."""
        return any(True for view in views(text) for _ in self._by_value(view))

    def _by_value(self, view: View) -> Iterator[Span]:
        folded, coded = view.folded, view.coded
        is_worth_while = any(block in folded for block in self._folded_blocks) or any(
            block in coded for block in self._coded_blocks
        )
        for form in self._forms if is_worth_while else ():
            for span in form.find(view):
                yield view.origin(span)


@functools.lru_cache(maxsize=32)
def redactor_of(*secrets: str) -> Redactor:
    """A redactor for these; the same one every time. It is not to be given any more of them."""
    return Redactor(secrets)


def _blocks(forms: Iterable[Form]) -> tuple[str, ...]:
    """The parts of which one stands in each text in which one of `forms` does."""
    return tuple(block for form in forms for _, block in form.blocks)


def _by_looks(view: View) -> Iterator[Span]:
    """What has the shape or the name of a credential."""
    text = view.text
    for match in _SHAPE.finditer(text):
        yield view.origin(match.span())
    if "://" in text:
        for match in _USER_INFO.finditer(text):
            yield view.origin(match.span())
    lowered = view.folded
    if not any(hint in lowered for hint in _HINTS):
        return
    for pattern in (_BEARER, _NAMED, _COOKIE):
        for match in pattern.finditer(text):
            yield view.origin((match.end(1), match.end()))


def _masked(text: str, spans: Iterable[Span]) -> str:
    pieces: list[str] = []
    last = 0
    for start, end in _merged(spans):
        pieces += (text[last:start], MASK)
        last = end
    pieces.append(text[last:])
    return "".join(pieces) if last else text


def _merged(spans: Iterable[Span]) -> list[Span]:
    """`spans` in their order, those that touch as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
