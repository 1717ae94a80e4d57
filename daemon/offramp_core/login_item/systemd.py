"""The daemon as units of the user's systemd: a socket that stays open, and a service behind it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.login_item import planned_files, systemd_units
from offramp_core.login_item.plan import LoginItemPlan
from offramp_core.login_item.runner import NOT_FOUND, must, shown
from offramp_core.login_item.service import LoginItemState, NoServiceManagerError
from offramp_core.login_item.systemd_units import SERVICE, SOCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from offramp_core.login_item.planned_files import PlannedFile
    from offramp_core.login_item.runner import Command, Run
    from offramp_core.login_item.service import LoginItemSpec

_SYSTEMCTL = ("systemctl", "--user")
_ENDING_TIMEOUT_S = 900.0
"""For commands that wait for the daemon's end, to which systemd sets the limit."""
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,NeedDaemonReload,Result,NRestarts"
)
_HINT = f"To see its state: systemctl --user status {SOCKET} {SERVICE}"
_LAST_LINES = "12"


class SystemdManager:
    """The user's own systemd."""

    name = "systemd"

    def __init__(self, run: Run, units_dir: Path) -> None:
        """Speak to it by `run`; units belong in `units_dir`."""
        self._run = run
        self._socket_file = units_dir / SOCKET
        self._service_file = units_dir / SERVICE
        self._plan = functools.partial(LoginItemPlan, run=self._run_to_end)

    def state(self) -> LoginItemState:
        """How the two units are now."""
        units = self._units()
        service = units[SERVICE]
        files = tuple(file for file in (self._socket_file, self._service_file) if _is_file(file))
        return LoginItemState(
            manager=self.name,
            files=files,
            is_installed=len(files) == len(units),
            is_enabled=all(unit["UnitFileState"] == "enabled" for unit in units.values()),
            is_listening=_is_listening(units),
            is_running=service["ActiveState"] in {"active", "reloading"},
            pid=int(service["MainPID"]) or None,
            program=systemd_units.program_of(_text(self._service_file)),
            listens_on=systemd_units.listens_on(_text(self._socket_file)),
            detail=f"{service['ActiveState']} ({service['SubState']})",
            last_failure=_last_failure(service),
        )

    def plan_install(self, spec: LoginItemSpec) -> LoginItemPlan:
        """Write what differs, and have systemd take it up with as little pause as can be."""
        files = self._files(spec)
        units = self._units()
        commands: list[Command] = []
        if any(file.is_change for file in files) or _is_stale(units):
            commands.append((*_SYSTEMCTL, "daemon-reload"))
        if any(unit["UnitFileState"] != "enabled" for unit in units.values()) or any(
            file.before is None for file in files
        ):
            commands.append((*_SYSTEMCTL, "enable", SOCKET, SERVICE))
        starting, interrupts = self._starting(files, units)
        return self._plan(
            files=files,
            then=(*commands, *starting),
            interrupts=interrupts,
            hands_over=not starting and not _keeps(files[1], systemd_units.start_lines),
        )

    def plan_uninstall(self) -> LoginItemPlan:
        """Stop and disable both at once, so that the one can't start the other."""
        files = tuple(
            planned_files.plan(file, None) for file in (self._service_file, self._socket_file)
        )
        units = self._units()
        is_known = any(unit["LoadState"] != "not-found" for unit in units.values())
        if not is_known and not any(file.is_change for file in files):
            return self._plan(files=files)
        first: tuple[Command, ...] = ()
        if is_known:
            first = ((*_SYSTEMCTL, "disable", "--now", SERVICE, SOCKET),)
        return self._plan(first=first, files=files, then=((*_SYSTEMCTL, "daemon-reload"),))

    def plan_start(self) -> LoginItemPlan:
        """Open the port, then start what serves there."""
        units = self._units()
        if _is_listening(units):
            if units[SERVICE]["ActiveState"] in {"active", "reloading", "activating"}:
                return self._plan()
            return self._plan(then=((*_SYSTEMCTL, "start", "--no-block", SERVICE),))
        return self._plan(then=_OPENING)

    def plan_stop(self) -> LoginItemPlan:
        """Stop both at once: the next connection would start the service again."""
        units = self._units()
        if all(unit["ActiveState"] in {"inactive", "failed"} for unit in units.values()):
            return self._plan()
        return self._plan(then=((*_SYSTEMCTL, "stop", SERVICE, SOCKET),))

    def plan_hand_over(self) -> LoginItemPlan:
        """Signal the first process, as the unit says."""
        return self._plan(then=((*_SYSTEMCTL, "reload", SERVICE),))

    def plan_restart(self) -> LoginItemPlan:
        """End the service's processes and start it; connections wait in the socket meanwhile."""
        if not _is_listening(self._units()):
            return self._plan(then=_OPENING)
        return self._plan(
            then=((*_SYSTEMCTL, "restart", "--no-block", SERVICE),),
            interrupts="New requests wait until the daemon has ended and another one serves.",
        )

    def last_words(self) -> str:
        """The last lines that systemd has of the service."""
        words = ("status", "--no-pager", "--full", "--lines", _LAST_LINES, SERVICE)
        return self._run((*_SYSTEMCTL, *words)).out.strip()

    def _run_to_end(self, command: Command) -> None:
        must(self._run, command, timeout_s=_ENDING_TIMEOUT_S, hint=_HINT)

    def _files(self, spec: LoginItemSpec) -> tuple[PlannedFile, PlannedFile]:
        socket = systemd_units.render_socket(spec.addresses)
        service = systemd_units.render_service(
            spec.program, spec.environment, drain_timeout_s=spec.drain_timeout_s
        )
        return (
            planned_files.plan(self._socket_file, socket.encode()),
            planned_files.plan(self._service_file, service.encode()),
        )

    def _starting(
        self, files: tuple[PlannedFile, PlannedFile], units: Mapping[str, Mapping[str, str]]
    ) -> tuple[tuple[Command, ...], str | None]:
        """What has the units run as the files will say, and why that is felt, if it is."""
        socket, service = files
        is_up = any(unit["ActiveState"] not in {"inactive", "failed"} for unit in units.values())
        if _is_listening(units) and _keeps(socket, systemd_units.listens_on):
            if units[SERVICE]["ActiveState"] in {"inactive", "failed"}:
                return ((*_SYSTEMCTL, "start", "--no-block", SERVICE),), None
            # Its environment is that of its start; another program can go on in its place.
            if service.before and _keeps(service, systemd_units.environment_lines):
                return (), None
            return ((*_SYSTEMCTL, "restart", "--no-block", SERVICE),), (
                "The daemon's folders have changed, so it is replaced. New requests wait meanwhile."
            )
        if not is_up:
            return _OPENING, None
        return ((*_SYSTEMCTL, "stop", SERVICE, SOCKET), *_OPENING), (
            "The port is closed for a moment, until the daemon listens where it should."
        )

    def _units(self) -> dict[str, dict[str, str]]:
        """What systemd knows of each of the two."""
        command = (*_SYSTEMCTL, "show", "--property", _PROPERTIES, SOCKET, SERVICE)
        found = {}
        for block in must(self._run, command, hint=_HINT).out.strip().split("\n\n"):
            unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            found[unit.get("Id", "")] = {"MainPID": "0", **unit}
        return {name: found[name] for name in (SOCKET, SERVICE)}


