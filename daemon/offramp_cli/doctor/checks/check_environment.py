"""The variables that decide how the daemon gets out, which a login item does not have by itself.

A daemon that a service manager starts does not see what the user's shell exports. The daemon says
which of these variables it has, without logins. Where this process may look into the daemon's own
environment, as on Linux, it takes them from there, so that it can go out as the daemon does.
"""

from __future__ import annotations

import dataclasses
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.doctor import proxy_lookup
from offramp_cli.doctor.finding import note, ok, warning
from offramp_core import outbound_proxy
from offramp_core.config import proxy_variables
from offramp_core.config.proxy_variables import CERTIFICATES, PROXIES, shown
from offramp_core.config.values import ConfigError
from offramp_core.outbound_proxy import BadProxyError
from offramp_core.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import Status
    from offramp_core.outbound_proxy import OutboundProxy

_PROC = Path("/proc")
_LOOK_S = 1.0
_NO_LOGIN = f"{MASK}@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """These variables in the shell and in the daemon; None where the daemon's are not known."""

    shell: Mapping[str, str]
    daemon: Mapping[str, str] | None
    is_running: bool = False
    """Whether there is a daemon."""
    came_later: tuple[str, ...] = ()
    """What `.env` sets, if it was changed after the daemon had started, which then read it."""
    skipped: tuple[str, ...] = ()
    """Sentences on an ALL_PROXY that the daemon does not use, or would not."""

    @property
    def in_force(self) -> Mapping[str, str]:
        """The daemon's if they are known, else those that it would have if started here.

        A login that the daemon does not show, and the shell does not have, is missing.
        """
        if self.daemon is None:
            return self.shell
        return {name: value.replace(_NO_LOGIN, "") for name, value in self.daemon.items()}


def look(context: DoctorContext, *, proc: Path = _PROC) -> Environments:
    """Both environments, with the lines of our `.env` behind each."""
    status = context.status
    shell = _chosen(context.environ, context)
    found = Environments(
        shell=shell,
        daemon=None if status is None else _of_daemon(status, shell, context, proc),
        is_running=status is not None,
        came_later=_came_later(context),
    )
    return dataclasses.replace(found, skipped=_said_skipped(status) or _skipped(found.in_force))


def _said_skipped(status: Status | None) -> tuple[str, ...]:
    """What the daemon itself warns of, but for its plans."""
    if status is None:
        return ()
    of_plans = {plan.text for plan in status.short_plans}
    return tuple(text for text in status.warnings if text not in of_plans)


def adopt(environments: Environments, environ: MutableMapping[str, str]) -> None:
    """Have connections of this process, whose environment is `environ`, go out as the daemon's."""
    for name in (*PROXIES, *CERTIFICATES):
        for spelling in proxy_variables.spellings(name):
            environ.pop(spelling, None)
    environ.update(environments.in_force)


def judge(environments: Environments) -> Iterator[Remark]:
    """Say how the daemon gets out, and warn where it lacks what this shell has."""
    shell, daemon = environments.shell, environments.daemon
    for text in environments.skipped:
        yield warning(text, "Afterwards: offramp restart")
    if environments.came_later:
        yield warning(
            f"The file .env was changed after the daemon had started: "
            f"{', '.join(environments.came_later)} may not be in force.",
            "offramp restart",
        )
        return
    if daemon is None:
        yield _of_shell_alone(shell, is_running=environments.is_running)
        return
    differing = [name for name in (*PROXIES, *CERTIFICATES) if shell.get(name) != daemon.get(name)]
    if not differing:
        yield ok(f"Daemon and shell have the same settings: {_listed(daemon)}.")
    for name in differing:
        yield _difference(name, shell.get(name), daemon.get(name))


def _of_shell_alone(shell: Mapping[str, str], *, is_running: bool) -> Remark:
    text = f"This shell uses {_listed(shell)}; "
    if is_running:
        text += "the daemon's version does not show which proxy it uses."
        return note(text, "Replace it with this version: offramp restart")
    text += "there is no daemon to compare with."
    if not shell:
        return ok(text)
    return note(
        text, "A login item does not see the shell's variables: `offramp install` copies them."
    )


def _difference(name: str, shell: str | None, daemon: str | None) -> Remark:
    if daemon is None:
        return warning(
            f"{name} is set in this shell ({shown(name, shell or '')}), but not where the daemon "
            "runs.",
            "If you need it to reach the internet: `offramp install` copies it for the daemon.",
        )
    if shell is None:
        return note(
            f"{name} is set where the daemon runs ({shown(name, daemon)}), not in this shell."
        )
    return note(
        f"{name} is {shown(name, shell)} in this shell and {shown(name, daemon)} where the "
        "daemon runs.",
        "If the shell's value is right: `offramp install` copies it for the daemon.",
    )


def _listed(variables: Mapping[str, str]) -> str:
    named = [f"{name}={shown(name, value)}" for name, value in variables.items()]
    return ", ".join(named) if named else "no proxy and no additional certificates"


def _skipped(variables: Mapping[str, str]) -> tuple[str, ...]:
    try:
        way = outbound_proxy.find_way("https", proxy_lookup.settings_in(variables))
    except BadProxyError:
        return ()  # the checks of the services report it
    if way.is_optional and way.proxy is not None and not _is_there(way.proxy):
        return (outbound_proxy.unreachable_note(way.proxy),)
    return () if way.skipped is None else (way.skipped,)


def _is_there(proxy: OutboundProxy) -> bool:
    try:
        socket.create_connection((proxy.host, proxy.port), timeout=_LOOK_S).close()
    except OSError:
        return False
    return True


def _chosen(environ: Mapping[str, str], context: DoctorContext) -> dict[str, str]:
    """Our variables in `environ`, with `.env` behind it, by their upper-case names."""
    try:
        behind = proxy_variables.from_file(context.paths.env_file, environ)
    except ConfigError:
        behind = {}
    found = {
        name: proxy_variables.find(name, environ) or proxy_variables.find(name, behind)
        for name in (*PROXIES, *CERTIFICATES)
    }
    return {name: variable[1] for name, variable in found.items() if variable is not None}


def _came_later(context: DoctorContext) -> tuple[str, ...]:
    status, file = context.status, context.paths.env_file
    try:
        if status is None or file.stat().st_mtime <= status.started.timestamp():
            return ()
        return tuple(proxy_variables.from_file(file, {}))
    except (OSError, ConfigError):
        return ()


def _of_daemon(
    status: Status, shell: Mapping[str, str], context: DoctorContext, proc: Path
) -> dict[str, str] | None:
    """The daemon's variables; None where neither the system nor the daemon shows them.

    A login that the daemon does not show is taken from the shell's value if that is the same
    otherwise.
    """
    environment = _of_process(status.pid, proc)
    if environment is not None:
        return _chosen(environment, context)
    if status.variables is None:
        return None
    return {
        name: shell[name] if name in shell and shown(name, shell[name]) == value else value
        for name, value in status.variables.items()
        if name in (*PROXIES, *CERTIFICATES)
    }


def _of_process(pid: int, proc: Path) -> dict[str, str] | None:
    """Its environment when it was started; None where the system shows none, or not to us."""
    try:
        data = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (item.decode(errors="replace").partition("=") for item in data.split(b"\0") if item)
    return {name: value for name, _, value in pairs}
