"""Finds out who listens on a port of this machine, so that the user need not; blocks meanwhile.

An Offramp is asked, over HTTP. Any other program is looked for in Linux's /proc, or with macOS's
`lsof`; where neither tells (another user's process, say) the answer is None.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.addresses import is_loopback
from offramp_core.child_environment import without_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 1.0
_LSOF_PATIENCE_S = 5.0
_MAX_BYTES = 64 * 1024
_LISTENS = "0A"
_PROC = Path("/proc")
_UNSHOWN = re.compile(r"[^\w.()@+-]")
_NAME_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who listens: `since` and `version` are known only of an Offramp."""

    pid: int
    name: str
    is_offramp: bool = False
    since: datetime | None = None
    version: str | None = None


def find(
    host: str, port: int, *, proc: Path = _PROC, patience_s: float = _PATIENCE_S
) -> Holder | None:
    """Find who listens on `port` at `host`, or at any address of this machine; None if unknown.

    Whoever listens has `patience_s` to answer.
    """
    return _offramp_at(host, port, patience_s) or _program_on(port, proc)


def _offramp_at(host: str, port: int, patience_s: float) -> Holder | None:
    """Return the Offramp that answers there; None for anybody else."""
    asked = host if is_loopback(host) and host != "localhost" else "127.0.0.1"
    connection = http.client.HTTPConnection(asked, port, timeout=patience_s)
    try:
        headers = {"Host": f"localhost:{port}", "Connection": "close"}
        connection.request("GET", "/health", headers=headers)
        told = json.loads(connection.getresponse().read(_MAX_BYTES))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    if not isinstance(told, dict) or told.get("service") != "offramp":
        return None
    pid, uptime_s, version = told.get("pid"), told.get("uptime_s"), told.get("version")
    if not isinstance(pid, int) or not isinstance(uptime_s, int):
        return None
    return Holder(
        pid=pid,
        name="offramp",
        is_offramp=True,
        since=datetime.now(UTC) - timedelta(seconds=uptime_s),
        version=_clean(version) if isinstance(version, str) else None,
    )


def _program_on(port: int, proc: Path) -> Holder | None:
    if (proc / "net" / "tcp").exists():
        return _program_in_proc(port, proc)
    return _program_by_lsof(port)


def _program_in_proc(port: int, proc: Path) -> Holder | None:
    """Return the process one of whose descriptors is a socket that listens there."""
    inodes = set(_listening_inodes(port, proc))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    holders = [pid for pid in _pids(proc) if _has_one_of(wanted, proc / str(pid) / "fd")]
    if not holders:
        return None
    # Of several that share it, the first has passed it on: a supervisor, or systemd.
    pid = min(holders)
    try:
        name = (proc / str(pid) / "comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return Holder(pid=pid, name=_clean(name.strip()))


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, ValueError):
            continue
        for fields in map(str.split, lines):
            if len(fields) < 10 or fields[3] != _LISTENS:
                continue
            if fields[1].rpartition(":")[2] == f"{port:04X}":
                yield fields[9]


def _pids(proc: Path) -> list[int]:
    try:
        return [int(each.name) for each in proc.iterdir() if each.name.isdecimal()]
    except OSError:
        return []


def _has_one_of(wanted: set[str], descriptors: Path) -> bool:
    try:
        with os.scandir(descriptors) as found:
            return any(_target(each.path) in wanted for each in found)
    except OSError:
        return False  # another user's, or gone


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - thousands of them
    except OSError:
        return ""


def _program_by_lsof(port: int) -> Holder | None:
    command = ("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc")
    try:
        done = subprocess.run(
            command,
            env=without_keys(os.environ),
            capture_output=True,
            text=True,
            timeout=_LSOF_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return read_lsof(done.stdout)


def read_lsof(output: str) -> Holder | None:
    """Return the first program of `lsof -Fpc`, which prints a line `p` (pid), then `c` (name)."""
    pid = None
    for line in output.splitlines():
        if line.startswith("p") and line[1:].isdecimal():
            pid = int(line[1:])
        elif line.startswith("c") and pid is not None:
            return Holder(pid=pid, name=_clean(line[1:]))
    return None


def _clean(name: str) -> str:
    """Return `name` harmless to a terminal: a program calls itself as it likes."""
    return _UNSHOWN.sub("?", name[:_NAME_CHARACTERS])
