"""Whether the daemon is started at login, and by a program that is there."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core import __version__
from offramp_core.login_item import linger
from offramp_core.login_item.detect import detect
from offramp_core.login_item.executables import COMMAND_LINE
from offramp_core.login_item.runner import Ran, SystemRunner
from offramp_core.login_item.service import NoServiceManagerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offramp_cli.doctor.context import Surroundings
    from offramp_cli.doctor.finding import Remark
    from offramp_core.login_item.runner import Run
    from offramp_core.login_item.service import LoginItemState

_LIMIT_S = 2.0
_INSTALL = "offramp install"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The login item; `state` is None where nothing starts one, and `why_none` says why."""

    state: LoginItemState | None
    why_none: str = ""
    hint: str = ""
    is_program_there: bool = False
    version: str | None = None
    """Of the program that it starts; None where that does not say."""
    wanted_port: int
    """By the settings."""
    lingers: bool | None = None
    """Whether it runs before login too; None where there is no such thing."""


def look(surroundings: Surroundings) -> Item:
    """Ask the service manager, within seconds.

    Raises:
        OfframpError: the manager is there, but fails.
    """
    run = _limited(SystemRunner(surroundings.environ))
    try:
        manager = detect(surroundings.environ, run=run, home=surroundings.home)
    except NoServiceManagerError as error:
        return Item(
            state=None,
            why_none=error.title,
            hint=error.hint,
            wanted_port=surroundings.settings.port,
        )
    state = manager.state()
    program = Path(state.program) if state.program else None
    is_there = program is not None and os.access(program, os.X_OK)
    return Item(
        state=state,
        wanted_port=surroundings.settings.port,
        is_program_there=is_there,
        version=_version_beside(program) if program is not None and is_there else None,
        lingers=linger.is_on(getpass.getuser()) if state.manager == "systemd" else None,
    )


def judge(item: Item) -> Iterator[Remark]:
    """Whether it is whole, and of this version."""
    state = item.state
    if state is None:
        yield note(item.why_none, item.hint)
        return
    if not state.is_installed:
        missing = "Not all of its files are there" if state.files else "It is not installed"
        yield note(
            f"{missing}: the daemon runs only when you start it by hand.", f"Install it: {_INSTALL}"
        )
        return
    if state.program is None or not item.is_program_there:
        yield failure(
            f"The login item starts {state.program or 'nothing that can be told'}, which is not "
            "there.",
            f"Mend it: {_INSTALL}",
        )
    elif item.version is not None and item.version != __version__:
        yield warning(
            f"The login item starts Offramp {item.version}, and this is {__version__}.",
            f"Type {_INSTALL} with the one that you want.",
        )
    if state.listens_on and not any(
        address.endswith(f":{item.wanted_port}") for address in state.listens_on
    ):
        yield warning(
            f"It listens on {', '.join(state.listens_on)}, and the settings want port "
            f"{item.wanted_port}.",
            f"Have it take the settings' port: {_INSTALL}",
        )
    yield from _of_manager(state)
    if item.lingers is False:
        yield note(f"It starts at login, not before: `{' '.join(linger.COMMAND)}` changes that.")


def _of_manager(state: LoginItemState) -> Iterator[Remark]:
    if not state.is_enabled:
        yield warning(
            f"It is installed, but {state.manager} does not start it at login.",
            f"Mend it: {_INSTALL}",
        )
    if not state.is_listening:
        yield failure(
            f"{state.manager} does not hold the port open ({state.detail or 'stopped'}).",
            "Open it: offramp start",
        )
    elif state.is_running:
        pid = f", pid {state.pid}" if state.pid else ""
        yield ok(f"{state.manager} holds the port open and runs {state.program}{pid}.")
    else:
        yield ok(f"{state.manager} holds the port open, and starts the daemon when it is needed.")


def _limited(run: Run) -> Run:
    """`run`, with less patience than an installation has."""

    def limited(command: Sequence[str], *, timeout_s: float = _LIMIT_S) -> Ran:
        return run(command, timeout_s=min(timeout_s, _LIMIT_S))

    return limited


def _version_beside(program: Path) -> str | None:
    """The version that the command line in the same folder tells."""
    try:
        done = subprocess.run(
            (program.with_name(COMMAND_LINE), "--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip().rpartition(" ")[2] or None
