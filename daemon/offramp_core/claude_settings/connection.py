"""Points Claude Code at Offramp and away from it: what has to change, and the change itself.

`plan_connect` and `plan_disconnect` only look; `apply` writes. Synchronous, and not for the loop.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file
from offramp_core.claude_settings import backups, custom_headers, editing, status_line, undo_state
from offramp_core.claude_settings.json_spans import SettingsTextError, line_and_column
from offramp_core.claude_settings.undo_state import Connection
from offramp_core.config.values import plain, shown
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offramp_core.claude_settings.editing import Made
    from offramp_core.claude_settings.json_spans import Part
    from offramp_core.settings import Secret

_NO_TEXT = "no text"


class ConnectOutcome(Enum):
    """What a plan comes to; the values are those of `--json`."""

    CONNECTED = "connected"
    ALREADY_CONNECTED = "already-connected"
    FOREIGN = "foreign"
    UNANSWERED = "unanswered"
    """Nothing was changed, for nobody answers at the address."""
    DISCONNECTED = "disconnected"
    RESTORED = "restored"
    NOT_CONNECTED = "not-connected"
    CHANGED_MEANWHILE = "changed-meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsEdit:
    """What would become of a settings file, and of what we remember of it.

    `before` and `after` are whole files, None where there is none, equal where nothing is to do.
    `old` and `new` are the values, fit to be shown, and `line` is where the value stands: before it
    is taken out, after it was put in.
    """

    outcome: ConnectOutcome
    file: Path
    before: bytes | None
    after: bytes | None
    old: str | None
    new: str | None
    line: int | None
    recalled: Connection | None
    """What connect left behind earlier."""
    connection: Connection | None
    """What is to be remembered from now on."""

    @property
    def is_edit(self) -> bool:
        """Whether the settings file changes."""
        return self.before != self.after

    @property
    def old_address(self) -> str | None:
        """The address before, for a program to read: as it stands there, a credential masked."""
        return _address_in(self.before)

    @property
    def new_address(self) -> str | None:
        """The address from now on, likewise."""
        return _address_in(self.after)

    @property
    def previous(self) -> str | None:
        """What connect replaced, fit to be shown."""
        memory_of = self.connection or self.recalled
        if memory_of is None or memory_of.previous is None:
            return None
        value = json.loads(memory_of.previous) if memory_of.previous.startswith('"') else None
        return shown(value) if isinstance(value, str) else _NO_TEXT

    @property
    def sends_token(self) -> bool:
        """Whether the file holds the client token from now on, written by connect."""
        return self.connection is not None and self.connection.token_line is not None

    @property
    def shows_status(self) -> bool:
        """Whether the file holds the status line from now on, written by connect."""
        return _holds_status_line(self.after, self.connection)

    @property
    def drops_status(self) -> bool:
        """Whether the status line, which connect had set, is taken out."""
        had_line = _holds_status_line(self.before, self.recalled)
        return had_line and not _holds_status_line(self.after, self.recalled)

    @property
    def drops_token(self) -> bool:
        """Whether the line with the client token, which connect had written, is taken out."""
        had_token = self.recalled is not None and self.recalled.token_line is not None
        return self.is_edit and had_token and not self.sends_token

    @property
    def backup(self) -> Path:
        """Where the latest copy of the user's own file is kept while Offramp is connected."""
        memory_of = self.connection or self.recalled
        if memory_of is None or not memory_of.backups:
            return backups.usual_path(self.file)
        return self.file.with_name(memory_of.backups[-1].name)

    @property
    def standing_backups(self) -> tuple[Path, ...]:
        """The copies that earlier connects made, as far as they are still there and unchanged."""
        return backups.standing(self.file, self.recalled)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SettingsFile:
    """A settings file as it is, and what we remember of it."""

    file: Path
    before: bytes | None
    text: str
    found: Part | None
    recalled: Connection | None

    @property
    def is_as_written(self) -> bool:
        """Whether the value is the one that connect wrote."""
        recalled = self.recalled
        return bool(self.found and recalled and self.found.value == recalled.url)

    def connected(self, url: str, made: Made, previous: str | None = None) -> Connection:
        """What to remember of writing `url` into the file, which is the user's own until then."""
        copies = self.recalled.backups if self.recalled else ()
        if self.before is not None:
            copies = backups.planned(self.file, self.before, copies)
        return Connection(
            file=os.fspath(self.file),
            url=url,
            made=made,
            previous=previous,
            token_line=self.recalled.token_line if self.recalled else None,
            status_line=self.recalled.status_line if self.recalled else None,
            backups=copies,
        )

    def edited(
        self, outcome: ConnectOutcome, text: str | None, connection: Connection | None
    ) -> SettingsEdit:
        """Plan the edit that ends in `text`; None for no file."""
        found = self.found if text == self.text else editing.find(text or "")
        at_line = (text or "", found) if outcome is ConnectOutcome.CONNECTED else None
        shown_text, value = at_line or (self.text, self.found)
        return SettingsEdit(
            outcome=outcome,
            file=self.file,
            before=self.before,
            after=None if text is None else text.encode(),
            old=_shown(self.found),
            new=_shown(found),
            line=line_and_column(shown_text, value.start)[0] if value else None,
            recalled=self.recalled,
            connection=connection,
        )

    def untouched(self, outcome: ConnectOutcome, connection: Connection | None) -> SettingsEdit:
        """Plan to leave the file as it is."""
        return self.edited(outcome, None if self.before is None else self.text, connection)


