"""The daemon as a LaunchAgent of the user's launchd, which keeps its port open."""

from __future__ import annotations

import functools
import os
import re
import shlex
import time
from typing import TYPE_CHECKING

from offramp_core.login_item import launchd_agents, planned_files
from offramp_core.login_item.launchd_agents import DAEMON_LABEL
from offramp_core.login_item.plan import LoginItemPlan
from offramp_core.login_item.runner import TIMED_OUT, TIMEOUT_S, CommandFailedError, must, shown
from offramp_core.login_item.service import LoginItemState, NoServiceManagerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from offramp_core.login_item.runner import Command, Ran, Run
    from offramp_core.login_item.service import LoginItemSpec

AGENTS = "Library/LaunchAgents"
ERROR_FILE = "launchd.log"
"""In the folder of the diagnostics; launchd collects in it what the daemon says in its trouble."""
_LAUNCHCTL = "launchctl"
_ENDING_TIMEOUT_S = 900.0
_POLL_S = 0.2
_BOOTSTRAP_TRIES = 50
_STILL_BUSY = frozenset({5, 36, 37})
"""EIO, EINPROGRESS and EALREADY: what `bootstrap` says while the one before is on its way out."""
_STARTING = 37
"""What `kickstart` says of an agent that starts just now."""
_BOOTSTRAP_HINT = (
    "Try again in a minute, or log out and in again. If that does not help, look at the file "
    "(plutil -lint {file}), at the owner of its folder, which must be you, and at System Settings, "
    "General, Login Items: Offramp must be switched on there."
)
_BACKGROUND = (
    "Nobody is logged in at the screen, so launchd runs the daemon in the background. After a "
    "restart of this Mac it starts when you log in at the screen. If you only log in over SSH, run "
    "`offramp start`."
)
_TWICE = (
    "launchd has the daemon twice: it ran in the background before you logged in at the screen. "
    "The second one can't start. `offramp install` leaves one."
)
_NOT_LOADED = frozenset({3, 113})
_FACT = re.compile(r"^\t(\w[\w ]*) = (.*)$", re.MULTILINE)
"""One fact about the agent itself in what `launchctl print` says; deeper ones have more tabs."""


