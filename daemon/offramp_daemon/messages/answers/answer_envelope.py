"""Reads the few keys of an event, or of a JSON answer, that a meter wants to know.

Whatever stands in them: all is of any type, so all is to be checked. Content, deltas and blocks are
skipped by the decoder without being built as objects; so is whatever is long, since a few bytes of
JSON become a hundred of memory, and keep all threads waiting meanwhile.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from offramp_daemon.wire.work_budget import OverBudgetError

_SMALL_BYTES = 8 * 1024
"""What is longer is never built, unless it is a text."""
_REPAIRED_BYTES = 512 * 1024
"""What is longer has to be UTF-8."""
_MOST_SURROGATES = 10_000
_INT_DIGITS = 17
"""A longer number is not a count of anything."""
_MISSING = msgspec.Raw()
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_REPLACEMENT = rb"\\ufffd"


class Envelope(msgspec.Struct):
    """The keys that matter; None where one is missing, or long and of no use."""

    type: Any = None
    id: Any = None
    message: Any = None
    model: Any = None
    usage: Any = None
    error: Any = None
    code: Any = None
    success: Any = None
    delta: Any = None
    stop_reason: Any = None


class _Parts(msgspec.Struct):
    """The same as the JSON that stands there; empty where nothing does."""

    type: msgspec.Raw = _MISSING
    id: msgspec.Raw = _MISSING
    message: msgspec.Raw = _MISSING
    model: msgspec.Raw = _MISSING
    usage: msgspec.Raw = _MISSING
    error: msgspec.Raw = _MISSING
    code: msgspec.Raw = _MISSING
    success: msgspec.Raw = _MISSING
    delta: msgspec.Raw = _MISSING
    stop_reason: msgspec.Raw = _MISSING


_NAMES = Envelope.__struct_fields__
_decode = msgspec.json.Decoder(Envelope).decode
_decode_parts = msgspec.json.Decoder(_Parts).decode


def read(data: bytes) -> Envelope | None:
    """What is in the JSON object `data`; None if that is not a whole one.

    Raises:
        OverBudgetError: that can't be told without a lot of work.
    """
    if len(data) > _SMALL_BYTES:
        return _read_long(data)
    try:
        return _decode(data)
    except (ValueError, RecursionError):
        pass
    found = _loads(data)
    return Envelope(**{name: found.get(name) for name in _NAMES}) if found is not None else None


def _loads(data: bytes) -> dict[str, Any] | None:
    """A short object that msgspec refuses.

    That is halves of surrogate pairs, bad UTF-8, a byte order mark, and numbers out of range.
    """
    try:
        found = json.loads(data.decode("utf-8-sig", "replace"), parse_int=_to_int)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _to_int(digits: str) -> int:
    """`digits` as a number; 0 for one too long to be a count, which int() might refuse."""
    return int(digits) if len(digits) <= _INT_DIGITS else 0


def _read_long(data: bytes) -> Envelope | None:
    found = _parts(data)
    if found is None:
        found = _parts(_repaired(data))
    return None if found is None else Envelope(**{name: _value(raw) for name, raw in found.items()})


def _parts(data: bytes) -> dict[str, bytes] | None:
    """The parts of the object `data` that are there, each as its JSON."""
    try:
        parts = _decode_parts(data)
    except (ValueError, RecursionError):
        return None
    found = ((name, bytes(getattr(parts, name))) for name in _NAMES)
    return {name: raw for name, raw in found if raw}


def _repaired(data: bytes) -> bytes:
    """`data` in a form that msgspec takes, if it is JSON.

    Raises:
        OverBudgetError: there is too much to repair.
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        if len(data) > _REPAIRED_BYTES:
            raise OverBudgetError("A long answer is not UTF-8.") from None
        data = data.decode("utf-8", "replace").encode()
    if data.count(b"\\ud") + data.count(b"\\uD") > _MOST_SURROGATES:
        raise OverBudgetError("An answer has too many unpaired surrogates.")
    return _SURROGATE.sub(_REPLACEMENT, data.removeprefix(_BYTE_ORDER_MARK))


def _value(raw: bytes) -> Any:
    """What `raw` is; of a long object only the parts that are short."""
    if _is_cheap(raw):
        return _cheap_value(raw)
    parts = _parts(raw)
    if parts is None:
        return None
    found = {name: _cheap_value(part) for name, part in parts.items() if _is_cheap(part)}
    return {"": "more than is looked at", **found}


def _is_cheap(raw: bytes) -> bool:
    return len(raw) <= _SMALL_BYTES or raw.startswith(b'"')


def _cheap_value(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        pass
    wrapped = _loads(b'{"value":' + raw + b"}")
    return None if wrapped is None else wrapped["value"]
