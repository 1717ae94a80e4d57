"""Puts `offramp statusline` into Claude Code's settings as its status line, and out again.

One that somebody else set is never touched. Pure, but for `warnings`, which reads files.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.claude_settings import editing, json_spans
from offramp_core.control_place import HOME_VARIABLE
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_core.claude_settings.locations import SettingsLocations

KEY = "statusLine"
_WITHOUT = "disableAllHooks"
"""Claude Code shows no status line where this is on."""


@dataclass(frozen=True, slots=True)
class StatusLineEdit:
    """Settings with our status line, and the command in it; None where another's is in the way."""

    text: str
    command: str | None


def command_for(program: Path, environ: Mapping[str, str]) -> str:
    """Return the shell command that Claude Code is to run: `program` by a path that lasts.

    Raises:
        OfframpError: a path in it is not UTF-8, so that the settings can't hold it.
    """
    words = [str(program), "statusline"]
    if home := environ.get(HOME_VARIABLE):
        # Claude Code runs it in the folder of a project, not in this one.
        words = ["env", f"{HOME_VARIABLE}={Path(home).expanduser().absolute()}", *words]
    command = shlex.join(words)
    if command != command.encode("utf-8", "replace").decode():
        raise OfframpError(
            f"Claude Code can't run {command!r}: its settings take only paths that are UTF-8.",
            hint="Connect without --statusline, or move Offramp to a path in UTF-8.",
        )
    return command


def add(text: str, command: str, written: str | None) -> StatusLineEdit:
    """Have the settings `text` show `command`; `written` is the one that is there by our doing.

    Raises:
        SettingsTextError: `text` is not JSON, or not an object.
    """
    found = editing.find_member(text, KEY)
    if found is None:
        members = {"type": json.dumps("command"), "command": editing.quoted(command)}
        return StatusLineEdit(editing.append_object(text, KEY, members), command)
    there = _command_of(found.value)
    if there == command:
        return StatusLineEdit(text, written)
    if written is None or there != written:
        return StatusLineEdit(text, None)
    inner = editing.member_of(text, found, "command")
    raw = editing.quoted(command)
    return StatusLineEdit(text[: inner.start] + raw + text[inner.end :], command)


def remove(text: str, written: str) -> str:
    """Take the status line that runs `written` out of the settings `text`; another's stays.

    Raises:
        SettingsTextError: `text` is not JSON, or not an object.
    """
    found = editing.find_member(text, KEY)
    if found is None or _command_of(found.value) != written:
        return text
    return editing.remove_member(text, found)


def runs(text: str, command: str) -> bool:
    """Whether the status line in the settings `text` runs `command`.

    Raises:
        SettingsTextError: `text` is no JSON, or no object.
    """
    found = editing.find_member(text, KEY)
    return found is not None and _command_of(found.value) == command


def is_set(text: str) -> bool:
    """Whether the settings `text` set a status line.

    Raises:
        SettingsTextError: `text` is not JSON, or not an object.
    """
    return editing.find_member(text, KEY) is not None


def warnings(locations: SettingsLocations, text: str) -> Iterator[str]:
    """Say what keeps Claude Code from showing the status line of the user's settings `text`."""
    for name, path in locations.stronger():
        found = _settings_in(path)
        if KEY in found:
            yield f"{path} ({name}) sets {KEY}, which wins over yours."
        if found.get(_WITHOUT) is True:
            yield f"{path} ({name}) sets {_WITHOUT}: Claude Code shows no status line."
    if json_spans.read(text).value.get(_WITHOUT) is True:
        yield f"{locations.user} sets {_WITHOUT}: Claude Code shows no status line."


def _command_of(value: object) -> str | None:
    command = value.get("command") if isinstance(value, dict) else None
    return command if isinstance(command, str) else None


def _settings_in(path: Path) -> Mapping[str, object]:
    """Return a file's settings; none of one that Claude Code ignores, too."""
    try:
        data = atomic_file.read(path)
        found = json_spans.read((data or b"").decode()).value
    except (OfframpError, json_spans.SettingsTextError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
