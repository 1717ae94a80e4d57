"""Changes single members of a JSON text and leaves the bytes of all others as they are.

Only the containers on the way to a change are put together again (their brackets and commas); every
value that stays is the very slice that came. Duplicate keys count as every parser counts them: the
last one holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Piece = bytes | msgspec.Raw
Part = Piece | list[Piece]
"""A value; a list stands for the array of its pieces, which are joined only with all the rest."""


class SpliceError(Exception):
    """The text is not what it was taken for, or can't be taken apart (bad UTF-8 in a name)."""


value_text: Callable[[str], bytes] = msgspec.json.encode
"""Returns its argument as JSON."""


class _Messages(msgspec.Struct, gc=False):
    messages: list[msgspec.Raw] = []


_MESSAGES = msgspec.json.Decoder(_Messages)
_BEFORE_MESSAGES = b'"messages":['
_NO_ITEMS = b"[]"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def members(text: Piece) -> dict[str, Piece]:
    """The members of the JSON object `text`, in order, their values uncut.

    Raises:
        SpliceError: `text` is not a JSON object.
    """
    try:
        return dict(_OBJECT.decode(text))
    except (ValueError, RecursionError) as error:
        raise SpliceError(str(error)) from error


def items(text: Piece) -> list[Piece]:
    """The items of the JSON array `text`, uncut.

    Raises:
        SpliceError: `text` is not a JSON array.
    """
    try:
        return list(_ARRAY.decode(text))
    except (ValueError, RecursionError) as error:
        raise SpliceError(str(error)) from error


def split(text: bytes) -> tuple[dict[str, Piece], list[Piece] | None]:
    """The members of a request, in order, and the items of its `messages`; None if it has none.

    Raises:
        SpliceError: `text` is not a JSON object.
    """
    found = _split_compact(text)
    if found is not None:
        return found
    parts = members(text)
    try:
        return parts, items(parts["messages"])
    except (KeyError, SpliceError):
        return parts, None


def _split_compact(text: bytes) -> tuple[dict[str, Piece], list[Piece]] | None:
    """Do what `split` does for JSON without white space; None if it can't be done so.

    The messages are most of a body, and are looked at once: the other members are read from what is
    left without them. An empty array there says that the right bytes were left out.
    """
    try:
        messages: list[Piece] = list(_MESSAGES.decode(text).messages)
        if not messages:
            return None
        start = text.find(_BEFORE_MESSAGES + bytes(messages[0])) + len(_BEFORE_MESSAGES)
        end = start + sum(map(len, messages)) + len(messages) - 1
        parts = members(text[:start] + text[end:])
    except (ValueError, RecursionError, SpliceError):
        return None
    return (parts, messages) if bytes(parts.get("messages", b"")) == _NO_ITEMS else None


def starts_with(text: Piece, lead: bytes) -> bool:
    """Whether `text` begins with `lead`; its bytes are not copied."""
    return bytes(memoryview(text)[: len(lead)]) == lead


def join_members(parts: Mapping[str, Part]) -> bytes:
    """A JSON object of `parts`."""
    pieces: list[Piece] = []
    for name, value in parts.items():
        pieces += (b"," if pieces else b"{", value_text(name), b":")
        if isinstance(value, list):
            pieces += _with_commas(value)
        else:
            pieces.append(value)
    pieces.append(b"}" if pieces else b"{}")
    return b"".join(pieces)


def join_items(parts: list[Piece]) -> bytes:
    """A JSON array of `parts`."""
    return b"".join(_with_commas(parts))


def _with_commas(parts: list[Piece]) -> list[Piece]:
    """What an array of `parts` is joined of, in one go: each concatenation would be a copy."""
    if not parts:
        return [_NO_ITEMS]
    pieces: list[Piece] = [b","] * (2 * len(parts) + 1)
    pieces[0], pieces[-1] = b"[", b"]"
    pieces[1::2] = parts
    return pieces


def as_object(value: Piece | None) -> Piece:
    """Return JSON that has to be an object as one: nothing as an empty one, else as its `value`."""
    if value is None or bytes(value) in (b"", b"null"):
        return b"{}"
    return value if starts_with(value, b"{") else b'{"value":' + bytes(value) + b"}"
