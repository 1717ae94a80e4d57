"""Whether Claude Code is installed, and logged in to a subscription. No login is ever read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import note, ok, warning
from offramp_cli.doctor.programs import first_line
from offramp_core.claude_settings import claude_program, scopes
from offramp_core.claude_settings.locations import FOLDER_VARIABLE
from offramp_core.claude_settings.warnings import KEY_HELPER, LOGIN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark
    from offramp_core.claude_settings.scopes import Scope

_LIMIT_S = 5.0
_KEYCHAIN_ITEM = "Claude Code-credentials"
_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeProgram:
    """Claude Code's program; `version` is None where it did not say."""

    path: Path | None
    version: str | None = None
    is_on_path: bool = True


def look(context: DoctorContext, *, limit_s: float = _LIMIT_S) -> ClaudeProgram:
    """Find it and ask its version, for `limit_s` at most."""
    found = claude_program.find(context.environ, context.home)
    if found is None:
        return ClaudeProgram(path=None)
    words = first_line((str(found.path), "--version"), context.environ, limit_s=limit_s)
    return ClaudeProgram(path=found.path, version=words or None, is_on_path=found.is_on_path)


def judge(program: ClaudeProgram) -> Iterator[Remark]:
    """Whether it can be started."""
    if program.path is None:
        yield warning(
            "Claude Code is not installed: there is no program `claude` on your PATH.",
            "Install it, or run the doctor in a terminal that finds it.",
        )
        return
    if program.version is None:
        yield warning(
            f"{program.path} does not show its version.",
            "Run `claude --version`, and install it again.",
        )
    else:
        yield ok(f"{program.version}, {program.path}.")
    if not program.is_on_path:
        yield note(f"{program.path.parent} is not on this shell's PATH.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeLogin:
    """Where a subscription's login is, None if nowhere; and what would take its place."""

    stored_in: str | None
    scopes: Sequence[Scope]


def look_for_login(context: DoctorContext, found: Sequence[Scope]) -> ClaudeLogin:
    """Find out whether a login is there: that it exists, never what it is."""
    own = context.environ.get(FOLDER_VARIABLE)
    folder = context.folder / Path(own).expanduser() if own else context.home / ".claude"
    file = folder / ".credentials.json"
    if _is_there(file):
        return ClaudeLogin(stored_in=str(file), scopes=found)
    # Without -w it only says whether there is such an item, and asks for no password.
    item = ("security", "find-generic-password", "-s", _KEYCHAIN_ITEM)
    if (
        context.platform == "darwin"
        and first_line(item, context.environ, limit_s=_LIMIT_S) is not None
    ):
        return ClaudeLogin(stored_in="the Keychain", scopes=found)
    return ClaudeLogin(stored_in=None, scopes=found)


def judge_login(login: ClaudeLogin) -> Iterator[Remark]:
    """Whether Claude Code uses the subscription's login."""
    token = scopes.in_force(login.scopes, _TOKEN)
    if login.stored_in is not None:
        yield ok(f"A login is stored in {login.stored_in} (not read).")
    elif token is not None:
        yield ok(f"{token.scope.shown} has a subscription's token ({_TOKEN}, not shown).")
    else:
        yield warning(
            "Claude Code is not logged in to a subscription.", "Run `claude`, then type /login."
        )
    instead = [
        *scopes.variables(login.scopes, *LOGIN_VARIABLES),
        *scopes.settings(login.scopes, KEY_HELPER),
    ]
    for setting in instead:
        yield warning(
            f"{setting.scope.shown} sets {setting.name} (not shown): Claude Code uses it instead "
            "of your subscription's login, and you pay for each request.",
            "Remove it, unless that is what you want.",
        )


def _is_there(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False