_OPENING = (
    (*_SYSTEMCTL, "start", SOCKET),
    (*_SYSTEMCTL, "start", "--no-block", SERVICE),
)


def detect(run: Run, environ: Mapping[str, str], home: Path) -> SystemdManager:
    """The user's systemd, if it really answers.

    Raises:
        NoServiceManagerError: there is none, or it can't be reached from here.
    """
    ran = run((*_SYSTEMCTL, "show", "--property", "UnitPath", "--value"))
    if ran.is_ok and ran.out.strip():
        return SystemdManager(run, _units_dir(environ, home, ran.out))
    if ran.code == NOT_FOUND:
        reason = "there is no systemd on this machine."
    elif environ.get("SUDO_USER"):
        reason = "with sudo, there is no service manager."
    elif not environ.get("XDG_RUNTIME_DIR"):
        reason = "this shell is not a login session (XDG_RUNTIME_DIR is not set)."
    else:
        reason = f"the user's systemd can't be reached: {ran.said or shown(_SYSTEMCTL)}."
    raise NoServiceManagerError(f"Offramp can't start at login here: {reason}", hint=_WITHOUT)


_WITHOUT = (
    "Run `offramp serve` in a terminal, or make it the container's command.\n  If you used su or "
    "sudo, log in directly instead."
)


def _units_dir(environ: Mapping[str, str], home: Path, unit_path: str) -> Path:
    """Where this user's units belong: where the manager looks, whatever the shell's variable is."""
    configured = environ.get("XDG_CONFIG_HOME")
    if configured and f"{configured}/systemd/user" in unit_path:
        return Path(configured) / "systemd" / "user"
    return home / ".config" / "systemd" / "user"


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _text(path: Path) -> str:
    return (planned_files.plan(path, None).before or b"").decode(errors="replace")


def _is_listening(units: Mapping[str, Mapping[str, str]]) -> bool:
    return units[SOCKET]["ActiveState"] == "active"


def _last_failure(service: Mapping[str, str]) -> str:
    result, restarts = service.get("Result", "success"), service.get("NRestarts", "0")
    if result == "success" and restarts == "0":
        return ""
    return f"{service['SubState']}, result {result}, restarted {restarts} times"


def _is_stale(units: Mapping[str, Mapping[str, str]]) -> bool:
    return any(unit.get("NeedDaemonReload") == "yes" for unit in units.values())


def _keeps(file: PlannedFile, part: Callable[[str], tuple[str, ...]]) -> bool:
    """Whether that part of a unit stays as it was."""
    before, after = (
        part((text or b"").decode(errors="replace")) for text in (file.before, file.after)
    )
    return before == after
