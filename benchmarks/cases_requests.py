"""Cases of requests that are served as fast as they come: small ones, streams, and large bodies."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import todays_request
import traffic
from case import Case, Figure, Sending, cpu_of, send_all
from upstream import BURST_EVENTS

if TYPE_CHECKING:
    from proxies import Proxy
    from upstream import Upstream

MIB = 1024 * 1024
_KEY = "cpu"

_WHAT = {
    "same": "nothing changes",
    "cut": "blocks have to go",
    "delegated": "delegated",
}


class Requests(Case):
    """So many of one kind of request; its only figure is the CPU of one."""

    def __init__(
        self,
        sending: Sending,
        figure: Figure,
        *,
        name: str,
        count: int,
        connections: int = 1,
        unit_s: float = 1e-6,
    ) -> None:
        """Send `count` in a full round; `figure` is in units of `unit_s`."""
        super().__init__()
        self.sendings = (sending,)
        self.figures = (figure,)
        self.name = name
        self._count = count
        self._connections = connections
        self._unit_s = unit_s

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Send them over kept connections, one after another on each."""
        upstream.usual_script = self.sendings[0].script
        each = max(1, round(self._count * share / self._connections))
        count = each * self._connections
        sending = send_all(proxy, self.sendings[0], count, connections=self._connections)
        return {_KEY: await cpu_of(proxy, sending) / count / self._unit_s}


def small_json(connections: int) -> Case:
    """Claude Code's small, non-streaming request and its answer, over `connections` at once."""
    label = f"small JSON, {_connections(connections)}"
    return Requests(
        Sending(body=traffic.small_request(is_streaming=False), script="json"),
        _figure(label, "request", most_ratio=0.75, most_nginx_ratio=3),
        name=f"small{connections}",
        count=800,
        connections=connections,
    )


def burst(connections: int) -> Case:
    """Streams whose events are all there at once, over `connections` at once."""
    label = f"SSE, {BURST_EVENTS} events in one go, {_connections(connections)}"
    return Requests(
        Sending(body=traffic.small_request(is_streaming=True), script="burst"),
        _figure(label, "stream", most_ratio=0.6, most_nginx_ratio=2),
        name=f"burst{connections}",
        count=160,
        connections=connections,
    )


def agents_turn(kind: str) -> Case:
    """A streamed turn of an agent, as today's Claude Code asks for it; `kind` as of `Sending`."""
    is_delegated = kind == "delegated"
    model = todays_request.SONNET if is_delegated else todays_request.OPUS
    body = todays_request.body(model, is_foreign=is_delegated)
    label = f"today's request, {len(body) // 1000} KB, {_WHAT[kind]}"
    return Requests(
        Sending(body=body, script="turn", kind=kind, more_headers=todays_request.HEADERS),
        _figure(label, "request", most_ratio=1.0),
        name=f"today-{kind}",
        count=160,
        connections=4,
    )


def bodies(size_mib: int, kind: str, *, most_ratio: float) -> Case:
    """Long conversations, one after another; `kind` as of `Sending`."""
    label = f"{size_mib} MB body, {_WHAT[kind]}"
    return Requests(
        large_body(size_mib, kind),
        Figure(key=_KEY, label=label, unit="ms CPU/body", most_ratio=most_ratio, decimals=2),
        name=f"{kind}-{size_mib}mb",
        count=48 if size_mib == 1 else 12,
        unit_s=1e-3,
    )


@functools.cache
def large_body(size_mib: int, kind: str) -> Sending:
    """A long conversation; `kind` as of `Sending`."""
    model = traffic.SONNET if kind == "delegated" else traffic.OPUS
    body = traffic.large_request(size_mib * MIB, model=model, is_foreign=kind == "cut")
    return Sending(body=body, script="json", kind=kind)


def _figure(
    label: str, unit: str, *, most_ratio: float, most_nginx_ratio: float | None = None
) -> Figure:
    return Figure(
        key=_KEY,
        label=label,
        unit=f"µs CPU/{unit}",
        decimals=0,
        most_ratio=most_ratio,
        most_nginx_ratio=most_nginx_ratio,
    )


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"