def plan_connect(
    file: Path,
    memory_file: Path,
    url: str,
    *,
    is_own: Callable[[str], bool],
    force: bool = False,
    token: Secret | None = None,
    status_command: str | None = None,
) -> SettingsEdit:
    """Plan what it takes to have Claude Code use `url`; FOREIGN where another value is in the way.

    `is_own` says whether an address leads to this Offramp; `force` replaces a foreign one. Claude
    Code is to send `token` with each request, or none any more. With `status_command` it is to show
    that in its status line, if it has none; without, the line stays as it is.

    Raises:
        OfframpError: a file can't be read, or the settings are not a JSON object.
    """
    change = _plan_address(_look(file, memory_file), url, is_own=is_own, force=force)
    if change.outcome is ConnectOutcome.FOREIGN or change.after is None:
        return change
    change = _with_token(change, token)
    return change if status_command is None else _with_status_line(change, status_command)


def _with_status_line(change: SettingsEdit, command: str) -> SettingsEdit:
    """Plan the same, with `command` as the status line, unless another's is there."""
    text = (change.after or b"").decode()
    written = change.connection.status_line if change.connection else None
    edit = status_line.add(text, command, written)
    if edit.text == text:
        return change
    return _edited_further(change, edit.text, status_line=edit.command)


def _with_token(change: SettingsEdit, token: Secret | None) -> SettingsEdit:
    """Plan the same, with `token` among the headers; one that was written for another goes."""
    text = (change.after or b"").decode()
    line = change.connection.token_line if change.connection else None
    if token is not None:
        edit = custom_headers.add(text, token, line)
        text, line = edit.text, edit.line
    elif line is not None:
        text, line = custom_headers.remove(text, line), None
    if text.encode() == change.after:
        return change
    return _edited_further(change, text, token_line=line)


def _edited_further(change: SettingsEdit, text: str, **written: object) -> SettingsEdit:
    """Plan to end in `text` instead, and to remember beside all else what was `written`."""
    connection = change.connection
    if connection is None:  # the address was written by hand; it is now ours with the rest
        address = editing.find(text)
        connection = Connection(
            file=os.fspath(change.file),
            url=str(address.value if address else ""),
            made="member",
            backups=backups.planned(change.file, change.before or b"", ()),
        )
    return dataclasses.replace(
        change,
        outcome=ConnectOutcome.CONNECTED,
        after=text.encode(),
        connection=msgspec.structs.replace(connection, **written),
    )


def _plan_address(
    state: _SettingsFile, url: str, *, is_own: Callable[[str], bool], force: bool
) -> SettingsEdit:
    if state.found is None:
        text, made = editing.insert(state.text, url)
        if state.before is None:
            made = "file"
        connection = state.connected(url, made)
        return state.edited(ConnectOutcome.CONNECTED, text, connection)
    if _is_own(state.found, is_own):
        return state.untouched(ConnectOutcome.ALREADY_CONNECTED, state.recalled)
    if state.recalled is not None and state.is_as_written:  # our port or host was changed
        connection = msgspec.structs.replace(state.recalled, url=url)
    elif force:
        previous = state.text[state.found.start : state.found.end]
        connection = state.connected(url, "value", previous)
    else:
        return state.untouched(ConnectOutcome.FOREIGN, state.recalled)
    text = editing.replace(state.text, editing.quoted(url))
    return state.edited(ConnectOutcome.CONNECTED, text, connection)


