"""Carries lone surrogate escapes past parsers that refuse them.

Claude Code cuts text without regard for surrogate pairs, so its JSON may hold half of an emoji
(`\\ud83d`). That is legal JSON by the grammar; msgspec refuses it even in fields that it skips.
`shield` swaps each lone escape for a private-use stand-in and `restore` swaps it back, so that all
other bytes stay exactly what they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LOW = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_ESCAPE_BYTES = 6
_BACKSLASH = 0x5C


@dataclass(frozen=True, slots=True)
class Shield:
    """The stand-ins of one body, each with the escape that it stands for."""

    replaced: tuple[tuple[bytes, bytes], ...] = ()

    def restore(self, data: bytes) -> bytes:
        """`data` with every stand-in turned back into the escape that the client sent."""
        for stand_in, original in self.replaced:
            data = data.replace(stand_in, original)
        return data


def shield(body: bytes) -> tuple[bytes, Shield]:
    """`body` with its lone surrogate escapes replaced, and what turns them back."""
    marker = _unused_marker(body)
    stand_ins: dict[bytes, bytes] = {}
    pieces: list[bytes] = []
    done = 0
    for start in _lone_escapes(body):
        original = body[start : start + _ESCAPE_BYTES]
        stand_in = stand_ins.setdefault(original, marker + b"\\uf%03x" % len(stand_ins))
        pieces += (body[done:start], stand_in)
        done = start + _ESCAPE_BYTES
    pieces.append(body[done:])
    swapped = tuple((stand_in, original) for original, stand_in in stand_ins.items())
    return b"".join(pieces), Shield(swapped)


def _unused_marker(body: bytes) -> bytes:
    return next(
        marker for number in range(0xE000, 0xF000) if (marker := b"\\u%04x" % number) not in body
    )


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
    return lone


def _is_escaped(body: bytes, start: int) -> bool:
    """Whether the backslash at `start` is itself the second half of an escaped backslash."""
    run = start
    while run > 0 and body[run - 1] == _BACKSLASH:
        run -= 1
    return (start - run) % 2 == 1
