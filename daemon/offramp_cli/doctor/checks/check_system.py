"""Limits of this system that a long-running proxy meets, and who runs this command."""

from __future__ import annotations

import os
import re
import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.usage.weeks import zone_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark

_PROC = Path("/proc")
_OPEN_FILES = re.compile(r"^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)", re.MULTILINE)
_FEW_FILES = 1024
"""A request takes two descriptors, and Claude Code's subagents come in dozens."""
_OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Limits and circumstances; descriptors None where there is no limit, or none is known."""

    own_most_descriptors: int | None
    daemon_descriptors: int | None
    now: datetime
    sudo_user: str | None
    """Whoever became root for this command."""
    zone_problem: str | None = None
    """Why times are not shown in the zone that was asked for."""


def look(context: DoctorContext, *, proc: Path = _PROC) -> System:
    """Ask the kernel."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    status = context.status
    is_root = os.geteuid() == 0
    return System(
        own_most_descriptors=_bounded(hard),
        daemon_descriptors=_of_process(status.pid, proc) if status else None,
        now=datetime.fromtimestamp(time.time(), UTC),
        sudo_user=context.environ.get("SUDO_USER") if is_root else None,
        zone_problem=zone_problem(context.environ),
    )


def judge(system: System) -> Iterator[Remark]:
    """Whether the daemon may open enough, and whether clock and time zone can be right."""
    most = system.own_most_descriptors
    if system.daemon_descriptors is not None:
        of_daemon = f"The daemon's open-file limit is {system.daemon_descriptors}"
    else:
        of_daemon = f"The open-file limit is {most or 'unlimited'}"
    limit = system.daemon_descriptors or most
    if limit is not None and limit < _FEW_FILES:
        yield warning(
            f"{of_daemon}, which is low: further connections are refused.",
            "Raise the hard limit (ulimit -Hn, LimitNOFILE= of the service), then restart.",
        )
    else:
        yield ok(f"{of_daemon}.")
    if system.now < _OLDEST_CLOCK:
        yield failure(
            f"This machine's clock says {system.now:%Y-%m-%d}.",
            "Set it: no certificate is valid on that day.",
        )
    if system.zone_problem is not None:
        yield warning(
            system.zone_problem,
            "Set TZ to a name such as Europe/Berlin, or unset it for this system's own zone.",
        )
    if system.sudo_user not in {None, "root"}:
        yield note(
            "This command runs as root, so it checks root's Offramp and Claude Code.",
            f"Run it as {system.sudo_user}, without sudo.",
        )


def _bounded(limit: int) -> int | None:
    return None if limit == resource.RLIM_INFINITY else limit


def _of_process(pid: int, proc: Path) -> int | None:
    try:
        found = _OPEN_FILES.search((proc / str(pid) / "limits").read_text())
    except OSError:
        return None
    return int(found[1]) if found and found[1].isdecimal() else None
