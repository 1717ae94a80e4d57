"""Who issued a certificate that was not trusted: read from its bytes, by hand.

`ssl` decodes a certificate only after it has verified it, and the issuer's name is the very thing
that says which company's proxy, or whose mistake, stands in between. Of the encoding (DER, X.690)
it knows what leads there and no more; whatever is otherwise has no issuer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE = 0x30
_VERSION = 0xA0
_COMMON_NAME = bytes.fromhex("0603550403")
_ORGANISATION = bytes.fromhex("060355040a")
_LONGEST_LENGTH_BYTES = 4
_BIG_ENDIAN_TEXT = {0x1E: "utf-16-be", 0x14: "latin-1"}
"""How texts of some types are encoded; all others are UTF-8 or a part of it."""


def issuer_of(der: bytes) -> str | None:
    """The issuer's organisation, else its common name; None where `der` is not a certificate."""
    try:
        ((_, certificate),) = _items(der)
        (_, body), *_ = _items(certificate)
        fields = [field for field in _items(body) if field[0] != _VERSION]
        # Serial number, algorithm, issuer.
        kind, issuer = fields[2]
        return _name(issuer) if kind == _SEQUENCE else None
    except (ValueError, IndexError):
        return None


def _name(name: bytes) -> str | None:
    texts: dict[bytes, str] = {}
    for _, part in _items(name):
        for _, pair in _items(part):
            (_, identifier), (kind, value), *_ = _items(pair)
            encoding = _BIG_ENDIAN_TEXT.get(kind, "utf-8")
            texts[identifier] = value.decode(encoding, errors="replace")
    return texts.get(_ORGANISATION[2:]) or texts.get(_COMMON_NAME[2:])


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each item in `data`.

    Raises:
        ValueError: an item goes beyond the end.
    """
    while data:
        kind, size, start = data[0], data[1], 2
        if size & 0x80:
            count = size & 0x7F
            if not 0 < count <= _LONGEST_LENGTH_BYTES:
                raise ValueError("no length of a certificate's")
            size = int.from_bytes(data[2 : 2 + count])
            start += count
        end = start + size
        if end > len(data):
            raise ValueError("cut off")
        yield kind, data[start:end]
        data = data[end:]
