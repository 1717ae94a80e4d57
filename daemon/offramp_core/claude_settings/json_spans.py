"""Reads a settings text as Claude Code does, and says where in it each part stands.

Plain JSON only: Claude Code ignores a whole file that holds a comment or a trailing comma (seen
with 2.1.332). Messages name a place and never repeat what stands there: it may be a key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

BLANKS = " \t\r\n"
"""All that JSON takes for white space."""

BYTE_ORDER_MARK = "\ufeff"

_LINE_END = re.compile(r"\r\n|\n|\r")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MOST_DIGITS = 4000
"""Python refuses to read whole numbers of more than 4,300."""

_SO_IGNORED = "and Claude Code ignores the whole file because of it"
_PROBLEMS = {
    "Expecting property name": 'a key in double quotes, or "}", is expected here',
    "Expecting ':'": "a colon is expected here",
    "Expecting ','": "a comma or a closing bracket is expected here",
    "Expecting value": "a value is expected here",
    "Extra data": "something follows the end of the settings",
    "Unterminated string": "this text has no end",
    "Invalid control character": "this text contains a line end or another control character",
    "Invalid \\": "this text contains an invalid escape",
}
"""How the errors of `json` begin, and what each means."""


class SettingsTextError(ValueError):
    """Text that can't be used: what is wrong with it, and where, counted from 1."""

    def __init__(self, problem: str, text: str, offset: int) -> None:
        """Find the place of `offset` in `text`."""
        self.problem = problem
        self.line, self.column = line_and_column(text, offset)
        super().__init__(f"line {self.line}, column {self.column}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value, at `text[start:end]`; `key` and `key_start` are those of an object's member."""

    value: Any = field(repr=False)
    start: int
    end: int
    key: str = ""
    key_start: int = 0


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Count to `offset`, from 1; a byte order mark takes no column."""
    breaks = [found.end() for found in _LINE_END.finditer(text, 0, offset)]
    line_start = breaks[-1] if breaks else int(text.startswith(BYTE_ORDER_MARK))
    return len(breaks) + 1, offset - line_start + 1


def read(text: str) -> Part:
    """Read the settings in `text`; a blank text holds an empty object without a place.

    Raises:
        SettingsTextError: it is not JSON, or not an object.
    """
    start = _after_blanks(text, int(text.startswith(BYTE_ORDER_MARK)))
    if start == len(text):
        return Part(value={}, start=start, end=start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        refusal = _refusal(error.msg, text, error.pos)
    except RecursionError:
        refusal = SettingsTextError("the nesting is too deep", text, start)
    except _ConstantError as error:
        refusal = SettingsTextError(
            "this is not a number", text, _outside_strings(text, str(error))
        )
    else:
        rest = _after_blanks(text, end)
        if rest < len(text):
            raise _refusal("Extra data", text, rest)
        if not isinstance(value, dict):
            raise SettingsTextError("the settings are not an object", text, start)
        return Part(value=value, start=start, end=end)
    raise refusal  # not chained: the library's error carries the whole text along


def parts(text: str, whole: Part) -> list[Part]:
    """List the members of an object, or the items of an array, in their order."""
    if not whole.value or not isinstance(whole.value, dict | list):
        return []
    found = []
    offset = whole.start
    while text[offset] not in "}]":
        offset = key_start = _after_blanks(text, offset + 1)
        key = ""
        if isinstance(whole.value, dict):
            key, end = _DECODER.raw_decode(text, offset)
            offset = _after_blanks(text, _after_blanks(text, end) + 1)
        value, end = _DECODER.raw_decode(text, offset)
        found.append(Part(value=value, start=offset, end=end, key=key, key_start=key_start))
        offset = _after_blanks(text, end)
    return found


def member(text: str, whole: Part, key: str) -> Part | None:
    """Find the member that counts: where keys repeat, Claude Code takes the last."""
    return next((each for each in reversed(parts(text, whole)) if each.key == key), None)


class _ConstantError(ValueError):
    """A number's name, such as NaN, that Python knows and JSON does not."""


def _refuse_constant(name: str) -> None:
    raise _ConstantError(name)


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


_DECODER = json.JSONDecoder(parse_int=_whole_number, parse_constant=_refuse_constant)


def _after_blanks(text: str, offset: int) -> int:
    while offset < len(text) and text[offset] in BLANKS:
        offset += 1
    return offset


def _outside_strings(text: str, name: str) -> int:
    return _STRING.sub(lambda string: " " * len(string[0]), text).index(name)


def _refusal(message: str, text: str, offset: int) -> SettingsTextError:
    """Name what `json` stumbled on; a comment and a trailing comma by their own names."""
    before = text[:offset].rstrip(BLANKS)
    if text.startswith(("//", "/*"), offset):
        return SettingsTextError(f"there is a comment here, {_SO_IGNORED}", text, offset)
    if message.startswith("Illegal trailing comma"):  # Python 3.13's name for it
        before = text[: offset + 1]
    if before.endswith(",") and text[len(before) :].lstrip(BLANKS).startswith(("}", "]")):
        return SettingsTextError(
            f"there is a comma before a closing bracket, {_SO_IGNORED}", text, len(before) - 1
        )
    problems = (words for start, words in _PROBLEMS.items() if message.startswith(start))
    return SettingsTextError(next(problems, "this is not JSON"), text, offset)
