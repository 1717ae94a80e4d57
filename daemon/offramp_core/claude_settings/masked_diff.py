"""Shows a change of settings as a unified diff, with everything masked that may be a secret."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from offramp_core.claude_settings.editing import BASE_URL, ENV
from offramp_core.claude_settings.jsonc import BYTE_ORDER_MARK, Document, Value, parse
from offramp_core.config.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MASK = '"***"'
_SECRET_KEY = re.compile(r"key|token|secret|password|auth|credential|header|cookie", re.IGNORECASE)
_CREDENTIAL = re.compile(
    r"\bsk-[\w-]+|(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{20,}"
)
_LINE = re.compile(r"[^\r\n]+")


def unified(file: Path, before: bytes | None, after: bytes | None) -> str:
    """The change of `file` as text with line ends; both sides are readable JSON or None."""
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
    document = parse(text)
    spans = [(start, end, _MASK) for start, end in _secrets(document)]
    spans += [
        (start, end, _LINE.sub("***", text[start:end]))
        for start, end in document.comments
        if _SECRET_KEY.search(text, start, end)
    ]
    parts, done = [], 0
    for start, end, mask in sorted(spans):
        parts += [text[done:start], mask]
        done = end
    return _CREDENTIAL.sub("***", "".join([*parts, text[done:]]))


def _secrets(document: Document) -> Iterator[tuple[int, int]]:
    root = document.root
    for member in root.members if root else ():
        if member.key == ENV:
            for variable in member.value.members:
                if variable.key != BASE_URL or _may_hold_password(document, variable.value):
                    yield variable.value.start, variable.value.end
        elif _SECRET_KEY.search(member.key):
            yield member.value.start, member.value.end
        else:
            yield from _below(member.value)


def _below(value: Value) -> Iterator[tuple[int, int]]:
    for item in value.items:
        yield from _below(item)
    for member in value.members:
        if _SECRET_KEY.search(member.key):
            yield member.value.start, member.value.end
        else:
            yield from _below(member.value)


def _may_hold_password(document: Document, value: Value) -> bool:
    text = document.decoded(value)
    return not isinstance(text, str) or shown(text) != repr(text)


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
