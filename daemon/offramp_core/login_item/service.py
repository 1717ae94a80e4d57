"""What every service manager can do for the daemon, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from offramp_core.login_item.plan import LoginItemPlan
    from offramp_core.login_item.sockets import Address


class NoServiceManagerError(OfframpError):
    """Nothing on this machine, or in this session, starts login items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginItemSpec:
    """What a login item is made from."""

    program: Path
    """The daemon's, by a path that lasts."""
    addresses: tuple[Address, ...]
    environment: Mapping[str, str]
    drain_timeout_s: float
    diagnostics_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginItemState:
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
    """What it runs; None where that is not known."""
    listens_on: tuple[str, ...] = ()
    """Where its file says that it listens, as `127.0.0.1:3001` and `[::1]:3001`."""
    detail: str = ""
    """The manager's own words, such as `active (running)`."""
    last_failure: str = ""
    """How the daemon's first process failed the last time, in the manager's words; it may run well
    since."""
    limits: str = ""
    """What the manager does not do for it here, and what to do about that; empty if nothing."""


class LoginItemManager(Protocol):
    """One user's service manager. Everything blocks; only a plan's `apply` changes anything.

    The methods raise OfframpError where the manager or the disk fails.
    """

    name: str

    def state(self) -> LoginItemState:
        """How the login item is now."""

    def plan_install(self, spec: LoginItemSpec) -> LoginItemPlan:
        """What makes the login item as it should be, and running; nothing if it is."""

    def plan_uninstall(self) -> LoginItemPlan:
        """What stops it and takes it away; nothing if there is none."""

    def plan_start(self) -> LoginItemPlan:
        """What has it listen and run, if it does not."""

    def plan_stop(self) -> LoginItemPlan:
        """What stops it, and closes its port, until it is started or the user logs in again."""

    def plan_hand_over(self) -> LoginItemPlan:
        """What has a running daemon replaced without a pause: for one that can't be asked."""

    def plan_restart(self) -> LoginItemPlan:
        """What ends the daemon and starts another: for one that does not answer."""

    def last_words(self) -> str:
        """What is known of why the daemon did not come up; may be empty."""