class Agents:
    """One user's agents: of the session at the screen, or without one of the background's.

    launchd has a domain for each. A Mac that is only reached by SSH has that of the background.
    """

    def __init__(self, run: Run, uid: int, sleep: Callable[[float], None] = time.sleep) -> None:
        """Speak to launchd by `run`, about the agents of `uid`."""
        self._run = run
        self._screen = f"gui/{uid}"
        self._background = f"user/{uid}"
        # Root has a background domain too, in which a user's Offramp would run with root's rights.
        self._possible = (self._screen, self._background) if uid else (self._screen,)
        self._sleep = sleep

    @functools.cached_property
    def domains(self) -> tuple[str, ...]:
        """The domains that there are, that of the screen first; an agent is loaded into the first.

        Raises:
            CommandFailedError: launchd does not answer.
        """
        return tuple(each for each in self._possible if _answer(self._run, "print", each).is_ok)

    @property
    def has_screen(self) -> bool:
        """Whether the user is logged in at the screen."""
        return self._screen in self.domains

    def facts(self, label: str) -> dict[str, str] | None:
        """What launchd knows of an agent, the running one of two; None if it is not loaded.

        Raises:
            CommandFailedError: launchd does not answer.
        """
        return next(iter(self._loaded(label).values()), None)

    def is_loaded_twice(self, label: str) -> bool:
        """Whether both domains have it: it ran in the background when the user logged in."""
        return len(self._loaded(label)) > 1

    def is_loaded_from(self, label: str, file: Path) -> bool:
        """Whether an agent is loaded from that file, and not from another home's.

        An agent's label is one for the whole session, wherever its file is.
        """
        return is_from(self.facts(label), file)

    def is_disabled(self, label: str) -> bool:
        """Whether somebody switched it off for good; newer systems write `disabled`.

        Raises:
            CommandFailedError: launchd does not answer.
        """
        # Both domains have one memory.
        ran = _answer(self._run, "print-disabled", self._domain)
        return re.search(rf'"{re.escape(label)}" => (true|disabled)', ran.out) is not None

    def loading(self, label: str, file: Path) -> tuple[Command, ...]:
        """The commands that load it; one that is switched off could not be loaded."""
        return (self.enabling(label), (_LAUNCHCTL, "bootstrap", self._domain, str(file)))

    def enabling(self, label: str) -> Command:
        """The command that takes back that it was switched off."""
        return (_LAUNCHCTL, "enable", self._target(label))

    def unloading(self, label: str) -> tuple[Command, ...]:
        """The commands that end it and close its sockets, wherever it is loaded."""
        return tuple((_LAUNCHCTL, "bootout", f"{each}/{label}") for each in self._loaded(label))

    def disabling(self, label: str) -> Command:
        """The command after which it is not loaded at login any more; a running one runs on."""
        return (_LAUNCHCTL, "disable", self._target(label))

    def kickstarting(self, label: str, *, kills: bool) -> Command:
        """The command that starts it; with `kills`, what runs is killed first."""
        return (_LAUNCHCTL, "kickstart", *(("-k",) if kills else ()), self._target(label))

    def signalling(self, label: str, signal: str) -> Command:
        """The command that sends the program a signal."""
        return (_LAUNCHCTL, "kill", signal, self._target(label))

    def run(self, command: Command) -> None:
        """Run one of these commands, and wait until it is true.

        Raises:
            CommandFailedError: it failed, for good.
        """
        match command[1]:
            case "bootstrap":
                self._bootstrap(command)
            case "bootout":
                self._bootout(command)
            case "kickstart":
                self._kickstart(command)
            case _:
                must(self._run, command)

    def _bootstrap(self, command: Command) -> None:
        """Try again while launchd is still busy with the end of the agent that was there."""
        for _ in range(_BOOTSTRAP_TRIES - 1):
            ran = self._run(command, timeout_s=TIMEOUT_S)
            if ran.is_ok:
                return
            if ran.code not in _STILL_BUSY:
                break
            self._sleep(_POLL_S)
        must(self._run, command, hint=_BOOTSTRAP_HINT.format(file=command[-1]))

    def _kickstart(self, command: Command) -> None:
        """Start it, unless it is just starting."""
        ran = self._run(command, timeout_s=TIMEOUT_S)
        if not ran.is_ok and ran.code != _STARTING:
            raise CommandFailedError(f"`{shown(command)}` failed ({ran.code}): {ran.said}")

    def _bootout(self, command: Command) -> None:
        """Wait for its end: `bootout` may come back before that."""
        target = command[-1]
        ran = self._run(command, timeout_s=_ENDING_TIMEOUT_S)
        if ran.code in _NOT_LOADED:
            return
        if not ran.is_ok and ran.code not in _STILL_BUSY:
            raise CommandFailedError(f"`{shown(command)}` failed ({ran.code}): {ran.said}")
        for _ in range(round(_ENDING_TIMEOUT_S / _POLL_S)):
            if not _answer(self._run, "print", target).is_ok:
                return
            self._sleep(_POLL_S)
        raise CommandFailedError(
            f"{target} is still running.", hint=f"To see its state: launchctl print {target}"
        )

    @property
    def _domain(self) -> str:
        return next(iter(self.domains), self._screen)

    def _target(self, label: str) -> str:
        return f"{next(iter(self._loaded(label)), self._domain)}/{label}"

    def _loaded(self, label: str) -> dict[str, dict[str, str]]:
        """Where it is loaded, and what launchd knows of it there; where it runs comes first."""
        answers = {each: _answer(self._run, "print", f"{each}/{label}") for each in self.domains}
        found = [(each, dict(_FACT.findall(ran.out))) for each, ran in answers.items() if ran.is_ok]
        return dict(sorted(found, key=lambda pair: "pid" not in pair[1]))


def _answer(run: Run, *words: str) -> Ran:
    """What `launchctl` answers; silence says nothing of what is loaded."""
    command = (_LAUNCHCTL, *words)
    ran = run(command)
    if ran.code == TIMED_OUT:
        raise CommandFailedError(
            f"launchd does not answer: `{shown(command)}` ({ran.said}).",
            hint="Try again in a minute, or log out and in again.",
        )
    return ran


def is_from(facts: Mapping[str, str] | None, file: Path) -> bool:
    """Whether these are the facts of an agent that was loaded from `file`."""
    if facts is None:
        return False
    loaded_from = facts.get("path", str(file))
    try:
        return loaded_from == str(file) or file.samefile(loaded_from)
    except (OSError, ValueError):  # one of them is not there, or is no file's name
        return False


