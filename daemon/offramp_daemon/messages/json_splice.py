"""Changes single members of a JSON text and leaves the bytes of all others as they are.

Only the containers on the way to a change are put together again (their brackets and commas); every
value that stays is the very slice that came. Duplicate keys count as every parser counts them: the
last one holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

Piece = bytes | msgspec.Raw


class SpliceError(Exception):
    """The text is not what it was taken for, or can't be taken apart (bad UTF-8 in a name)."""


value_text: Callable[[str], bytes] = msgspec.json.encode
"""Returns its argument as JSON."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def members(text: Piece) -> dict[str, Piece]:
    """The members of the JSON object `text`, in order, their values uncut.

    Raises:
        SpliceError: `text` is no JSON object.
    """
    try:
        return dict(_OBJECT.decode(text))
    except (ValueError, RecursionError) as error:
        raise SpliceError(str(error)) from error


def items(text: Piece) -> list[Piece]:
    """The items of the JSON array `text`, uncut.

    Raises:
        SpliceError: `text` is no JSON array.
    """
    try:
        return list(_ARRAY.decode(text))
    except (ValueError, RecursionError) as error:
        raise SpliceError(str(error)) from error


def starts_with(text: Piece, lead: bytes) -> bool:
    """Whether `text` begins with `lead`; its bytes are not copied."""
    return bytes(memoryview(text)[: len(lead)]) == lead


def join_members(parts: dict[str, Piece]) -> bytes:
    """A JSON object of `parts`."""
    pieces: list[Piece] = []
    for name, value in parts.items():
        pieces += (b"," if pieces else b"{", value_text(name), b":", value)
    pieces.append(b"}" if pieces else b"{}")
    return b"".join(pieces)


def join_items(parts: list[Piece]) -> bytes:
    """A JSON array of `parts`."""
    if not parts:
        return b"[]"
    # In one go: of a long conversation each concatenation would be another copy.
    pieces: list[Piece] = [b","] * (2 * len(parts) + 1)
    pieces[0], pieces[-1] = b"[", b"]"
    pieces[1::2] = parts
    return b"".join(pieces)


def as_object(value: Piece | None) -> Piece:
    """Return JSON that has to be an object as one: nothing as an empty one, else as its `value`."""
    if value is None or bytes(value) in (b"", b"null"):
        return b"{}"
    return value if starts_with(value, b"{") else b'{"value":' + bytes(value) + b"}"