def plan_disconnect(
    file: Path, memory_file: Path, *, is_own: Callable[[str], bool]
) -> SettingsEdit:
    """Plan what it takes to let Claude Code go; another's value stays.

    A value that connect did not write but that leads here goes too, for Claude Code must not be
    left pointing at a closed port.

    Raises:
        OfframpError: a file can't be read, or the settings are not a JSON object but may hold the
            address.
    """
    state = _without_extras(_look(file, memory_file, is_leaving=True))
    recalled = state.recalled
    if state.found is None:
        return state.untouched(ConnectOutcome.NOT_CONNECTED, None)
    if not state.is_as_written and not _is_own(state.found, is_own):
        outcome = ConnectOutcome.CHANGED_MEANWHILE if recalled else ConnectOutcome.NOT_CONNECTED
        return state.untouched(outcome, None)
    if recalled is not None and recalled.previous is not None:
        text = editing.replace(state.text, recalled.previous)
        return state.edited(ConnectOutcome.RESTORED, text, None)
    made = recalled.made if recalled else "member"
    text = editing.remove(state.text, made)
    is_gone = made == "file" and not text.strip()
    return state.edited(ConnectOutcome.DISCONNECTED, None if is_gone else text, None)


def apply(change: SettingsEdit, memory_file: Path) -> bool:
    """Do it; return whether a backup was made (connecting) or was removed as needless.

    Raises:
        OfframpError: a file can't be written; the settings are then as they were.
    """
    if change.outcome is not ConnectOutcome.CONNECTED:
        if change.is_edit:
            _write(change)
        undo_state.remember(memory_file, change.file, change.connection)
        return _drop_backup(change)
    # First, because a value that was replaced must not be lost to a crash in between.
    undo_state.remember(memory_file, change.file, change.connection)
    has_backup = False
    try:
        has_backup = _keep_backup(change)
        _write(change)
    except OfframpError:
        undo_state.remember(memory_file, change.file, change.recalled)
        if has_backup:
            change.backup.unlink(missing_ok=True)
        raise
    return has_backup


def _write(change: SettingsEdit) -> None:
    """Write the settings; those that hold the token are for their owner only."""
    atomic_file.write(
        change.file, change.after, before=change.before, is_private=change.sends_token
    )


def _without_extras(state: _SettingsFile) -> _SettingsFile:
    """The same file without what connect wrote beside the address, whatever has become of that.

    In the opposite order, so that the file is byte for byte what it was.
    """
    recalled, text = state.recalled, state.text
    if recalled is None:
        return state
    if recalled.status_line is not None:
        text = status_line.remove(text, recalled.status_line)
    if recalled.token_line is not None:
        text = custom_headers.remove(text, recalled.token_line)
    return dataclasses.replace(state, text=text, found=editing.find(text))


def _look(file: Path, memory_file: Path, *, is_leaving: bool = False) -> _SettingsFile:
    before = atomic_file.read(file)
    recalled = undo_state.recall(memory_file, file)
    text = _decoded(before or b"")
    if text is None:
        raise OfframpError(f"{file} is not UTF-8 text.", hint="Save it with the encoding UTF-8.")
    try:
        found = editing.find(text)
    except SettingsTextError as error:
        # Nobody is kept from uninstalling by a file that has nothing to do with us.
        if not is_leaving or recalled or editing.BASE_URL in text:
            raise OfframpError(
                f"{file}, line {error.line}, column {error.column}: {error.problem}.",
                hint="Correct it by hand; nothing was changed.",
            ) from error
        found = None
    return _SettingsFile(file=file, before=before, text=text, found=found, recalled=recalled)


def _decoded(data: bytes) -> str | None:
    """None for bad bytes: the library's error would carry the whole file along."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_own(found: Part, is_own: Callable[[str], bool]) -> bool:
    return isinstance(found.value, str) and is_own(found.value)


def _shown(found: Part | None) -> str | None:
    """A value without what may be a password in it."""
    if found is None:
        return None
    return shown(found.value) if isinstance(found.value, str) else _NO_TEXT


def _holds_status_line(data: bytes | None, written: Connection | None) -> bool:
    """Whether settings hold the status line that connect has `written`, if it has."""
    command = written.status_line if written else None
    return command is not None and status_line.runs((data or b"").decode(), command)


def _address_in(data: bytes | None) -> str | None:
    """The address in settings that can be read; None where there is none, or it is not text."""
    try:
        found = editing.find((data or b"").decode())
    except SettingsTextError:
        return None
    return plain(found.value) if found and isinstance(found.value, str) else None


def _keep_backup(change: SettingsEdit) -> bool:
    """Make the copy that was planned, if one was: not where an earlier one is the same."""
    earlier = change.recalled.backups if change.recalled else ()
    planned = change.connection.backups if change.connection else ()
    if change.before is None or planned == earlier:
        return False
    backups.make(change.file, change.before, planned[-1])
    return True


def _drop_backup(change: SettingsEdit) -> bool:
    """Remove the copies that are no different from the file itself, once it lets Offramp go."""
    is_left = change.outcome is not ConnectOutcome.ALREADY_CONNECTED and change.after is not None
    return is_left and backups.drop_needless(change.file, change.after or b"", change.recalled)
