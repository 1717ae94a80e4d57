"""Signatures of thinking blocks, in the form of each service: made here, and known again here.

Anthropic's are long base64, Z.ai's 24 lowercase hex characters. Both are derived from the
thinking's text, so a foreign or altered one is found without keeping anything. Anthropic's are
derived from the conversation before them as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from enum import Enum

_ANTHROPIC_KEY = b"the stand-in for Anthropic signs with this"
_ZAI_KEY = b"the stand-in for Z.ai signs with this"

_LEAD = b"\x12\xb9\x02\x0a\x48\x08\x05"
_MAC_BYTES = 32
_FILLER_BYTES = 214
_ZAI_CHARACTERS = 24


class Seal(Enum):
    """What a signature turns out to be."""

    VALID = "valid"
    OTHER_TEXT = "other-text"
    """Issued here, but for another text."""
    OTHER_PLACE = "other-place"
    """Issued here and for this text, but behind another conversation."""
    FOREIGN = "foreign"


def anthropic_signature(thinking: str, binding: bytes = b"") -> str:
    """Sign `thinking`: base64 of several hundred characters.

    `binding` ties it to more than the text, to the conversation before it, say. Without one it
    holds behind any conversation.
    """
    sealed = _LEAD + _text_mac(thinking) + _place_mac(thinking, binding)
    sealed += hashlib.shake_256(sealed).digest(_FILLER_BYTES)
    return base64.b64encode(sealed + _mac(_ANTHROPIC_KEY, sealed)).decode("ascii")


def check_anthropic(thinking: str, signature: str, binding: bytes = b"") -> Seal:
    """Say whether the stand-in for Anthropic issued `signature`, and for this text and place."""
    raw = _issued(signature)
    if raw is None:
        return Seal.FOREIGN
    text, place = (raw[len(_LEAD) :][at : at + _MAC_BYTES] for at in (0, _MAC_BYTES))
    if not hmac.compare_digest(text, _text_mac(thinking)):
        return Seal.OTHER_TEXT
    places = (_place_mac(thinking, binding), _place_mac(thinking, b""))
    return Seal.VALID if place in places else Seal.OTHER_PLACE


def is_issued_by_anthropic(signature: str) -> bool:
    """Whether `signature`, or the data of a redacted block, was issued here for any text."""
    return _issued(signature) is not None


def redacted_data(seed: str) -> str:
    """The content of a `redacted_thinking` block."""
    return anthropic_signature(seed, b"redacted")


def zai_signature(thinking: str) -> str:
    """The signature of `thinking`: 24 lowercase hex characters."""
    return _mac(_ZAI_KEY, _bytes(thinking)).hex()[:_ZAI_CHARACTERS]


def check_zai(thinking: str, signature: str | None) -> Seal:
    """Tell whether `signature` is Z.ai's for this text; empty and missing ones count as its own."""
    if not signature:
        return Seal.VALID
    if not signature.isascii():
        return Seal.FOREIGN
    return Seal.VALID if hmac.compare_digest(zai_signature(thinking), signature) else Seal.FOREIGN


def _issued(signature: str) -> bytes | None:
    """Decode a signature that was issued here; None for any other."""
    try:
        raw = base64.b64decode(signature.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    sealed, seal = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    return raw if hmac.compare_digest(_mac(_ANTHROPIC_KEY, sealed), seal) else None


def _text_mac(thinking: str) -> bytes:
    return _mac(_ANTHROPIC_KEY, b"text\0" + _bytes(thinking))


def _place_mac(thinking: str, binding: bytes) -> bytes:
    return _mac(_ANTHROPIC_KEY, b"place\0" + binding + b"\0" + _bytes(thinking))


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _bytes(text: str) -> bytes:
    """`text` as bytes, lone surrogates (which clients do send) included."""
    return text.encode("utf-8", "surrogatepass")
