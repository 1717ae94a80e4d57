"""Finds, in a stream of server-sent events, those that begin a tool call, and has them repaired.

Every other byte passes as it came, and at once: what is held is the beginning of an event that may
begin a call, until the event is whole or turns out to be another. Chunk borders make no difference
to what comes out. Events are found by a search in C; a chunk of whole events without a call costs
little more than that. Reads LF, CRLF and CR line ends, comments, and `data` over several lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from offramp_daemon.messages.answers.tool_calls import MARK

HELD_LIMIT_BYTES = 256 * 1024
"""A longer event is passed on as it came, so that one without an end can't fill the memory."""

Repair = Callable[[bytes], bytes | None]
"""Gives the data of an event that begins a call in its right form; None if that is how it came."""

_JUDGED_BYTES = 1024
"""Of an event that is not whole, so that many small chunks cost no more than they must."""
_BORDER_BYTES = 2
_BORDER = re.compile(rb"\n\n|\n\r|\r\r")
"""Two line ends in a row. What is left of a CRLF behind it counts as one more blank line."""
_LEAD = re.compile(rb"(?:[\r\n]|:[^\r\n]*[\r\n])*")
"""Blank lines and comments, in front of an event or between two."""
_ANOTHER = re.compile(
    rb"(?:(?:id|retry)?:[^\r\n]*[\r\n]+|event: ?content_block_start[\r\n]+)*"
    rb"(?:event: ?(?:message_|content_block_(?:delta|stop)|ping|error)"
    rb'|data: ?\{ ?(?:"index": ?\d+, ?)?'
    rb'(?:"(?:delta|message|usage|error)"'
    rb'|"type": ?"(?:message_|content_block_(?:delta|stop)|ping|error)'
    rb'|(?:"type": ?"content_block_start", ?)?(?:"index": ?\d+, ?)?'
    rb'"content_block": ?\{ ?"(?:text|thinking|signature|data|type": ?"(?:[^t]|t[^o]))))'
)
"""Matches the beginning of an event that begins no call, as soon as that is sure.

It matches the whole event then, too: an event must not count for another if it comes in one piece.
"""
_LINE_END = re.compile(rb"[\r\n]")
_DATA = b"data:"
_LINE_ENDS = b"\r\n"


class CallStream:
    """Takes the bytes of a stream and gives those to pass on."""

    __slots__ = ("_held", "_is_at_border", "_is_in_another", "_is_in_comment", "_last", "_repair")

    def __init__(self, repair: Repair) -> None:
        """Have `repair` see the data of each event that may begin a call."""
        self._repair = repair
        self._is_at_border = True
        self._is_in_comment = False
        self._is_in_another = False
        """Inside an event that begins no call, of which some was passed on."""
        self._last = b""
        """The last byte that was passed on of it."""
        self._held = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Read on; what can be passed on by now."""
        if (
            self._is_at_border
            and chunk.endswith((b"\n\n", b"\r\n\r\n", b"\r\r"))
            and MARK not in chunk
        ):
            return chunk
        return self._read(chunk)

    def finish(self) -> bytes:
        """What is still held, as the stream has ended; a last event may lack its blank line."""
        rest = self._rewritten(bytes(self._held))
        self._held.clear()
        return rest

    def _read(self, chunk: bytes) -> bytes:
        place = 0
        if self._is_in_comment:
            place = self._end_of_comment(chunk)
        elif self._is_in_another:
            place = self._end_of_another(chunk)
        elif self._held:
            return self._read_held(chunk)
        end = _last_border(chunk, place, len(chunk))
        return chunk[:place] + self._repaired(chunk[place:end]) + self._begin(chunk[end:])

    def _end_of_comment(self, chunk: bytes) -> int:
        """The place behind the comment, or behind `chunk`, which is all of one."""
        found = _LINE_END.search(chunk)
        self._is_in_comment = found is None
        return found.end() if found else len(chunk)

    def _end_of_another(self, chunk: bytes) -> int:
        """The place behind the event that was passed on, or behind `chunk`, which is all of it."""
        found = _BORDER.search(self._last + chunk)
        self._is_in_another = found is None
        if found is not None:
            return found.end() - len(self._last)
        self._last = chunk[-1:] or self._last
        return len(chunk)

    def _read_held(self, chunk: bytes) -> bytes:
        """Read on in the event that is held."""
        length = len(self._held)
        self._held += chunk
        found = _BORDER.search(self._held, length - 1)
        if found is None:
            return self._pass_another(length)
        event, rest = bytes(self._held[: found.end()]), bytes(self._held[found.end() :])
        self._held.clear()
        return self._rewritten(event) + self._read(rest)

    def _begin(self, text: bytes) -> bytes:
        """Take the beginning of an event, or nothing; what can be passed on of it."""
        if self._is_in_comment or self._is_in_another:
            return text
        lead = _LEAD.match(text)
        start = lead.end() if lead else 0
        self._is_at_border = start == len(text)
        self._is_in_comment = text.startswith(b":", start)
        if self._is_at_border or self._is_in_comment:
            return text
        self._held += text[start:]
        return text[:start] + self._pass_another(0)

    def _pass_another(self, judged_bytes: int) -> bytes:
        """Let go of what is held if no call begins with it; `judged_bytes` left that open."""
        held = self._held
        is_another = judged_bytes < _JUDGED_BYTES and _ANOTHER.match(held, 0, _JUDGED_BYTES)
        if not is_another and len(held) < HELD_LIMIT_BYTES:
            return b""
        passed = bytes(held)
        held.clear()
        self._is_in_another = True
        self._last = passed[-1:]
        return passed

    def _repaired(self, events: bytes) -> bytes:
        """Repair whole events, each with its blank line."""
        place = events.find(MARK)
        if place < 0:
            return events
        pieces: list[bytes] = []
        done = 0
        while place >= 0:
            start = _last_border(events, done, place)
            border = _BORDER.search(events, place)
            end = border.end() if border else len(events)
            lead = _LEAD.match(events, start, end)
            start = lead.end() if lead else start
            pieces += (events[done:start], self._rewritten(events[start:end]))
            done = end
            place = events.find(MARK, end)
        pieces.append(events[done:])
        return b"".join(pieces)

    def _rewritten(self, event: bytes) -> bytes:
        """Repair one event, if it begins a call."""
        if (
            MARK not in event
            or len(event) > HELD_LIMIT_BYTES
            or _ANOTHER.match(event, 0, _JUDGED_BYTES)
        ):
            return event
        lines = event.splitlines(keepends=True)
        places = [place for place, line in enumerate(lines) if line.startswith(_DATA)]
        values = [lines[place].rstrip(_LINE_ENDS).removeprefix(_DATA) for place in places]
        repaired = self._repair(b"\n".join(value.removeprefix(b" ") for value in values))
        if repaired is None:
            return event
        first, *others = places
        space = values[0][: values[0].startswith(b" ")]
        line_end = lines[first][len(_DATA) + len(values[0]) :]
        # Line ends within JSON are white space.
        lines[first] = _DATA + space + repaired.replace(b"\n", b" ") + line_end
        for place in others:
            lines[place] = b""
        return b"".join(lines)


def _last_border(text: bytes, start: int, end: int) -> int:
    """The place behind the last blank line in that part of `text`; `start` if there is none."""
    # The bytes that streams have are looked for first: a search backwards for others is slow.
    kinds = (b"\n\r", b"\n\n", b"\r\r") if text.find(b"\r", start, end) >= 0 else (b"\n\n",)
    last = start
    for kind in kinds:
        found = text.rfind(kind, last, end)
        if found >= 0:
            last = found + _BORDER_BYTES
    return last
