"""Whether the daemon is started at login, and by a program that is there."""

from __future__ import annotations

import getpass
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_cli.doctor.programs import first_line
from offramp_core import __version__
from offramp_core.control.client import NotRunningError
from offramp_core.login_item import linger
from offramp_core.login_item.detect import detect
from offramp_core.login_item.executables import COMMAND_LINE
from offramp_core.login_item.launchd import ERROR_FILE
from offramp_core.login_item.runner import Ran, SystemRunner
from offramp_core.login_item.service import NoServiceManagerError
from offramp_core.login_item.systemd_units import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark
    from offramp_core.login_item.runner import Run
    from offramp_core.login_item.service import LoginItemState

_LIMIT_S = 2.0
_INSTALL = "offramp install"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginItemFacts:
    """The login item; `state` is None where nothing starts one, and `why_none` says why."""

    state: LoginItemState | None
    why_none: str = ""
    hint: str = ""
    is_program_there: bool = False
    version: str | None = None
    """Of the program that it starts; None where that does not say."""
    wanted_port: int
    """By the settings."""
    is_answering: bool = True
    """Whether there is a daemon that takes commands, so that earlier failures do not matter."""
    messages: str = ""
    """The command that shows what it said when it failed."""
    lingers: bool | None = None
    """Whether it runs before login too; None where there is no such thing."""


def look(context: DoctorContext) -> LoginItemFacts:
    """Ask the service manager, within seconds.

    Raises:
        OfframpError: the manager is there, but fails.
    """
    run = _limited(SystemRunner(context.environ))
    try:
        manager = detect(context.environ, run=run, home=context.home)
    except NoServiceManagerError as error:
        return LoginItemFacts(
            state=None,
            why_none=error.title,
            hint=error.hint,
            wanted_port=context.settings.port,
        )
    state = manager.state()
    program = Path(state.program) if state.program else None
    is_there = program is not None and os.access(program, os.X_OK)
    return LoginItemFacts(
        state=state,
        wanted_port=context.settings.port,
        is_program_there=is_there,
        is_answering=not isinstance(context.trouble, NotRunningError),
        messages=_messages(state, context),
        version=_version_beside(program, context) if program is not None and is_there else None,
        lingers=linger.is_on(getpass.getuser()) if state.manager == "systemd" else None,
    )


def judge(facts: LoginItemFacts) -> Iterator[Remark]:
    """Whether it is whole, and of this version."""
    state = facts.state
    if state is None:
        yield note(facts.why_none, facts.hint)
        return
    if not state.is_installed:
        missing = "Some of its files are missing" if state.files else "It is not installed"
        yield note(
            f"{missing}: the daemon runs only when you start it by hand.", f"Install it: {_INSTALL}"
        )
        return
    if state.program is None or not facts.is_program_there:
        yield failure(
            f"The login item starts {state.program or 'an unknown program'}, which does not exist.",
            f"Repair it: {_INSTALL}",
        )
    elif facts.version is not None and facts.version != __version__:
        yield warning(
            f"The login item starts Offramp {facts.version}, but this is {__version__}.",
            f"Run {_INSTALL} with the version that you want.",
        )
    if state.listens_on and not any(
        address.endswith(f":{facts.wanted_port}") for address in state.listens_on
    ):
        yield warning(
            f"It listens on {', '.join(state.listens_on)}, but the settings say port "
            f"{facts.wanted_port}.",
            f"To use the settings' port: {_INSTALL}",
        )
    yield from _of_manager(state, facts)
    if state.limits:
        yield note(state.limits)
    if facts.lingers is False:
        yield note(f"It starts at login, not at boot; `{' '.join(linger.COMMAND)}` changes that.")


def _of_manager(state: LoginItemState, facts: LoginItemFacts) -> Iterator[Remark]:
    if not state.is_enabled:
        yield warning(
            f"It is installed, but {state.manager} does not start it at login.",
            f"Repair it: {_INSTALL}",
        )
    if not state.is_listening:
        yield failure(
            f"{state.manager} does not keep the port open ({state.detail or 'stopped'}).",
            "Open it: offramp start",
        )
    elif state.last_failure and not facts.is_answering:
        yield failure(
            f"{state.manager} starts the daemon, and it fails ({state.last_failure}).",
            f"To see its messages: {facts.messages}\n`{_INSTALL}` repairs the login item. If "
            "Offramp itself is damaged, install it again.",
        )
    elif state.is_running:
        pid = f", pid {state.pid}" if state.pid else ""
        yield ok(f"{state.manager} keeps the port open and runs {state.program}{pid}.")
    else:
        yield ok(f"{state.manager} keeps the port open, and starts the daemon when it is needed.")


def _messages(state: LoginItemState, context: DoctorContext) -> str:
    if state.manager == "systemd":
        return f"journalctl --user --unit {SERVICE} --lines 20"
    return f"tail {shlex.quote(str(context.paths.diagnostics_dir / ERROR_FILE))}"


def _limited(run: Run) -> Run:
    """`run`, with less patience than an installation has."""

    def limited(command: Sequence[str], *, timeout_s: float = _LIMIT_S) -> Ran:
        return run(command, timeout_s=min(timeout_s, _LIMIT_S))

    return limited


def _version_beside(program: Path, context: DoctorContext) -> str | None:
    """The version that the command line in the same folder prints."""
    command = (str(program.with_name(COMMAND_LINE)), "--version")
    line = first_line(command, context.environ, limit_s=_LIMIT_S)
    return (line or "").rpartition(" ")[2] or None
