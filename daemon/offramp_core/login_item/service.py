"""What every service manager can do for the daemon, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from offramp_core.login_item.planned_files import PlannedFile
    from offramp_core.login_item.runner import Command
    from offramp_core.login_item.sockets import Address


class NoServiceManagerError(OfframpError):
    """Nothing on this machine, or in this session, starts login items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a login item is made from."""

    program: Path
    """The daemon's, by a path that lasts."""
    addresses: tuple[Address, ...]
    environment: Mapping[str, str]
    drain_timeout_s: float
    diagnostics_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The login item at one moment, as its manager sees it."""

    manager: str
    """`systemd` or `launchd`."""
    files: tuple[Path, ...]
    """Those of its files that are there."""
    is_installed: bool
    """All of its files are there."""
    is_enabled: bool
    """It starts at login."""
    is_listening: bool
    """The manager holds the port open, whether or not the daemon runs."""
    is_running: bool
    pid: int | None = None
    """Of the daemon's first process, which outlives its workers."""
    program: str | None = None
    """What it runs; None where that can't be told."""
    listens_on: tuple[str, ...] = ()
    """Where its file says that it listens, as `127.0.0.1:3001` and `[::1]:3001`."""
    detail: str = ""
    """The manager's own words, such as `active (running)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What it takes, in this order: commands, folders, files, commands."""

    first: tuple[Command, ...] = ()
    folders: tuple[Path, ...] = ()
    """What a manager does not make for itself; the user's alone."""
    files: tuple[PlannedFile, ...] = ()
    then: tuple[Command, ...] = ()
    interrupts: str | None = None
    """Why the port is closed, or new requests wait, for a moment; None if they don't."""

    @property
    def is_change(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.first or self.then or any(file.is_change for file in self.files))


class ServiceManager(Protocol):
    """One user's service manager. Everything blocks; only `carry_out` changes anything.

    The methods raise OfframpError where the manager or the disk fails.
    """

    name: str

    def state(self) -> State:
        """How the login item is now."""

    def plan_install(self, setup: Setup) -> Plan:
        """What makes the login item as it should be, and running; nothing if it is."""

    def plan_uninstall(self) -> Plan:
        """What stops it and takes it away; nothing if there is none."""

    def plan_start(self) -> Plan:
        """What has it listen and run, if it does not."""

    def plan_stop(self) -> Plan:
        """What stops it, and closes its port, until it is started or the user logs in anew."""

    def plan_hand_over(self) -> Plan:
        """What has a running daemon replaced without a pause: for one that can't be asked."""

    def plan_restart(self) -> Plan:
        """What ends the daemon and starts it anew: for one that does not answer."""

    def carry_out(self, plan: Plan) -> Iterator[str]:
        """Do it, step by step; yields what was done after each, as the user reads it."""

    def last_words(self) -> str:
        """What is known of why the daemon did not come up; may be empty."""
