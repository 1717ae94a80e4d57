"""The event contract: what one line of `events.jsonl` holds, written and read only here.

The file stands beside the request log and says when the daemon's state changed, for the charts. A
line never holds content or a key. As with records, fields are only ever added, with a default.

`started` means: not paused and every key there, unless lines after it say otherwise. Where a
daemon takes over from another, the first one's `stopped` may come after the second one's
`started`; `pid` tells them apart.
"""

from __future__ import annotations

from typing import Final

import msgspec

from offramp_core import log_names

FILE_NAME = log_names.file_name(log_names.EVENTS)
"""Where the machine has no name of its own."""

STARTED: Final = "started"
STOPPED: Final = "stopped"
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
KEY_MISSING: Final = "key missing"
KEY_FOUND: Final = "key found"
BYPASSED: Final = "bypassed"
"""What belongs at the backend goes elsewhere from now on; `why` is a `BackendError.kind`."""
BYPASS_OVER: Final = "bypass over"
TROUBLE: Final = "trouble"
"""Delegation does not work for `model` at the backend; `why` is a `DelegationTrouble.cause`."""
TROUBLE_OVER: Final = "trouble over"
CLIENT_LOST: Final = "client lost"
"""Claude Code's settings no longer hold the address that `connect` wrote."""
CLIENT_FOUND: Final = "client found"
"""They hold it again, or are not meant to any more."""

ASKED: Final = "asked"
TIME_OVER: Final = "time over"
"""Why delegation goes on."""


class StateEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of state.

    Both times are UTC, as in records. `ts` is when it took effect, which for a timed pause's end
    is before the line was written if no daemon ran then. `event` is text, for a newer version may
    know more of them.
    """

    ts: str
    event: str
    pid: int | None = None
    version: str | None = None
    until: str | None = None
    """When the pause ends; None for one without an end."""
    why: str | None = None
    backend: str | None = None
    """Whose key, bypass or trouble it is about."""
    model: str | None = None
    """Which of its models, as it is sent; None where all are meant."""
    machine_id: str | None = None
    """With `started`, which machine it is, where machines share the folder by name."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(StateEvent)


def encode(event: StateEvent) -> bytes:
    """Return one line of JSON, its newline included."""
    return _ENCODER.encode(event) + b"\n"


def decode(line: bytes) -> StateEvent:
    """Return the event in `line`; keys that this version does not know are passed over.

    Raises:
        one of `records.UNREADABLE`: `line` holds no event.
    """
    return _DECODER.decode(line)