class LaunchdManager:
    """The user's own launchd."""

    name = "launchd"

    def __init__(self, agents: Agents, agents_dir: Path) -> None:
        """Speak to it by `agents`; property lists belong in `agents_dir`."""
        self._agents = agents
        self._plan = functools.partial(LoginItemPlan, run=agents.run)
        self._file = agents_dir / f"{DAEMON_LABEL}.plist"

    def state(self) -> LoginItemState:
        """How the agent is now."""
        present = planned_files.plan(self._file, None).before
        facts = self._own_facts()
        pid = (facts or {}).get("pid", "")
        return LoginItemState(
            manager=self.name,
            files=() if present is None else (self._file,),
            is_installed=present is not None,
            is_enabled=present is not None and not self._agents.is_disabled(DAEMON_LABEL),
            is_listening=facts is not None,
            is_running=pid.isdigit(),
            pid=int(pid) if pid.isdigit() else None,
            program=launchd_agents.program_of(present or b""),
            listens_on=launchd_agents.listens_on(present or b""),
            detail=(facts or {}).get("state", "not loaded"),
            last_failure=_last_failure(facts or {}),
            limits=self._limits(),
        )

    def plan_install(self, spec: LoginItemSpec) -> LoginItemPlan:
        """Write the agent and load it; a changed one has to be unloaded first."""
        agent = launchd_agents.render_daemon(
            spec.program,
            spec.addresses,
            spec.environment,
            drain_timeout_s=spec.drain_timeout_s,
            error_file=spec.diagnostics_dir / ERROR_FILE,
        )
        file = planned_files.plan(self._file, agent)
        facts = self._replaceable_facts()
        folders = (spec.diagnostics_dir,)
        loading = self._agents.loading(DAEMON_LABEL, self._file)
        limits = "" if self._agents.has_screen else _BACKGROUND
        plan = functools.partial(self._plan, folders=folders, files=(file,), limits=limits)
        if facts is None:
            return plan(then=loading)
        is_right = is_from(facts, self._file) and not self._agents.is_loaded_twice(DAEMON_LABEL)
        if not file.is_change and is_right:
            return plan(then=self._ensuring(facts))
        return plan(
            then=(*self._agents.unloading(DAEMON_LABEL), *loading),
            interrupts="The port is closed for a moment, because launchd loads a changed agent "
            "only after the old one has ended.",
        )

    def plan_uninstall(self) -> LoginItemPlan:
        """Unload it, which closes its port, and take it away."""
        file = planned_files.plan(self._file, None)
        is_loaded = self._agents.is_loaded_from(DAEMON_LABEL, self._file)
        first = self._agents.unloading(DAEMON_LABEL) if is_loaded else ()
        return self._plan(first=first, files=(file,))

    def plan_start(self) -> LoginItemPlan:
        """Load it, or start the program of a loaded one."""
        facts = self._replaceable_facts()
        loading = self._agents.loading(DAEMON_LABEL, self._file)
        if facts is None:
            return self._plan(then=loading)
        if not is_from(facts, self._file):
            return self._plan(then=(*self._agents.unloading(DAEMON_LABEL), *loading))
        return self._plan(then=self._ensuring(facts))

    def plan_stop(self) -> LoginItemPlan:
        """Unload it: as long as it is loaded, launchd keeps its program running."""
        if self._own_facts() is None:
            return self._plan()
        return self._plan(then=self._agents.unloading(DAEMON_LABEL))

    def plan_hand_over(self) -> LoginItemPlan:
        """Signal the first process."""
        return self._plan(then=(self._agents.signalling(DAEMON_LABEL, "SIGHUP"),))

    def plan_restart(self) -> LoginItemPlan:
        """Kill the program and start it; connections wait in launchd's sockets meanwhile."""
        if self._own_facts() is None:
            return self.plan_start()
        return self._plan(
            then=(self._agents.kickstarting(DAEMON_LABEL, kills=True),),
            interrupts="Running streams are cut, and new requests wait until another daemon "
            "serves.",
        )

    def last_words(self) -> str:
        """How launchd says that the program ended."""
        facts = self._own_facts() or {}
        names = ("state", "last exit code", "runs")
        return "\n".join(f"{name}: {facts[name]}" for name in names if name in facts)

    def _own_facts(self) -> dict[str, str] | None:
        """What launchd knows of the agent; None where it is not loaded, or from another file."""
        facts = self._agents.facts(DAEMON_LABEL)
        return facts if is_from(facts, self._file) else None

    def _replaceable_facts(self) -> dict[str, str] | None:
        """What launchd knows of the agent, though its file may be another one that has gone.

        Raises:
            CommandFailedError: it is another home's, whose user would lose it.
        """
        facts = self._agents.facts(DAEMON_LABEL)
        path = (facts or {}).get("path", "")
        if path and not is_from(facts, self._file) and os.path.isfile(path):  # noqa: PTH113 - may not be a path
            raise CommandFailedError(
                f"launchd runs the Offramp of another home, from {path}.",
                hint=f"Remove that one first: HOME={_home_of(path)} offramp uninstall",
            )
        return facts

    def _limits(self) -> str:
        if self._agents.is_loaded_twice(DAEMON_LABEL):
            return _TWICE
        return "" if self._agents.has_screen else _BACKGROUND

    def _ensuring(self, facts: dict[str, str]) -> tuple[Command, ...]:
        if "pid" in facts:
            return ()
        return (self._agents.kickstarting(DAEMON_LABEL, kills=False),)


def _last_failure(facts: Mapping[str, str]) -> str:
    code = facts.get("last exit code", "")
    has_failed = re.match(r"-?[1-9]", code) is not None
    return f"last exit code {code}" if has_failed else ""


def _home_of(path: str) -> str:
    return shlex.quote(path.partition(f"/{AGENTS}/")[0])


def detect(run: Run, home: Path, *, uid: int) -> LaunchdManager:
    """The launchd of the session at the screen, or else of the user's background.

    Raises:
        NoServiceManagerError: launchd has neither.
        CommandFailedError: launchd does not answer.
    """
    agents = Agents(run, uid)
    if not agents.domains:
        raise NoServiceManagerError(
            "Offramp can't start at login here: launchd has no session of this user.",
            hint="Log in at the screen or over SSH, as yourself and not as root, and run this "
            "again. Or run `offramp serve` in a terminal.",
        )
    return LaunchdManager(agents, home / AGENTS)
