"""Starts the tray at login: an XDG autostart entry on Linux, a LaunchAgent on macOS.

Whoever switched it off keeps it off: the entry stays, marked as such, until it is asked for again.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from offramp_core.login_item import (
    environment,
    executables,
    launchd,
    launchd_agents,
    planned_files,
    templates,
)
from offramp_core.login_item.launchd_agents import TRAY_LABEL
from offramp_core.login_item.plan import LoginItemPlan
from offramp_core.login_item.runner import SystemRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.login_item.runner import Run

AutostartChoice = Literal["on", "off", "never set"]

ENTRY = "offramp-tray.desktop"

_SWITCHED_OFF = re.compile(
    rb"^\s*(Hidden\s*=\s*true|X-GNOME-Autostart-enabled\s*=\s*false)\s*$", re.MULTILINE
)
_RESERVED = re.compile(r'(["`$\\])')


class TrayAutostart(Protocol):
    """Whether the tray starts at login. It blocks; only a plan's `apply` changes anything."""

    def choice(self) -> AutostartChoice:
        """What the user has chosen so far."""

    def plan_on(self, program: Path, variables: Mapping[str, str]) -> LoginItemPlan:
        """What has it start at login: `program`, which is `offramp`, by a path that lasts."""

    def plan_off(self) -> LoginItemPlan:
        """What keeps it from starting at login; one that runs now runs on."""

    def plan_removal(self) -> LoginItemPlan:
        """What takes every trace of it away."""

    def plan_restart(self, pid: int) -> LoginItemPlan | None:
        """What restarts the tray of that number; None where nobody but itself can."""


class XdgAutostart:
    """An entry in the desktop's autostart folder."""

    def __init__(self, folder: Path) -> None:
        """The entry belongs in `folder`."""
        self._file = folder / ENTRY

    def choice(self) -> AutostartChoice:
        """Read the entry, which the desktop's own settings may have changed."""
        text = planned_files.plan(self._file, None).before
        if text is None:
            return "never set"
        return "off" if _SWITCHED_OFF.search(text) else "on"

    def plan_on(self, program: Path, variables: Mapping[str, str]) -> LoginItemPlan:
        """Write the entry."""
        words = [str(program), "tray"]
        if variables:
            words = ["env", *(f"{name}={value}" for name, value in variables.items()), *words]
        text = render_entry(words, is_on=True)
        return LoginItemPlan(files=(planned_files.plan(self._file, text.encode()),))

    def plan_off(self) -> LoginItemPlan:
        """Mark the entry as taken away by the user, which every desktop honours."""
        text = render_entry(["offramp", "tray"], is_on=False)
        return LoginItemPlan(files=(planned_files.plan(self._file, text.encode()),))

    def plan_removal(self) -> LoginItemPlan:
        """Remove the entry."""
        return LoginItemPlan(files=(planned_files.plan(self._file, None),))

    def plan_restart(self, pid: int) -> None:
        """Nothing looks after what a desktop has started."""
        del pid


