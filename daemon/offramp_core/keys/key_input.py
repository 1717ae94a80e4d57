"""Reads a key that somebody typed or pasted, and refuses what is plainly none.

No message shows what was typed: it may still be a key.
"""

from __future__ import annotations

import re

from offramp_core.errors import OfframpError
from offramp_core.services import anthropic, service_of
from offramp_core.settings import Backend, Secret
from offramp_core.wording.formatting import backend_name

USUAL_SHAPE = "32 hexadecimal digits, a dot and more characters"
"""The shape of all keys whose shape is known, in words."""

_VISIBLE_ASCII = re.compile(r"[!-~]+")
_ASSIGNMENT = re.compile(r"(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=")
_SCHEME = re.compile(r"bearer\s|authorization|x-api-key", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z]+://", re.IGNORECASE)
_LONGEST = 4096


class KeyTextError(OfframpError):
    """What was given is not a key."""


def parse(text: str, backend: str) -> Secret:
    """Read the key for `backend` in `text`, without blanks and line ends around it.

    Raises:
        KeyTextError: there is none, or it is plainly something else.
    """
    key = text.strip().removeprefix("\ufeff").strip()
    if not key:
        raise KeyTextError(
            "No key was given.",
            hint=f"Type it at the prompt, or pipe it in: offramp key set {backend} < FILE",
        )
    problem = _problem(key, backend)
    if problem:
        raise KeyTextError(
            f"This is not a key for {backend_name(backend)}: it {problem[0]}.",
            hint=f"{problem[1]} Nothing was stored.",
        )
    return Secret(key)


def has_usual_shape(key: Secret, backend: str) -> bool:
    """Whether `key` looks as this backend's keys do; True where that is not known."""
    shape = service_of(backend).key_shape
    return not shape or re.fullmatch(shape, key.reveal()) is not None


def takes_key(backend: Backend) -> bool:
    """Whether this backend gets a key of its own, not the client's credentials."""
    return backend.takes_key


def _problem(key: str, backend: str) -> tuple[str, str] | None:
    """What is wrong with `key`, and the cure."""
    only_the_key = "Give only the key."
    if key.startswith(anthropic.CREDENTIAL_PREFIX):
        return (
            "is a credential for Anthropic, which must never go to another service",
            f"Use the key for {backend} from {service_of(backend).key_source}.",
        )
    if _SCHEME.match(key):
        return "begins with the name of a header or with Bearer", only_the_key
    if _ASSIGNMENT.match(key):
        return "is an assignment, NAME=value", f"{only_the_key} It comes after the = sign."
    if key[0] in "\"'" or key[-1] in "\"'":
        return "is in quotes", f"{only_the_key} Remove the quotes."
    if _ADDRESS.match(key):
        return (
            "is an address",
            "A key is not an address; copy it from the service's page for API keys.",
        )
    if len(key.splitlines()) > 1:
        return "is more than one line", only_the_key
    if not _VISIBLE_ASCII.fullmatch(key):
        return (
            "contains a space, a control character or a letter that no key has",
            "Copy it again: only the key, on one line.",
        )
    if len(key) > _LONGEST:
        return f"is longer than {_LONGEST} characters", only_the_key
    return None
