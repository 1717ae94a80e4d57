"""Reads JSON with comments and trailing commas, and says where in the text each part stands.

Made for splicing: it turns no text into data and back, so that whatever is not edited keeps its
bytes. Messages name a place and never repeat what stands there: it may be a key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t\r\n"
"""All that JSON takes for white space."""

BYTE_ORDER_MARK = "\ufeff"

Kind = Literal["object", "array", "string", "other"]

_MAX_DEPTH = 200
"""Deeper than any settings, and shallow enough for recursion."""

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+)
    | (?P<comment>//[^\r\n]*+ | /\*[\s\S]*?\*/)
    | (?P<string>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")
    | (?P<other>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)
    | (?P<mark>[{}\[\]:,])
    """,
    re.VERBOSE,
)
_LINE_END = re.compile(r"\r\n|\n|\r")


class JsoncError(ValueError):
    """Text that can't be used: what is wrong with it, and where, counted from 1."""

    def __init__(self, problem: str, text: str, offset: int) -> None:
        """Find the place of `offset` in `text`."""
        self.problem = problem
        self.line, self.column = place(text, offset)
        super().__init__(f"line {self.line}, column {self.column}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value, at `text[start:end]`, with the members of an object or the items of an array."""

    kind: Kind
    start: int
    end: int
    members: tuple[Member, ...] = ()
    items: tuple[Value, ...] = ()

    def last(self, key: str) -> Member | None:
        """The member of that key that counts: where keys repeat, readers take the last."""
        return next((member for member in reversed(self.members) if member.key == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One `"key": value` of an object; `comma` is the offset of the comma after it, if any."""

    key: str
    start: int
    value: Value
    comma: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole text; `root` is None where it holds blanks and comments alone."""

    text: str
    root: Value | None
    beyond_json: int | None
    """Offset of the first comment or trailing comma, which plain JSON does not know."""
    comments: tuple[tuple[int, int], ...]
    """Start and end of each comment."""

    def decoded(self, value: Value) -> object:
        """A string's text or a plain value; None also for objects and arrays."""
        raw = self.text[value.start : value.end]
        if value.kind not in {"string", "other"}:
            return None
        try:
            return json.loads(raw)
        except ValueError:  # a number of thousands of digits
            return None


@dataclass(frozen=True, slots=True)
class _Token:
    sign: str
    """`string`, `other`, the mark itself, or nothing at the end of the text."""
    start: int
    end: int


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of `offset`, from 1; a byte order mark takes no column."""
    breaks = [found.end() for found in _LINE_END.finditer(text, 0, offset)]
    line_start = breaks[-1] if breaks else int(text.startswith(BYTE_ORDER_MARK))
    return len(breaks) + 1, offset - line_start + 1


def parse(text: str) -> Document:
    """Read `text`, which may begin with a byte order mark.

    Raises:
        JsoncError: it is no JSON, comments and trailing commas aside.
    """
    return _Parser(text).document()


class _Parser:
    """Reads one text from front to back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._comments: list[tuple[int, int]] = []
        self._trailing_commas: list[int] = []
        self._tokens = self._significant()
        self._next = next(self._tokens)

    def document(self) -> Document:
        root = self._value(depth=0) if self._next.sign else None
        if self._next.sign:
            raise self._error("something follows the end of the settings")
        starts = [start for start, _ in self._comments]
        return Document(
            text=self._text,
            root=root,
            beyond_json=min([*starts, *self._trailing_commas], default=None),
            comments=tuple(self._comments),
        )

    def _significant(self) -> Iterator[_Token]:
        offset = int(self._text.startswith(BYTE_ORDER_MARK))
        while offset < len(self._text):
            found = _TOKEN.match(self._text, offset)
            if found is None:
                raise JsoncError(_lexical_problem(self._text, offset), self._text, offset)
            if found.lastgroup == "comment":
                self._comments.append((offset, found.end()))
            elif found.lastgroup != "blank":
                sign = found[0] if found.lastgroup == "mark" else str(found.lastgroup)
                yield _Token(sign, offset, found.end())
            offset = found.end()
        yield _Token("", offset, offset)

    def _take(self, *signs: str, expected: str) -> _Token:
        token = self._next
        if token.sign not in signs:
            raise self._error(f"{expected} is expected here")
        self._next = next(self._tokens)
        return token

    def _error(self, problem: str) -> JsoncError:
        return JsoncError(problem, self._text, self._next.start)

    def _value(self, depth: int) -> Value:
        if depth > _MAX_DEPTH:
            raise self._error("the nesting is too deep")
        token = self._take("{", "[", "string", "other", expected="a value")
        match token.sign:
            case "{":
                return self._object(token.start, depth)
            case "[":
                return self._array(token.start, depth)
            case "string":
                return Value(kind="string", start=token.start, end=token.end)
            case _:
                return Value(kind="other", start=token.start, end=token.end)

    def _object(self, start: int, depth: int) -> Value:
        members: list[Member] = []
        while self._next.sign != "}":
            key = self._take("string", expected='a key in double quotes, or "}",')
            self._take(":", expected="a colon")
            value = self._value(depth + 1)
            comma = self._comma("}")
            name = json.loads(self._text[key.start : key.end])
            members.append(Member(key=name, start=key.start, value=value, comma=comma))
        end = self._take("}", expected='"}"').end
        return Value(kind="object", start=start, end=end, members=tuple(members))

    def _array(self, start: int, depth: int) -> Value:
        items: list[Value] = []
        while self._next.sign != "]":
            items.append(self._value(depth + 1))
            self._comma("]")
        end = self._take("]", expected='"]"').end
        return Value(kind="array", start=start, end=end, items=tuple(items))

    def _comma(self, closing: str) -> int | None:
        """The offset of the comma here; None where the container ends without one."""
        if self._next.sign == closing:
            return None
        offset = self._take(",", expected=f'a comma or "{closing}"').start
        if self._next.sign == closing:
            self._trailing_commas.append(offset)
        return offset


def _lexical_problem(text: str, offset: int) -> str:
    if text[offset] == '"':
        return "this text has no end, or holds a line end or a wrong escape"
    if text.startswith("/*", offset):
        return "this comment has no end"
    return "this character does not belong here"
