r"""Puts `ANTHROPIC_BASE_URL` into the `env` block of a settings text, and takes it out again.

Pure splicing: the bytes around the edit stay what they are, and `remove` undoes `insert` exactly.
That holds because a member goes in right behind what is last in its object (a value, its comma, or
a comment after them), so that all blanks before its key are the ones that came with it.

Where a key stands twice, the last one is meant, as in Claude Code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from offramp_core.claude_settings.jsonc import (
    BLANKS,
    BYTE_ORDER_MARK,
    Document,
    JsoncError,
    Member,
    Value,
    parse,
)

ENV = "env"
BASE_URL = "ANTHROPIC_BASE_URL"

Made = Literal["value", "member", "env", "document", "file"]
"""How much of what holds the value is ours: the value alone (it replaced another), the key, the
`env` block, the whole text of a file without any, or the file."""

_INDENT = "  "
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_REST_OF_LINE_BLANK = re.compile(r"[ \t]*(?:[\r\n]|\Z)")
_BLANKS_IN_LINE = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value of `ANTHROPIC_BASE_URL`: its JSON text, what that means, and its offset."""

    raw: str
    value: object
    start: int


@dataclass(frozen=True, slots=True)
class _Splice:
    """`text[start:end]` becomes `new`."""

    start: int
    end: int
    new: str = ""


def find(text: str) -> Found | None:
    """The value that counts; None where none is set.

    Raises:
        JsoncError: `text` is no JSON, or it or its `env` is no object.
    """
    document = parse(text)
    member = _own_member(document)
    if member is None:
        return None
    value = member.value
    return Found(
        raw=text[value.start : value.end], value=document.decoded(value), start=value.start
    )


def insert(text: str, url: str) -> tuple[str, Made]:
    """`text`, which sets none, with `url` in it, and how much had to be made for that.

    Raises:
        JsoncError: `text` is no JSON, or it or its `env` is no object.
    """
    document = parse(text)
    root = document.root
    if root is None:
        return _with_document(text, url), "document"
    env = _env(document)
    if env is not None:
        return _append(text, env.value, BASE_URL, quoted(url), colon=_colon(text, root)), "member"
    colon = _colon(text, root)
    return _append(text, root, ENV, _block(text, root, url, colon), colon=colon), "env"


def replace(text: str, raw: str) -> str:
    """`text` with `raw`, JSON, as the value that it has now.

    Raises:
        JsoncError: `text` is no JSON, or it or its `env` is no object.
    """
    member = _own_member(parse(text))
    if member is None:
        return text
    return _spliced(text, [_Splice(member.value.start, member.value.end, raw)])


def remove(text: str, made: Made) -> str:
    """`text` without the value, nor whatever else we made, where nobody else put anything in it.

    Raises:
        JsoncError: `text` is no JSON, or it or its `env` is no object.
    """
    document = parse(text)
    env = _env(document)
    member = _own_member(document)
    if env is None or member is None:
        return text
    text = _without(text, env.value, member)
    if made in {"value", "member"}:
        return text
    document = parse(text)
    env = _env(document)
    if document.root is None or env is None or not _is_bare(text, env.value):
        return text
    text = _without(text, document.root, env)
    root = parse(text).root
    if made == "env" or root is None or not _is_bare(text, root):
        return text
    line_break = _LINE_BREAK.match(text, root.end)
    return text[: root.start] + text[line_break.end() if line_break else root.end :]


def quoted(text: str) -> str:
    """`text` as JSON."""
    return json.dumps(text, ensure_ascii=False)


def _env(document: Document) -> Member | None:
    root = document.root
    if root is None:
        return None
    if root.kind != "object":
        raise JsoncError("the settings are no object", document.text, root.start)
    env = root.last(ENV)
    if env is not None and env.value.kind != "object":
        raise JsoncError("env is no object", document.text, env.value.start)
    return env


def _own_member(document: Document) -> Member | None:
    env = _env(document)
    return env.value.last(BASE_URL) if env else None


def _is_bare(text: str, container: Value) -> bool:
    """Whether nothing is in it, comments included."""
    return not text[container.start + 1 : container.end - 1].strip(BLANKS)


