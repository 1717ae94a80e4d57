"""Shows a change of settings as a unified diff, with everything masked that may be a secret."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING

from offramp_core.claude_settings.custom_headers import HEADERS
from offramp_core.claude_settings.editing import BASE_URL, ENV
from offramp_core.claude_settings.json_spans import BYTE_ORDER_MARK, Part, parts, read
from offramp_core.config.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MASK = '"***"'
_SECRET_KEY = re.compile(r"key|token|secret|password|auth|credential|header|cookie", re.IGNORECASE)
_CREDENTIAL = re.compile(
    r"\bsk-[\w-]+|(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{20,}"
)


def unified(file: Path, before: bytes | None, after: bytes | None) -> str:
    """Show the change of `file` as text with line ends; both sides are readable JSON or None."""
    name = str(file)
    lines = difflib.unified_diff(
        _lines(before),
        _lines(after),
        "/dev/null" if before is None else name,
        "/dev/null" if after is None else name,
    )
    return "".join(_ended(line) for line in lines)


def _lines(data: bytes | None) -> list[str]:
    text = (data or b"").decode().removeprefix(BYTE_ORDER_MARK)
    masked = _masked(text).replace("\r\n", "\n").replace("\r", "\n")
    return [each for each in re.split(r"(?<=\n)", masked) if each]


def _masked(text: str) -> str:
    """`text` without other variables' values, what stands under a telling key, and the like."""
    pieces, done = [], 0
    for part in sorted(_secrets(text), key=lambda part: part.start):
        pieces += [text[done : part.start], _mask_of(part)]
        done = part.end
    return _CREDENTIAL.sub("***", "".join([*pieces, text[done:]]))


def _mask_of(part: Part) -> str:
    """What stands for a value; of headers, their names are shown."""
    if part.key != HEADERS or not isinstance(part.value, str):
        return _MASK
    names = (line.partition(":")[:2] for line in part.value.split("\n"))
    return json.dumps("\n".join(f"{name}: ***" if colon else "***" for name, colon in names))


def _secrets(text: str) -> Iterator[Part]:
    """The values that may be secrets, none of them within another."""
    root = read(text)
    open_parts = []
    for member in parts(text, root):
        if member.key == ENV:
            for variable in parts(text, member):
                if variable.key != BASE_URL or _may_hold_password(variable.value):
                    yield variable
        else:
            open_parts.append(member)
    while open_parts:
        part = open_parts.pop()
        if _SECRET_KEY.search(part.key):
            yield part
        else:
            open_parts += parts(text, part)


def _may_hold_password(value: object) -> bool:
    return not isinstance(value, str) or shown(value) != repr(value)


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
