"""Puts the client token among the headers that Claude Code adds to its requests, and out again.

Claude Code reads them from `ANTHROPIC_CUSTOM_HEADERS`, one `Name: value` a line. Only the line of
Offramp's own header is written and removed; those of others stay as they are. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.claude_settings import editing
from offramp_core.claude_settings.undo_state import TokenLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_core.settings import Secret

HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
TOKEN_HEADER = "x-offramp-token"
SHOWN_LINE = f"{TOKEN_HEADER}: TOKEN"
"""The line as people are told to write it, with the token for TOKEN."""


@dataclass(frozen=True, slots=True)
class HeadersEdit:
    """Settings with the token among the headers, or without it, and how that is undone."""

    text: str
    line: TokenLine | None


def named(value: str) -> Iterator[tuple[str, str]]:
    """List the headers in the variable's `value`: names in lower case, with their values."""
    for line in value.split("\n"):
        name, colon, content = line.partition(":")
        if colon:
            yield name.strip().lower(), content.strip()


def sends(value: str, token: Secret) -> bool:
    """Whether Claude Code sends `token` with this `value` of the variable."""
    return dict(named(value)).get(TOKEN_HEADER) == token.reveal()


def add(text: str, token: Secret, written: TokenLine | None) -> HeadersEdit:
    """Have the settings `text` send `token`; `written` is how an earlier line of ours is undone.

    Raises:
        SettingsTextError: `text` is not JSON, or it or its `env` is not an object.
    """
    found = editing.find(text, HEADERS)
    value = found.value if found and isinstance(found.value, str) else ""
    if sends(value, token):
        return HeadersEdit(text, written)
    line = f"{TOKEN_HEADER}: {token.reveal()}"
    new = "\n".join([*_others(value), line])
    if found is None:
        text, _ = editing.insert(text, new, HEADERS)
        return HeadersEdit(text, TokenLine())
    written = written or TokenLine(previous=text[found.start : found.end])
    return HeadersEdit(editing.replace(text, editing.quoted(new), HEADERS), written)


def remove(text: str, written: TokenLine) -> str:
    """Take the line out of the settings `text` that was `written`, as if it had never been there.

    Lines that somebody has added since stay.

    Raises:
        SettingsTextError: `text` is not JSON, or it or its `env` is not an object.
    """
    found = editing.find(text, HEADERS)
    if found is None or not isinstance(found.value, str):
        return text
    before = json.loads(written.previous) if written.previous is not None else ""
    others = _others(found.value)
    if others == _others(before if isinstance(before, str) else ""):
        if written.previous is None:
            return editing.remove(text, "member", HEADERS)
        return editing.replace(text, written.previous, HEADERS)
    return editing.replace(text, editing.quoted("\n".join(others)), HEADERS)


def _others(value: str) -> list[str]:
    """The lines of the variable's `value` but that of our header and blank ones."""
    lines = (line.rstrip("\r") for line in value.split("\n"))
    return [
        line
        for line in lines
        if line.strip() and line.partition(":")[0].strip().lower() != TOKEN_HEADER
    ]
