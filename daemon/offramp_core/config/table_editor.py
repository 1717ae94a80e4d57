"""Adds and removes whole tables `[backend.NAME]` in the text of `config.toml`. Text in, text out.

Comments behind a table's last value are not taken for its own, and stay. Where a table is written
in another form, such as `backend = { … }`, the caller has to change it in its own way: None.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(r"[ \t]*\[")
_ASIDE = re.compile(r"[ \t]*(?:#.*)?")
"""A blank line, or a comment."""


def with_table(text: str, name: str, values: Mapping[str, Any]) -> str | None:
    """Put a table for the backend of that name behind everything else."""
    lines = [f"[backend.{name}]"]
    lines += [f"{key} = {tomlkit.item(value).as_string()}" for key, value in values.items()]
    before = text.rstrip("\n")
    new = "\n".join(([f"{before}\n"] if before else []) + lines) + "\n"
    return _confirmed(text, new, name, dict(values))


def without_table(text: str, name: str) -> str | None:
    """Take the table of the backend of that name out."""
    quoted = rf"[\"']?{re.escape(name)}[\"']?"
    header = re.compile(rf"[ \t]*\[[ \t]*backend[ \t]*\.[ \t]*{quoted}[ \t]*\]")
    lines = text.splitlines(keepends=True)
    start = next((at for at, line in enumerate(lines) if header.match(line)), None)
    if start is None:
        return None
    end = start + 1
    while end < len(lines) and not _HEADER.match(lines[end]):
        end += 1
    while end > start + 1 and _ASIDE.fullmatch(lines[end - 1].rstrip("\r\n")):
        end -= 1
    rest = lines[end:]
    while rest and not rest[0].strip() and (start == 0 or not lines[start - 1].strip()):
        rest = rest[1:]  # one of two blank lines that meet now
    kept = "".join(lines[:start])
    if not "".join(rest).strip():
        new = kept.rstrip("\n") + "\n" * bool(kept.strip())
    else:
        new = kept + "".join(rest)
    return _confirmed(text, new, name, None)


def _confirmed(text: str, new: str, name: str, table: Mapping[str, Any] | None) -> str | None:
    """`new`, if nothing but that table has changed: what looks like a header may be other text."""
    try:
        before, after = tomllib.loads(text), tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        return None
    backends = {**before.get("backend", {})}
    backends.pop(name, None)
    if table is not None:
        backends[name] = table
    expected = {**before, "backend": backends}
    found = {**after, "backend": after.get("backend", {})}
    return new if found == expected else None
