"""The ways in which a text can spell the same characters, and where one of them stands in it.

JSON's and programming languages' escapes, percent-encoding and HTML's character references are
undone layer by layer; base64 and hexadecimal are looked for as such. Pure: text in, places out.
"""

from __future__ import annotations

import base64
import functools
import html
import math
import re
import string
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Span = tuple[int, int]
"""Where something begins and ends in a text."""

_MOST_LAYERS = 4
_ESCAPE = re.compile(
    r"(?<!\\)\\+"
    r"(?:u(?:\{([0-9a-f]{1,6})\}|([0-9a-f]{4}))|U([0-9a-f]{8})|x([0-9a-f]{2})|([0-7]{2,3}))"
    r"|%(?:25)*([0-9a-f]{2})"
    r"|\\([\"'/\\])"
    r"|(&#?\w{1,32};?)",
    re.IGNORECASE | re.ASCII,
)
"""Of a run of backslashes only the first begins an escape, or each would be looked at from each."""
_ESCAPE_MARKS = ("\\", "%", "&")
_HIGHEST = 0x10FFFF
_CODED = string.ascii_letters + string.digits + "+/_=-"
_ONE_ALPHABET = str.maketrans("-_", "+/")
_LEAST_WHOLE = 8
"""Of a shorter value, neither a part nor its base64 can be told from ordinary text."""
_USUAL_PART = 12
"""So much of a value says nothing by itself, and may stand in ordinary text."""


@dataclass(frozen=True)
class View:
    """A text with some layers of escapes undone."""

    text: str
    places: array[int] | None
    """For each character, and for the end, where it began in the first text; None if there."""

    def origin(self, span: Span) -> Span:
        """Where in the first text it stands."""
        if self.places is None:
            return span
        return self.places[span[0]], self.places[span[1]]

    @functools.cached_property
    def folded(self) -> str:
        """Without regard to case; of the same length."""
        return self.text.replace("\u0130", "i").lower()

    @functools.cached_property
    def coded(self) -> str:
        """In base64's first alphabet."""
        return self.text.translate(_ONE_ALPHABET)


def views(text: str) -> Iterator[View]:
    """`text` as it is, then with one layer of escapes less each time."""
    view: View | None = View(text, None)
    for _ in range(_MOST_LAYERS + 1):
        if view is None:
            return
        yield view
        view = _unescaped(view)


def _unescaped(view: View) -> View | None:
    """None if nothing in it is escaped."""
    text = view.text
    if not any(mark in text for mark in _ESCAPE_MARKS):
        return None
    before = view.places or array("L", range(len(text) + 1))
    pieces: list[str] = []
    places = array("L")
    last = 0
    for match in _ESCAPE.finditer(text):
        character = _character(match)
        if character is None:
            continue
        start = match.start()
        pieces += (text[last:start], character)
        places += before[last : start + 1]
        last = match.end()
    if not pieces:
        return None
    pieces.append(text[last:])
    places += before[last:]
    return View("".join(pieces), places)


def _character(match: re.Match[str]) -> str | None:
    """What an escape stands for; None if it is none."""
    *numbers, octal, percent, quoted, reference = match.groups()
    if quoted is not None:
        return quoted
    if reference is not None:
        meant = html.unescape(reference)
        return meant if len(meant) == 1 else None
    if octal is not None:
        return chr(int(octal, 8))
    number = int(next(each for each in (*numbers, percent) if each is not None), 16)
    return chr(number) if number <= _HIGHEST else None


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a value is looked for."""

    text: str
    least: int
    """So much of it in one piece counts as the value."""
    blocks: tuple[tuple[int, str], ...]
    """Parts of it, with where they begin: each piece of `least` characters holds one of them."""
    is_coded: bool

    @classmethod
    def of(cls, text: str, *, is_coded: bool = False, folds: bool = True) -> Form:
        """Prepare to look for `text`."""
        text = text.replace("\u0130", "i").lower() if folds else text
        length, least = len(text), _least_part(len(text))
        size = length if least == length else (least + 1) // 2
        starts = range(0, length - size + 1, size)
        blocks = tuple((start, text[start : start + size]) for start in starts)
        return cls(text=text, least=least, blocks=blocks, is_coded=is_coded)

    def find(self, view: View) -> Iterator[Span]:
        """Where it stands in `view`, and whatever longer code it is a part of."""
        text = view.coded if self.is_coded else view.folded
        for offset, block in self.blocks:
            at = text.find(block)
            while at >= 0:
                start, end = self._extent(text, at, offset, len(block))
                if end - start >= self.least:
                    start, end = _run(text, start, end) if self.is_coded else (start, end)
                    yield start, end
                at = text.find(block, max(end, at + 1))

    def _extent(self, text: str, at: int, offset: int, size: int) -> Span:
        """How far the value goes on in `text` around the block that begins at `at`."""
        start, end, own = at, at + size, self.text
        while offset > 0 and start > 0 and text[start - 1] == own[offset - 1]:
            start, offset = start - 1, offset - 1
        rest = offset + end - start
        while rest < len(own) and end < len(text) and text[end] == own[rest]:
            end, rest = end + 1, rest + 1
        return start, end


def _least_part(length: int) -> int:
    """How much of a value of that length gives it away: a third, or most of a short one."""
    if length < _LEAST_WHOLE:
        return length
    return max(math.ceil(length / 3), min(_USUAL_PART, math.ceil(length * 2 / 3)))


def _run(text: str, start: int, end: int) -> Span:
    """The whole of the coded text around a part of it."""
    begin = len(text[:start].rstrip(_CODED))
    return begin, len(text) - len(text[end:].lstrip(_CODED))


@functools.lru_cache(maxsize=64)
def forms_of(value: str) -> tuple[Form, ...]:
    """The ways in which `value` is looked for in each view of a text."""
    plain = Form.of(value)
    if len(value) < _LEAST_WHOLE:
        return (plain,)
    data = value.encode("utf-8", "surrogatepass")
    coded = [Form.of(core, is_coded=True, folds=False) for core in _base64_cores(data)]
    return (plain, Form.of(data.hex()), *coded)


def _base64_cores(data: bytes) -> Iterator[str]:
    """What of its base64 is the same whatever stands before and after it, in three positions."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).rstrip(b"=").decode()
        is_partial = (before + len(data)) % 3 != 0
        yield coded[(0, 2, 3)[before] : len(coded) - is_partial]
