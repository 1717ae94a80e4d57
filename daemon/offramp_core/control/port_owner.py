"""Finds out who listens on a port of this machine, so that the user need not; blocks meanwhile.

An Offramp is asked, over HTTP. Any other program is looked for in Linux's /proc, or with macOS's
`lsof`; where neither shows it (another user's process, say) the answer is None. Several programs
may have one port at different addresses: then it is the one that connections to the asked address
reach.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import struct
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.addresses import is_loopback
from offramp_core.child_environment import without_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PATIENCE_S = 1.0
_LSOF_PATIENCE_S = 5.0
_MAX_BYTES = 64 * 1024
_LISTENS = "0A"
_ANY = "*"
_V4_MAPPED = bytes(10) + b"\xff\xff"
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
    return _offramp_at(host, port, patience_s) or reached_at(host, _listings(port, proc))


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


def find_beside(port: int, *, proc: Path = _PROC) -> Holder | None:
    """Find a program that listens on `port` at every address; None if there is none.

    BSD systems allow that beside a program that listens at one address, which then gets all the
    connections to that address.
    """
    return _first([each for each in _listings(port, proc) if each.address == _ANY])


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """One program that listens on the port at `address`, which is `*` for every address."""

    pid: int
    name: str
    address: str


def reached_at(host: str, listings: Sequence[Listening]) -> Holder | None:
    """The program that connections to `host` reach; where none is plain, the first of all."""
    asked = "127.0.0.1" if host == "localhost" else host
    exact = [each for each in listings if each.address == asked]
    anywhere = [each for each in listings if each.address == _ANY]
    return _first(exact or anywhere or listings)


def _first(listings: Sequence[Listening]) -> Holder | None:
    """Of several that share it, the first has passed it on: a supervisor, or systemd."""
    if not listings:
        return None
    first = min(listings, key=lambda each: each.pid)
    return Holder(pid=first.pid, name=first.name)


def _listings(port: int, proc: Path) -> list[Listening]:
    if (proc / "net" / "tcp").exists():
        return list(_listings_in_proc(port, proc))
    return _listings_by_lsof(port)


def _listings_in_proc(port: int, proc: Path) -> Iterator[Listening]:
    """Find the processes that have a descriptor of a socket that listens there."""
    wanted = {f"socket:[{inode}]": address for inode, address in _listening_inodes(port, proc)}
    if not wanted:
        return
    for pid in _pids(proc):
        targets = wanted.keys() & _targets(proc / str(pid) / "fd")
        if targets and (name := _name_in_proc(pid, proc)) is not None:
            for target in targets:
                yield Listening(pid=pid, name=name, address=wanted[target])


def _name_in_proc(pid: int, proc: Path) -> str | None:
    try:
        name = (proc / str(pid) / "comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return _clean(name.strip())


def _listening_inodes(port: int, proc: Path) -> Iterator[tuple[str, str]]:
    """Find the sockets that listen on `port`: each one's inode and address."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, ValueError):
            continue
        for fields in map(str.split, lines):
            if len(fields) < 10 or fields[3] != _LISTENS:
                continue
            address, _, number = fields[1].rpartition(":")
            if number == f"{port:04X}":
                yield fields[9], _address(address)


def _address(digits: str) -> str:
    """The address that /proc writes as `digits`: words of 32 bits in the machine's own order."""
    try:
        words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
        packed = struct.pack(f"={len(words)}I", *words)
        # Java, say, listens at an IPv4 address by a socket of IPv6.
        address = ipaddress.ip_address(packed.removeprefix(_V4_MAPPED))
    except ValueError:
        return digits
    return _ANY if address.is_unspecified else str(address)


def _pids(proc: Path) -> list[int]:
    try:
        return [int(each.name) for each in proc.iterdir() if each.name.isdecimal()]
    except OSError:
        return []


def _targets(descriptors: Path) -> set[str]:
    try:
        with os.scandir(descriptors) as found:
            return {_target(each.path) for each in found}
    except OSError:
        return set()  # another user's, or gone


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - thousands of them
    except OSError:
        return ""


def _listings_by_lsof(port: int) -> list[Listening]:
    command = ("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpcn")
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
        return []
    return read_lsof(done.stdout)


def read_lsof(output: str) -> list[Listening]:
    """Read `lsof -Fpcn`: a line `p` (pid), then `c` (name), then an `n` (address) per socket."""
    found: list[Listening] = []
    pid, name = None, None
    for line in output.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, name = int(value) if value.isdecimal() else None, None
        elif kind == "c":
            name = _clean(value)
        elif kind == "n" and pid is not None and name is not None:
            address = value.rpartition(":")[0].strip("[]")
            found.append(Listening(pid=pid, name=name, address=address))
    return found


def _clean(name: str) -> str:
    """Return `name` harmless to a terminal: a program calls itself as it likes."""
    return _UNSHOWN.sub("?", name[:_NAME_CHARACTERS])
