"""What of one side's bytes must be the same on the other: takes out times, ports and random ids."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

_CHANGING = (
    (re.compile(rb"(?im)^(date:).*$"), rb"\1 DATE"),
    (re.compile(rb"\b[0-9a-f]{16}\b(?=[,\r\"])"), rb"RANDOM"),
    (re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), rb"TIME"),
    (re.compile(rb"\b\d\d:\d\d(:\d\d)?\b"), rb"CLOCK"),
    (re.compile(rb'("(?:pid|uptime_s|started_s|age_s|port)":\s*)[0-9.]+'), rb"\1NUMBER"),
    (re.compile(rb"(?i)\bpid \d+"), rb"pid NUMBER"),
    (re.compile(rb"\(\d+(\.\d+)? (ms|s|min|h)\)"), rb"(DURATION)"),
    (re.compile(rb"requests-\d{4}-\d\d"), rb"requests-MONTH"),
)
_SHOWN_LINES = 12
_SHOWN_CHARACTERS = 300


def plain(data: bytes, names: dict[bytes, bytes]) -> bytes:
    """`data` without what changes from run to run; `names` says what stands for ports and paths."""
    for value, name in names.items():
        data = data.replace(value, name)
    for pattern, stand_in in _CHANGING:
        data = pattern.sub(stand_in, data)
    return data


def answers(data: bytes, *, is_head: bool) -> bytes:
    """The answers in `data` without the framing of chunks: where one ends is a matter of time."""
    out = b""
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        if not mark:
            return out + data
        out += head + b"\r\n\r\n"
        fields = head.lower()
        status = head.split(b" ", 2)[1:2]
        length = re.search(rb"\r\ncontent-length:\s*(\d+)", fields)
        if is_head or status in ([b"100"], [b"204"], [b"304"]):
            data = rest
        elif b"\r\ntransfer-encoding: chunked" in fields:
            body, data, ending = _without_chunks(rest)
            out += body + ending
        elif length:
            wanted = int(length[1])
            body, data = rest[:wanted], rest[wanted:]
            out += body + (b"" if len(body) == wanted else b"\n[cut]")
        else:
            return out + rest
        out += b"\n[end of an answer]\n" if data else b""
    return out


def _without_chunks(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The body in `data`, what follows it, and a word on whether it was whole."""
    body = b""
    while True:
        line, mark, rest = data.partition(b"\r\n")
        if not mark or not re.fullmatch(rb"[0-9a-fA-F]+", line):
            return body, b"", b"\n[cut]"
        size = int(line, 16)
        if size == 0:
            return body, rest.removeprefix(b"\r\n"), b"\n[whole]"
        body += rest[:size]
        if len(rest) < size + 2:
            return body, b"", b"\n[cut in a chunk]"
        data = rest[size + 2 :]


@dataclass
class Differences:
    """What differed so far, and how many things were compared."""

    compared: int = 0
    lines: list[str] = field(default_factory=list)

    def compare(self, where: str, old: bytes, new: bytes) -> None:
        """Note how `new` differs from `old`."""
        self.compared += 1
        if old != new:
            self.lines.append(f"{where}\n{_difference(old, new)}")


def _difference(old: bytes, new: bytes) -> str:
    """The first lines that differ; in long ones the place where they begin to."""
    pairs = difflib.unified_diff(_lines(old), _lines(new), "old", "new", lineterm="", n=0)
    changed = [line for line in pairs if line[:3] not in {"---", "+++"} and line[:2] != "@@"]
    shown = [f"    {_clipped(line, changed)}" for line in changed[:_SHOWN_LINES]]
    if len(changed) > _SHOWN_LINES:
        shown.append(f"    ... and {len(changed) - _SHOWN_LINES} more lines")
    return "\n".join(shown) or "    (only line endings differ)"


def _clipped(line: str, changed: list[str]) -> str:
    if len(line) <= _SHOWN_CHARACTERS:
        return line
    other = next((each for each in changed if each[0] != line[0]), line)
    same = next(
        (
            number
            for number in range(1, min(len(line), len(other)))
            if line[number] != other[number]
        ),
        1,
    )
    start = max(1, same - 80)
    return f"{line[0]} [{len(line)} characters] …{line[start : start + _SHOWN_CHARACTERS]}…"


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()
