r"""Carries lone surrogate escapes past parsers that refuse them.

Claude Code cuts text without regard for surrogate pairs, so its JSON may hold half of an emoji
(`\ud83d`). That is legal JSON by the grammar; msgspec refuses it even in fields that it skips.
`shield` swaps each lone escape for a private-use stand-in and `restore` swaps it back, so that all
other bytes stay exactly what they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LOW = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_MARKERS = range(0xE000, 0xF000)
_MARKER_ESCAPE = re.compile(rb"\\u([eE][0-9a-fA-F]{3})")
_MARKER_UTF_8 = re.compile(rb"\xee[\x80-\xbf]{2}")
_FIRST_NUMBER = 0xF000
_MAX_STAND_INS = 0x1000
_MAX_LONE = 20_000
"""A body that somebody wrote holds a few."""
_ESCAPE_BYTES = 6
_BACKSLASH = 0x5C


@dataclass(frozen=True, slots=True)
class Shield:
    """The escapes that were taken out of one body: a stand-in is `marker` and a place in `taken`.

    `marker` is a character that the body did not hold.
    """

    marker: str = ""
    taken: tuple[bytes, ...] = ()

    def restore(self, data: bytes) -> bytes:
        """`data` with every stand-in turned back into the escape that the client sent.

        In a text that was decoded and written again a stand-in is no longer an escape, but UTF-8.
        """
        if not self.taken:
            return data
        first, *rest = data.split(_escape(ord(self.marker)))
        pieces = [first]
        for piece in rest:
            pieces += (self._original(int(piece[2:_ESCAPE_BYTES], 16)), piece[_ESCAPE_BYTES:])
        first, *rest = b"".join(pieces).split(self.marker.encode())
        pieces = [first]
        for piece in rest:
            pieces += (self._original(ord(piece[:3].decode())), piece[3:])
        return b"".join(pieces)

    def restore_text(self, text: str) -> str:
        """`text`, decoded from the shielded body, with a replacement character for each half."""
        if not self.taken or self.marker not in text:
            return text
        return re.sub(f"{self.marker}.", "\N{REPLACEMENT CHARACTER}", text)

    def _original(self, number: int) -> bytes:
        return self.taken[number - _FIRST_NUMBER]


NO_SHIELD = Shield()
"""For a body that holds no lone surrogates."""


def shield(body: bytes) -> tuple[bytes, Shield]:
    """`body` with its lone surrogate escapes replaced, and what turns them back.

    Raises:
        ValueError: `body` leaves no character free to mark stand-ins with, or holds too many.
    """
    starts = _lone_escapes(body)
    marker = _unused_marker(body)
    numbers: dict[bytes, int] = {}
    pieces: list[bytes] = []
    done = 0
    for start in starts:
        original = body[start : start + _ESCAPE_BYTES]
        number = numbers.setdefault(original, len(numbers))
        pieces += (body[done:start], _escape(marker) + _escape(_FIRST_NUMBER + number))
        done = start + _ESCAPE_BYTES
    if len(numbers) > _MAX_STAND_INS:
        raise ValueError("too many kinds of lone surrogates")
    pieces.append(body[done:])
    return b"".join(pieces), Shield(chr(marker), tuple(numbers))


def _unused_marker(body: bytes) -> int:
    first = _MARKERS[0]
    if chr(first).encode() not in body and not re.search(rb"\\u[eE]000", body):
        return first
    used = {int(match[1], 16) for match in _MARKER_ESCAPE.finditer(body)}
    used |= {ord(match[0].decode()) for match in _MARKER_UTF_8.finditer(body)}
    free = next((number for number in _MARKERS if number not in used), None)
    if free is None:
        raise ValueError("no character is left to mark lone surrogates with")
    return free


def _escape(number: int) -> bytes:
    return b"\\u%04x" % number


def _lone_escapes(body: bytes) -> list[int]:
    """Offsets of the surrogate escapes in `body` that are not half of a pair."""
    lone: list[int] = []
    skip_until = 0
    for match in _SURROGATE.finditer(body):
        start = match.start()
        if start < skip_until or _is_escaped(body, start):
            continue
        is_high = body[start + 3] in b"89abAB"
        if is_high and _LOW.match(body, start + _ESCAPE_BYTES):
            skip_until = start + 2 * _ESCAPE_BYTES
            continue
        lone.append(start)
        if len(lone) > _MAX_LONE:
            raise ValueError("too many lone surrogates")
    return lone


def _is_escaped(body: bytes, start: int) -> bool:
    """Whether the backslash at `start` is itself the second half of an escaped backslash."""
    run = start
    while run > 0 and body[run - 1] == _BACKSLASH:
        run -= 1
    return (start - run) % 2 == 1
