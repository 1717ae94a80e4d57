"""What the commands share that deal with the login item: looking, waiting, and its words."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli.daemon_client import client_for
from offramp_core.addresses import client_base_url
from offramp_core.config import loader
from offramp_core.control import health_check
from offramp_core.control.client import ControlError
from offramp_core.errors import OfframpError
from offramp_core.login_item import detect, environment, executables, sockets
from offramp_core.login_item.service import LoginItemSpec, NoServiceManagerError
from offramp_core.paths import Paths
from offramp_core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.control.api import Status
    from offramp_core.login_item.executables import Programs
    from offramp_core.login_item.service import LoginItemManager, LoginItemState

PATIENCE_S = 45.0
"""For the daemon to answer: a cold start on a slow disk, and some more."""
_POLL_S = 0.05

NOT_INSTALLED = "Offramp is not installed to start at login, so there is nothing to {verb}."
_IN_TERMINAL = {
    "start": "Nothing has to be started. To start it at login: offramp install",
    "stop": "To stop it, press Ctrl-C in that terminal.",
    "restart": "Press Ctrl-C in that terminal, then start it there again: offramp serve",
}
_HINT_INSTALL = "To install it: offramp install. To run the daemon in a terminal: offramp serve"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginItemContext:
    """What a login item is made from and for: this user's folders, programs and settings."""

    environ: Mapping[str, str]
    """This shell's."""
    home: Path
    paths: Paths
    variables: Mapping[str, str]
    """Those that the login item sets."""
    programs: Programs

    @property
    def daemon_environ(self) -> dict[str, str]:
        """What of this shell's environment the daemon will have."""
        return environment.seen_by_daemon(self.environ, self.variables)

    def settings(self) -> LoadedSettings:
        """The settings as the daemon will see them.

        Raises:
            ConfigError: they are refused.
        """
        return loader.load(self.paths, self.daemon_environ)

    def usable_settings(self) -> Settings:
        """The same; where they are refused the defaults, as the daemon does, and a warning."""
        try:
            return self.settings().settings
        except loader.ConfigError as error:
            click.echo(
                f"Warning: {error.title} Until it is right, everything goes to Claude.", err=True
            )
            return Settings()

    def spec(self, settings: Settings) -> LoginItemSpec:
        """Return what the login item is made from."""
        return LoginItemSpec(
            program=self.programs.daemon,
            addresses=sockets.addresses(settings.host, settings.port),
            environment=self.variables,
            drain_timeout_s=settings.drain_timeout_s,
            diagnostics_dir=self.paths.diagnostics_dir,
        )


def find_context() -> LoginItemContext:
    """Look in this process's environment.

    Raises:
        OfframpError: our programs are not where they should be.
    """
    environ, home = dict(os.environ), Path.home()
    return LoginItemContext(
        environ=environ,
        home=home,
        paths=Paths.for_user(environ),
        variables=environment.needed(environ, home, Path.cwd()),
        programs=executables.find(environ, home),
    )


def installed_manager(verb: str) -> tuple[LoginItemManager, LoginItemState]:
    """The manager of an installed login item, and its state.

    Raises:
        NoServiceManagerError: there is no service manager.
        OfframpError: there is no login item to `verb`.
    """
    try:
        manager = detect.detect(os.environ)
    except NoServiceManagerError:
        _refuse_in_terminal(verb)
        raise
    state = manager.state()
    if not state.is_installed:
        _refuse_in_terminal(verb)
        raise OfframpError(NOT_INSTALLED.format(verb=verb), hint=_HINT_INSTALL)
    return manager, state


def _refuse_in_terminal(verb: str) -> None:
    """Say what to do about a daemon that no login item runs.

    Raises:
        OfframpError: one runs.
    """
    pid = pid_in_terminal(Paths.for_user(os.environ))
    if pid is not None:
        raise OfframpError(
            f"The daemon runs in a terminal, as process {pid}, and not as a login item.",
            hint=_IN_TERMINAL.get(verb, _IN_TERMINAL["stop"]),
        )


def pid_in_terminal(paths: Paths) -> int | None:
    """The process of a daemon that no login item runs; None if there is none."""
    status = status_of(paths)
    return None if status is None or status.supervisor_pid is not None else status.pid


def url_of(settings: Settings) -> str:
    """Where clients on this machine reach the daemon."""
    return client_base_url(host=settings.host, port=settings.port)


def status_of(paths: Paths) -> Status | None:
    """The daemon's status; None where it does not say."""
    try:
        return client_for(paths).status()
    except ControlError:
        return None


def wait_until_serving(
    paths: Paths,
    settings: Settings,
    *,
    is_wanted: Callable[[Status], bool] = lambda _status: True,
) -> Status | None:
    """Wait until a daemon as wanted answers on its port and its control socket; None: it didn't.

    Where a token is wanted of clients, only the control socket is asked.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = status_of(paths)
        if (
            status is not None
            and not status.is_stopping
            and is_wanted(status)
            and (settings.client_token or health_check.who_answers(status.address) == "offramp")
        ):
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)


def require_serving(
    manager: LoginItemManager,
    paths: Paths,
    settings: Settings,
    *,
    is_wanted: Callable[[Status], bool] = lambda _status: True,
) -> Status:
    """The daemon's status once it really answers.

    Raises:
        OfframpError: it doesn't, with what its manager knows.
    """
    status = wait_until_serving(paths, settings, is_wanted=is_wanted)
    if status is not None:
        return status
    words = manager.last_words()
    raise OfframpError(
        f"The daemon did not answer at {url_of(settings)} within {PATIENCE_S:g} s.",
        hint="\n  ".join(
            (
                f"Its log: {paths.diagnostics_file}. What {manager.name} says of it:",
                *words.splitlines(),
            )
        )
        if words
        else f"Its log: {paths.diagnostics_file}",
    )


def state_text(state: LoginItemState) -> str:
    """The login item in a few words."""
    if not state.is_installed:
        return "half installed: offramp install repairs it" if state.files else "not installed"
    words = [
        "running" if state.is_running else f"not running, {state.detail}",
        *([] if state.is_listening else ["its port is closed"]),
        *([] if state.is_enabled else ["not started at login"]),
    ]
    return f"installed ({state.manager}), {', '.join(words)}"


def state_here() -> tuple[LoginItemState | None, str]:
    """The login item's state and its words; None where no service manager says."""
    try:
        state = detect.detect(os.environ).state()
    except NoServiceManagerError:
        return None, "not possible here, because there is no service manager"
    except OfframpError as error:
        return None, f"unknown: {error.title}"
    return state, state_text(state)
