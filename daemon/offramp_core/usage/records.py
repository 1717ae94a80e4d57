"""The log contract: what one line of `requests-YYYY-MM.jsonl` holds, written and read only here.

A line never holds message content, prompt text, a key or a latency. Fields are only ever added,
with a default; none is retyped or reused, so that old files stay readable for good.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from offramp_core import log_names

Status = Literal["success", "error", "cancelled"]

FILE_PATTERN = f"{log_names.REQUESTS}*.jsonl"
"""What readers take for a request log; an older `requests.jsonl` dropped in is found too."""

MOST_TOKENS = 2**53
"""More is not a count of one request; a daemon takes no such number over from an answer."""

Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
"""Checked when read: a line with another number, which no daemon wrote, holds no record."""


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One finished POST to `/v1/messages`.

    Token counts are tokens; `ts` is the request's arrival, UTC, RFC 3339 with milliseconds and
    `Z`. `model` is the one that the client asked for and `served_model` the one that the answer
    names; both, and `backend`, are None where there is none.
    """

    ts: str
    model: str | None
    backend: str | None
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_creation_input_tokens: Tokens = 0
    cache_read_input_tokens: Tokens = 0
    status: Status
    http_status: int | None = None
    served_model: str | None = None
    reason: str | None = None
    session_id: str | None = None
    cache_creation_5m_input_tokens: Tokens = 0
    cache_creation_1h_input_tokens: Tokens = 0


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What counting needs of a `RequestRecord`, in the same lines: cheaper to read by the million.

    `ts` must name its offset from UTC. `gc=False` spares the garbage collector: a record of
    plain values can be in no cycle.
    """

    ts: Annotated[datetime, msgspec.Meta(tz=True)]
    model: str | None
    backend: str | None
    status: Status
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_creation_input_tokens: Tokens = 0
    cache_read_input_tokens: Tokens = 0


class DetailRecord(UsageRecord, frozen=True, kw_only=True, gc=False):
    """A `UsageRecord` with what sorts requests into sessions, and says why they went where."""

    served_model: str | None = None
    reason: str | None = None
    session_id: str | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that hold no record, foreign ones included."""

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RequestRecord)
_USAGE_DECODER = msgspec.json.Decoder(UsageRecord)
_DETAIL_DECODER = msgspec.json.Decoder(DetailRecord)


def encode(record: RequestRecord) -> bytes:
    """Return one line of JSON, its newline included, keys in the order of the Struct's fields."""
    return _ENCODER.encode(record) + b"\n"


def decode(line: bytes) -> RequestRecord:
    """Return the record in `line`; keys that this version does not know are passed over.

    Raises:
        msgspec.DecodeError: `line` is not a whole JSON object (a torn line, say).
        msgspec.ValidationError: the object is not a request record.
    """
    return _DECODER.decode(line)


def decode_usage(lines: bytes) -> list[UsageRecord]:
    """Return the records in `lines`, any number of whole lines; blank ones hold none.

    Raises:
        one of `UNREADABLE`: at least one line holds no request record; ask line by line which.
    """
    return _USAGE_DECODER.decode_lines(lines)


def decode_details(lines: bytes) -> list[DetailRecord]:
    """Return the records in `lines` with their sessions and reasons, as `decode_usage` does.

    Raises:
        one of `UNREADABLE`: at least one line holds no request record; ask line by line which.
    """
    return _DETAIL_DECODER.decode_lines(lines)


def format_timestamp(moment: datetime) -> str:
    """Return `moment` (aware) as `2026-02-07T10:30:00.000Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat("T", "milliseconds").removesuffix("+00:00") + "Z"


def file_name(ts: str, machine: str = "") -> str:
    """Return the log file of `machine` that a record with this `ts` belongs to: its UTC month's."""
    return log_names.file_name(log_names.REQUESTS, ts[:7], machine)