def _with_document(text: str, url: str) -> str:
    """A text of blanks and comments at most, with settings before them."""
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    line_end = _line_break(text) or "\n"
    lines = [
        "{",
        f'{_INDENT}"{ENV}": {{',
        f"{_INDENT * 2}{quoted(BASE_URL)}: {quoted(url)}",
        f"{_INDENT}}}",
        "}",
        "",
    ]
    return mark + line_end.join(lines) + text.removeprefix(mark)


def _block(text: str, root: Value, url: str, colon: str) -> str:
    """The value of a new `env` in `root`, laid out as its neighbours are."""
    member = f"{quoted(BASE_URL)}{colon}{quoted(url)}"
    line_end = _line_break(_last_blanks(text, root))
    if not line_end:
        return f"{{{member}}}"
    indent = _member_indent(text, root)
    unit = indent.removeprefix(_closing_indent(text, root)) or _INDENT
    return f"{{{line_end}{indent}{unit}{member}{line_end}{indent}}}"


def _append(text: str, container: Value, key: str, value: str, *, colon: str) -> str:
    """`text` with one more member at the end of an object."""
    blanks = _last_blanks(text, container)
    position = container.end - 1 - len(blanks)
    last = container.members[-1] if container.members else None
    line_end = _line_break(blanks)
    if line_end:
        lead = line_end + _member_indent(text, container)
    elif last is None:
        lead = blanks
    else:
        lead = " " if blanks or colon != ":" else ""
    if last is not None:
        colon = _colon(text, container)
    member = f"{lead}{quoted(key)}{colon}{value}"
    if last is None:
        return _spliced(text, [_Splice(position, position, member)])
    if last.comma is not None:
        return _spliced(text, [_Splice(position, position, f"{member},")])
    comma = _Splice(last.value.end, last.value.end, ",")
    return _spliced(text, [comma, _Splice(position, position, member)])


def _without(text: str, container: Value, member: Member) -> str:
    """`text` without one member of an object; comments around it stay."""
    start = len(text[: member.start].rstrip(BLANKS))
    end = member.value.end
    rest = end if member.comma is None else member.comma + 1
    splices = []
    is_in_line = not _REST_OF_LINE_BLANK.match(text, rest)
    if is_in_line and _line_break(text[start : member.start]):
        start = member.start  # the line before may end in a comment
    if is_in_line and start == member.start and (blanks := _BLANKS_IN_LINE.match(text, rest)):
        splices.append(_Splice(rest, blanks.end()))
    splices.append(_Splice(start, end))
    if member.comma is not None:
        splices.append(_Splice(member.comma, rest))
    else:
        before = container.members[: container.members.index(member)]
        splices += [_Splice(each.comma, each.comma + 1) for each in before[-1:] if each.comma]
    return _spliced(text, splices)


def _spliced(text: str, splices: list[_Splice]) -> str:
    """All splices done; of two at one place the first in the list comes first in the text."""
    parts = []
    done = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        parts += [text[done : splice.start], splice.new]
        done = splice.end
    return "".join([*parts, text[done:]])


def _last_blanks(text: str, container: Value) -> str:
    """The blanks before an object's closing brace."""
    inside = text[container.start + 1 : container.end - 1]
    return inside[len(inside.rstrip(BLANKS)) :]


def _line_break(text: str) -> str:
    """The first line break, which shows how this file ends its lines; nothing where none is."""
    found = _LINE_BREAK.search(text)
    return found[0] if found else ""


def _indent_before(text: str, offset: int) -> str | None:
    """The blanks from the line's start to `offset`; None where something else is there too."""
    head = text[:offset]
    indent = head[len(head.rstrip(" \t")) :]
    before = head[: len(head) - len(indent)]
    return indent if not before or before[-1] in "\r\n" else None


def _closing_indent(text: str, container: Value) -> str:
    return _indent_before(text, container.end - 1) or ""


def _member_indent(text: str, container: Value) -> str:
    """Where a member on a line of its own begins."""
    if container.members:
        indent = _indent_before(text, container.members[-1].start)
        if indent is not None:
            return indent
    return _closing_indent(text, container) + _INDENT


def _colon(text: str, container: Value) -> str:
    """A colon as this object's last member has it."""
    if container.members and text[container.members[-1].value.start - 1] == ":":
        return ":"
    return ": "
