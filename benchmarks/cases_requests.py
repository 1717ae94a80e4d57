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

_WHAT = {
    "same": "nothing changes",
    "cut": "blocks have to go",
    "delegated": "delegated",
}


class _Requests(Case):
    """So many of one kind of request; its only figure is the CPU of one."""

    def __init__(self, sending: Sending, count: int, *, connections: int, unit_s: float) -> None:
        """Send `count` in a full round; the figure is in units of `unit_s`."""
        super().__init__()
        self.sendings = (sending,)
        self._count = count
        self._connections = connections
        self._unit_s = unit_s

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Send them over kept connections, one after another on each."""
        upstream.usual_script = self.sendings[0].script
        each = max(1, round(self._count * share / self._connections))
        count = each * self._connections
        sending = send_all(proxy, self.sendings[0], count, connections=self._connections)
        return {"cpu": await cpu_of(proxy, sending) / count / self._unit_s}


class SmallJson(_Requests):
    """Claude Code's small, non-streaming request and its answer."""

    def __init__(self, connections: int) -> None:
        """Over `connections` at once."""
        body = traffic.small_request(is_streaming=False)
        super().__init__(
            Sending(body=body, script="json"), 800, connections=connections, unit_s=1e-6
        )
        self.name = f"small{connections}"
        self.figures = (
            Figure(
                key="cpu",
                label=f"small JSON, {_connections(connections)}",
                unit="µs CPU/request",
                most_ratio=0.75,
                most_nginx_ratio=3,
                decimals=0,
            ),
        )


class Burst(_Requests):
    """A stream whose events are all there at once."""

    def __init__(self, connections: int) -> None:
        """Over `connections` at once."""
        body = traffic.small_request(is_streaming=True)
        super().__init__(
            Sending(body=body, script="burst"), 160, connections=connections, unit_s=1e-6
        )
        self.name = f"burst{connections}"
        self.figures = (
            Figure(
                key="cpu",
                label=f"SSE, {BURST_EVENTS} events in one go, {_connections(connections)}",
                unit="µs CPU/stream",
                most_ratio=0.6,
                most_nginx_ratio=2,
                decimals=0,
            ),
        )


class TodaysRequest(_Requests):
    """A streamed turn of an agent, as today's Claude Code asks for it."""

    def __init__(self, kind: str) -> None:
        """`kind` is `same` for Opus, or `delegated` for Sonnet."""
        is_delegated = kind == "delegated"
        model = todays_request.SONNET if is_delegated else todays_request.OPUS
        sending = Sending(
            body=todays_request.body(model, is_foreign=is_delegated),
            script="turn",
            kind=kind,
            more_headers=todays_request.HEADERS,
        )
        super().__init__(sending, 160, connections=4, unit_s=1e-6)
        self.name = f"today-{kind}"
        self.figures = (
            Figure(
                key="cpu",
                label=f"today's request, {len(sending.body) // 1000} KB, {_WHAT[kind]}",
                unit="µs CPU/request",
                most_ratio=1.0,
                decimals=0,
            ),
        )


class Bodies(_Requests):
    """Long conversations, one after another."""

    def __init__(self, size_mib: int, kind: str, *, most_ratio: float) -> None:
        """`kind` as of `Sending`."""
        super().__init__(
            large_body(size_mib, kind), 48 if size_mib == 1 else 12, connections=1, unit_s=1e-3
        )
        self.name = f"{kind}-{size_mib}mb"
        self.figures = (
            Figure(
                key="cpu",
                label=f"{size_mib} MB body, {_WHAT[kind]}",
                unit="ms CPU/body",
                most_ratio=most_ratio,
                decimals=2,
            ),
        )


@functools.cache
def large_body(size_mib: int, kind: str) -> Sending:
    """A long conversation; `kind` as of `Sending`."""
    model = traffic.SONNET if kind == "delegated" else traffic.OPUS
    body = traffic.large_request(size_mib * MIB, model=model, is_foreign=kind == "cut")
    return Sending(body=body, script="json", kind=kind)


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"
