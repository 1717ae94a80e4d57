r"""Puts a variable into the `env` block of a settings text, or a member beside it, and out again.

Pure splicing: the bytes around the edit stay what they are, and `remove` undoes `insert` exactly.
That holds because a member goes in right behind the last value of its object, so that all blanks
before its key are the ones that came with it.

Where a key stands twice, the last one is meant, as in Claude Code.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

from offramp_core.claude_settings.json_spans import (
    BLANKS,
    BYTE_ORDER_MARK,
    Part,
    SettingsTextError,
    member,
    parts,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV = "env"
BASE_URL = "ANTHROPIC_BASE_URL"

Made = Literal["value", "member", "env", "document", "file"]
"""How much of what holds the value is ours: only the value (it replaced another), the key, the
`env` block, the whole text of a file without any, or the file."""

_INDENT = "  "
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


def find(text: str, key: str = BASE_URL) -> Part | None:
    """Find the value of `key` that counts; None where none is set.

    Raises:
        SettingsTextError: `text` is not JSON, or it or its `env` is not an object.
    """
    env = _env(text)
    return member(text, env, key) if env else None


def insert(text: str, value: str, key: str = BASE_URL) -> tuple[str, Made]:
    """Put `value` into `text`, which sets no `key`, and say how much had to be made for that.

    Raises:
        SettingsTextError: `text` is not JSON, or it or its `env` is not an object.
    """
    root, env = read(text), _env(text)
    if root.start == root.end:
        return _with_document(text, value, key), "document"
    colon = _colon(text, parts(text, root))
    if env is not None:
        return _append(text, env, key, quoted(value), colon=colon), "member"
    block = _object(text, root, {key: quoted(value)}, colon)
    return _append(text, root, ENV, block, colon=colon), "env"


def replace(text: str, raw: str, key: str = BASE_URL) -> str:
    """Put `raw`, JSON, in place of the value of `key` that `text` has now.

    Raises:
        SettingsTextError: `text` is not JSON, or it or its `env` is not an object.
    """
    value = find(text, key)
    return text if value is None else text[: value.start] + raw + text[value.end :]


def remove(text: str, made: Made, key: str = BASE_URL) -> str:
    """Take the value of `key` out, and whatever else we made, where nobody else put anything in it.

    Raises:
        SettingsTextError: `text` is not JSON, or it or its `env` is not an object.
    """
    env, value = _env(text), find(text, key)
    if env is None or value is None:
        return text
    text = _without(text, env, value)
    env = _env(text)
    if made in {"value", "member"} or env is None or env.value:
        return text
    text = _without(text, read(text), env)
    root = read(text)
    if made == "env" or root.value:
        return text
    line_break = _LINE_BREAK.match(text, root.end)
    return text[: root.start] + text[line_break.end() if line_break else root.end :]


def find_member(text: str, key: str) -> Part | None:
    """Find the settings' own member `key`; None where there is none.

    Raises:
        SettingsTextError: `text` is not JSON, or not an object.
    """
    return member(text, read(text), key)


def member_of(text: str, whole: Part, key: str) -> Part:
    """Return the member `key` of an object that has it."""
    found = member(text, whole, key)
    if found is None:
        raise KeyError(key)
    return found


def append_object(text: str, key: str, members: Mapping[str, str]) -> str:
    """Put an object with these `members`, whose values are JSON, at the end of settings.

    Raises:
        SettingsTextError: `text` is not JSON, or not an object.
    """
    root = read(text)
    colon = _colon(text, parts(text, root))
    return _append(text, root, key, _object(text, root, members, colon), colon=colon)


def remove_member(text: str, gone: Part) -> str:
    """Take one of the settings' own members out, as `append_object` put it in."""
    return _without(text, read(text), gone)


def quoted(text: str) -> str:
    """Write `text` as JSON."""
    return json.dumps(text, ensure_ascii=False)


def _env(text: str) -> Part | None:
    env = member(text, read(text), ENV)
    if env is not None and not isinstance(env.value, dict):
        raise SettingsTextError("env is not an object", text, env.start)
    return env


def _with_document(text: str, value: str, key: str) -> str:
    """A blank text with settings before its blanks."""
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    document = json.dumps({ENV: {key: value}}, indent=_INDENT, ensure_ascii=False) + "\n"
    return mark + document.replace("\n", _line_break(text) or "\n") + text.removeprefix(mark)


def _object(text: str, root: Part, members: Mapping[str, str], colon: str) -> str:
    """The value of a new member of `root`, laid out as its neighbours are."""
    entries = [f"{quoted(key)}{colon}{value}" for key, value in members.items()]
    line_end = _line_break(_last_blanks(text, root))
    if not line_end:
        return f"{{{(', ' if colon != ':' else ',').join(entries)}}}"
    indent = _member_indent(text, root)
    unit = indent.removeprefix(_indent_before(text, root.end - 1) or "") or _INDENT
    lead = f"{line_end}{indent}{unit}"
    return f"{{{lead}{f',{lead}'.join(entries)}{line_end}{indent}}}"


def _append(text: str, container: Part, key: str, value: str, *, colon: str) -> str:
    """`text` with one more member at the end of an object."""
    present = parts(text, container)
    blanks = _last_blanks(text, container)
    line_end = _line_break(blanks)
    if line_end:
        lead = line_end + _member_indent(text, container)
    elif not present:
        lead = blanks
    else:
        lead = " " if blanks or colon != ":" else ""
    comma, position = (",", present[-1].end) if present else ("", container.start + 1)
    colon = _colon(text, present) if present else colon
    return f"{text[:position]}{comma}{lead}{quoted(key)}{colon}{value}{text[position:]}"


def _without(text: str, container: Part, gone: Part) -> str:
    """`text` without one member of an object, its comma and the blanks on one side of it."""
    present = parts(text, container)
    index = present.index(gone)
    if index + 1 < len(present):
        start, end = gone.key_start, present[index + 1].key_start
    else:
        start, end = present[index - 1].end if index else container.start + 1, gone.end
    return text[:start] + text[end:]


def _last_blanks(text: str, container: Part) -> str:
    """The blanks before an object's closing brace."""
    inside = text[container.start + 1 : container.end - 1]
    return inside[len(inside.rstrip(BLANKS)) :]


def _line_break(text: str) -> str:
    """The first line break, which shows how this file ends its lines; nothing where none is."""
    found = _LINE_BREAK.search(text)
    return found[0] if found else ""


def _indent_before(text: str, offset: int) -> str | None:
    """The blanks from the line's start to `offset`; None where something else is there too."""
    line = _LINE_BREAK.split(text[:offset])[-1]
    return None if line.strip(" \t") else line


def _member_indent(text: str, container: Part) -> str:
    """Where a member on a line of its own begins."""
    indent = None
    if present := parts(text, container):
        indent = _indent_before(text, present[-1].key_start)
    if indent is None:
        indent = (_indent_before(text, container.end - 1) or "") + _INDENT
    return indent


def _colon(text: str, present: list[Part]) -> str:
    """A colon as the last of these members has it."""
    return ":" if present and text[present[-1].start - 1] == ":" else ": "
