"""Who answers where Claude Code will connect, over IPv4 and IPv6, and who holds the port."""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.addresses import is_loopback
from offramp_core.control import health_check, port_owner
from offramp_core.wording.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.port_owner import Holder

PortState = Literal["offramp", "other", "silent", "closed", "no such address"]
"""Who is there: Offramp, something else, something that says nothing, nobody, not even a place."""

_ANSWER_LIMIT_S = 1.5
_HIGHEST_PORT = 65535
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """The Offramp that answers on the port; `pid` where it says so."""

    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortProbe:
    """One address with the port, and who is there."""

    host: str
    state: PortState
    answerer: Answerer | None = None
    holder: Holder | None = None

    @property
    def shown(self) -> str:
        """The address as in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


def look(context: DoctorContext, *, limit_s: float = _ANSWER_LIMIT_S) -> tuple[PortProbe, ...]:
    """Ask at each address that a client on this machine may use."""
    host = context.settings.host
    hosts = ("127.0.0.1", "::1") if is_loopback(host) or host in _EVERY_ADDRESS else (host,)
    wants_token = context.settings.client_token is not None
    return tuple(_probe(each, context.port, limit_s, wants_token=wants_token) for each in hosts)


def look_beside(context: DoctorContext) -> Holder | None:
    """Find a program that has the port at every address but those of Offramp, which BSD allows."""
    if context.settings.host in _EVERY_ADDRESS:
        return None
    return port_owner.find_beside(context.port)


def answerer_of(probes: Sequence[PortProbe]) -> Answerer | None:
    """The Offramp that answers at the first of them where one does."""
    return next((probe.answerer for probe in probes if probe.answerer is not None), None)


def judge(
    probes: Sequence[PortProbe],
    port: int,
    *,
    wanted_port: int,
    is_running: bool,
    now: datetime,
    beside: Holder | None = None,
    platform: str = sys.platform,
) -> Iterator[Remark]:
    """Whether Offramp, and nothing else, is where clients look for it."""
    there = [probe for probe in probes if probe.state != "no such address"]
    own = [probe for probe in there if probe.state == "offramp"]
    if own:
        yield ok(f"Offramp answers on port {port} at {' and '.join(p.shown for p in own)}.")
        if beside is not None:
            yield _neighbour(beside, port)
    for probe in there:
        match probe.state:
            case "other" | "silent":
                yield _stranger(probe, port, now, platform)
            case "closed" if own:
                yield note(
                    f"Nothing listens at {probe.shown}, port {port}: clients that try it first "
                    "wait for a moment.",
                    "`offramp restart` opens both addresses, if this machine has them.",
                )
            case _:
                pass
    if port != wanted_port:
        yield note(
            f"The settings in this shell say port {wanted_port}, and the daemon listens on {port}.",
            "If the settings are right: `offramp install`, or start the daemon again.",
        )
    if there and all(probe.state == "closed" for probe in there):
        yield _closed(port, is_running=is_running)


def _closed(port: int, *, is_running: bool) -> Remark:
    if is_running:
        return failure(
            f"The daemon runs, but nothing listens on port {port}.",
            "Start it again: offramp restart",
        )
    return note(f"Port {port} is free.")


def _neighbour(holder: Holder, port: int) -> Remark:
    return warning(
        f"{holder.name} (pid {holder.pid}) listens on port {port} too, at all other addresses: at "
        "localhost Offramp answers in its place.",
        f"Start {holder.name} on another port, or move Offramp (port in config.toml, then "
        "`offramp install`).",
    )


def _stranger(probe: PortProbe, port: int, now: datetime, platform: str) -> Remark:
    what = "does not answer" if probe.state == "silent" else "is not Offramp, or refuses this user"
    free = port + 1 if port < _HIGHEST_PORT else port - 1
    cure = f"set another port (PORT={free}), and `offramp connect` again"
    if probe.holder is None:
        who = f"What listens on port {port} at {probe.shown}"
        # Linux may have no lsof, and macOS has no ss.
        search = f"lsof -nP -iTCP:{port} -sTCP:LISTEN" if platform == "darwin" else "ss -ltnp"
        return failure(
            f"{who} {what}; it may belong to another user.",
            f"Find it (sudo {search}) and end it, or {cure}.",
        )
    holder = probe.holder
    since = ""
    if holder.since is not None:
        since = f", for {format_duration((now - holder.since).total_seconds())}"
    return failure(
        f"Port {port} at {probe.shown} is held by {holder.name} (pid {holder.pid}{since}), which "
        f"{what}.",
        f"End it (kill {holder.pid}) if you don't need it, or {cure}.",
    )


def _probe(host: str, port: int, limit_s: float, *, wants_token: bool) -> PortProbe:
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    answerer = None
    try:
        health = health_check.read_health(netloc, patience_s=limit_s)
    except OSError as error:
        state = _state_for(error)
    else:
        state = "other"
        if health is not None and (wants_token or not health_check.is_refusal(health)):
            state = "offramp"
            pid = health.get("pid")
            answerer = Answerer(pid=pid if isinstance(pid, int) else None)
    holder = port_owner.find(host, port) if state in {"other", "silent"} else None
    return PortProbe(host=host, state=state, answerer=answerer, holder=holder)


def _state_for(error: OSError) -> PortState:
    if isinstance(error, TimeoutError):
        return "silent"
    if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH}:
        return "no such address"
    return "closed" if error.errno == errno.ECONNREFUSED else "other"


def look_up_localhost() -> tuple[str, ...]:
    """The addresses that `localhost` stands for; none where it stands for nothing."""
    try:
        found = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def judge_localhost(addresses: Sequence[str]) -> Iterator[Remark]:
    """Whether `localhost`, in the address that Claude Code is given, is this machine."""
    foreign = [address for address in addresses if not is_loopback(address)]
    cure = "Add the lines `127.0.0.1 localhost` and `::1 localhost` to /etc/hosts."
    if not addresses:
        yield failure("The name localhost has no address.", cure)
    elif foreign:
        yield failure(f"localhost is {', '.join(foreign)}, which is another machine.", cure)
    else:
        yield ok(f"localhost is {' and '.join(addresses)}.")
