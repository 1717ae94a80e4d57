"""Has a tray that runs become the one that was just installed; a tray that was quit stays quit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from offramp_core import __version__, running_tray
from offramp_core.errors import OfframpError
from offramp_core.login_item.plan import step_line

if TYPE_CHECKING:
    from offramp_core.login_item.autostart import TrayAutostart
    from offramp_core.login_item.plan import LoginItemPlan
    from offramp_core.paths import Paths
    from offramp_core.running_tray import TrayRecord


@dataclass(frozen=True, slots=True)
class TrayRestart:
    """A tray to be restarted."""

    tray: TrayRecord
    by_manager: LoginItemPlan | None
    """None: the tray does it itself, keeping what the desktop gave it at its start."""

    def describe(self) -> None:
        """Print what `restart` would do."""
        lines = [self._line()] if self.by_manager is None else [*self.by_manager.describe()]
        for line in lines:
            click.echo(line)

    def restart(self) -> None:
        """Restart it. A failure is a note: the daemon is what matters, and it serves."""
        try:
            if self.by_manager is not None:
                for line in self.by_manager.apply():
                    click.echo(line)
            elif running_tray.restart(self.tray):
                click.echo(self._line())
        except OfframpError as error:
            click.echo(
                f"Note: The tray could not be restarted: {error.title} Quit it from its menu and "
                "start it again: offramp tray",
                err=True,
            )

    def _line(self) -> str:
        return step_line("restarted", f"the tray, pid {self.tray.pid}")


def plan(
    item: TrayAutostart, change: LoginItemPlan | None, paths: Paths, *, is_renewal: bool
) -> TrayRestart | None:
    """Return the restart that is due once `change` was made to the login item; None for none.

    Raises:
        OfframpError: launchd can't be asked.
    """
    tray = running_tray.find(paths.tray_lock_file)
    if tray is None or (tray.version == __version__ and not is_renewal):
        return None
    by_manager = item.plan_restart(tray.pid)
    is_loaded_again = change is not None and any("bootstrap" in command for command in change.then)
    if by_manager is not None and is_loaded_again:
        return None
    return TrayRestart(tray, by_manager)