class LaunchAgentAutostart:
    """A LaunchAgent of the graphical session."""

    def __init__(self, agents: launchd.Agents, folder: Path) -> None:
        """The agent's property list belongs in `folder`."""
        self._agents = agents
        self._plan = functools.partial(LoginItemPlan, run=agents.run)
        self._file = folder / f"{TRAY_LABEL}.plist"

    def choice(self) -> AutostartChoice:
        """Look at the file, and at launchd's own memory of what is switched off."""
        if self._agents.is_disabled(TRAY_LABEL):
            return "off"
        is_there = planned_files.plan(self._file, None).before is not None
        return "on" if is_there else "never set"

    def plan_on(self, program: Path, variables: Mapping[str, str]) -> LoginItemPlan:
        """Write the agent, and have it run from now on; one that its user has quit stays quit.

        With nobody at the screen, launchd loads it when the user logs in there.
        """
        agent = launchd_agents.render_tray(program, variables)
        file = planned_files.plan(self._file, agent)
        facts = self._agents.facts(TRAY_LABEL)
        loading = self._agents.loading(TRAY_LABEL, self._file)
        if facts is None and self._agents.has_screen:
            return self._plan(files=(file,), then=loading)
        if facts is not None and file.is_change and "pid" in facts:
            return self._plan(files=(file,), then=(*self._agents.unloading(TRAY_LABEL), *loading))
        enabling = loading[:1] if self._agents.is_disabled(TRAY_LABEL) else ()
        return self._plan(files=(file,), then=enabling)

    def plan_off(self) -> LoginItemPlan:
        """Switch it off for the logins to come."""
        return self._plan(then=(self._agents.disabling(TRAY_LABEL),))

    def plan_removal(self) -> LoginItemPlan:
        """Unload the agent and remove its file."""
        is_loaded = self._agents.is_loaded_from(TRAY_LABEL, self._file)
        first = self._agents.unloading(TRAY_LABEL) if is_loaded else ()
        # launchd remembers beyond the file what is switched off: an install to come is a new one.
        forgetting = (self._agents.enabling(TRAY_LABEL),)
        then = forgetting if self._agents.is_disabled(TRAY_LABEL) else ()
        return self._plan(first=first, files=(planned_files.plan(self._file, None),), then=then)

    def plan_restart(self, pid: int) -> LoginItemPlan | None:
        """Have launchd restart it; one that was started by hand is not launchd's."""
        facts = self._agents.facts(TRAY_LABEL)
        if facts is None or facts.get("pid") != str(pid):
            return None
        return self._plan(then=(self._agents.kickstarting(TRAY_LABEL, kills=True),))


class TraySwitch:
    """The tray's own check mark: starts at login, or not. Everything blocks for a moment."""

    def __init__(self, item: TrayAutostart, program: Path, variables: Mapping[str, str]) -> None:
        """Have `item` start `program`, which is `offramp`, with these `variables`."""
        self._item = item
        self._program = program
        self._variables = variables

    def is_on(self) -> bool:
        """Whether the tray starts at login."""
        return self._item.choice() == "on"

    def switch(self, *, on: bool) -> None:
        """Have it start at login, or no longer; a tray that runs runs on.

        Raises:
            OfframpError: the files can't be written, or the service manager fails.
        """
        plan = self._item.plan_on(self._program, self._variables) if on else self._item.plan_off()
        for _ in plan.apply():
            pass


def switch_for(environ: Mapping[str, str]) -> TraySwitch:
    """The check mark of the tray that runs in this process.

    Raises:
        OfframpError: `offramp` is not installed, so nothing could be started at login.
    """
    home = Path.home()
    program = executables.find(environ, home).command_line
    variables = environment.needed(environ, home, Path.cwd())
    return TraySwitch(find(environ, home=home), program, variables)


def find(
    environ: Mapping[str, str],
    *,
    run: Run | None = None,
    home: Path | None = None,
    platform: str = sys.platform,
) -> TrayAutostart:
    """What starts the tray on this system."""
    home = home or Path.home()
    if platform == "darwin":
        agents = launchd.Agents(run or SystemRunner(environ), os.getuid())
        return LaunchAgentAutostart(agents, home / launchd.AGENTS)
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    root = configured if configured.is_absolute() else home / ".config"
    return XdgAutostart(root / "autostart")


def render_entry(words: list[str], *, is_on: bool) -> str:
    """The desktop entry that starts a command of these `words`."""
    return templates.text(ENTRY).format(
        command=" ".join(map(_word, words)),
        hidden="false" if is_on else "true",
        enabled="true" if is_on else "false",
    )


def _word(text: str) -> str:
    """One word of `Exec`: quoted as a command's, then escaped as any text of an entry."""
    escaped = _RESERVED.sub(r"\\\1", text).replace("\\", "\\\\")
    return f'"{escaped.replace("%", "%%")}"'
