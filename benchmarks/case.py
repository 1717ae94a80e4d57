"""What a case of traffic is, and how its requests are sent and its CPU is taken.

A case measures one proxy once (`measure`); `run` repeats that in turns over all proxies. Before,
`prove` makes sure that the proxy does what the case is about, so that no figure is good because
work was left undone. CPU is that of the proxy process with its children, from before the first
byte until shortly after the last, when late work (the record) is done too.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import load
import traffic
from upstream import BURST_EVENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from proxies import Proxy
    from upstream import Upstream

CONNECTIONS = 4

_LATE_WORK_S = 0.1
_OK = 200


class JobNotDoneError(Exception):
    """The proxy let something through, or did not send what it should have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table, and what the daemon is to reach in it.

    `most_ratio` limits daemon / bare, `most` the daemon's own value. `decimals` is for showing.
    """

    key: str
    label: str
    unit: str
    decimals: int = 1
    most_ratio: float | None = None
    most: float | None = None


class Case(ABC):
    """One kind of traffic."""

    name: str
    figures: tuple[Figure, ...]
    rounds = 5
    quick_rounds = 2
    is_fresh_each_round = False
    """Every round gets a newly started process."""
    is_together = False
    """All proxies are measured at the same time, since they do not disturb each other."""

    def __init__(self) -> None:
        """Nothing was remarked yet."""
        self.remarks: list[str] = []
        """What the reader of the table should know; taken by `run` after each measurement."""

    @abstractmethod
    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Run the traffic once and return the figures by key; `share` of 1 is the full amount."""

    async def prove(self, proxy: Proxy, upstream: Upstream) -> None:
        """Raise JobNotDoneError unless the proxy serves this traffic as it should."""
        body = traffic.small_request(is_streaming=False)
        sent, _ = await send_and_keep(proxy, upstream, body)
        if sent != body:
            raise JobNotDoneError("a small body bound for Anthropic was changed")


async def cpu_of(proxy: Proxy, work: Awaitable[None]) -> float:
    """CPU seconds of the proxy for `work`."""
    before_s = proxy.cpu_s()
    await work
    await asyncio.sleep(_LATE_WORK_S)
    return proxy.cpu_s() - before_s


async def send_all(
    proxy: Proxy, script: str, body: bytes, count: int, *, connections: int = CONNECTIONS
) -> None:
    """Send `body` `count` times in all, over some kept connections side by side."""

    async def send(share: int) -> None:
        connection = await load.Connection.connect(proxy.port)
        for _ in range(share):
            await expect(connection, proxy, script, body)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(send(count // connections))


async def expect(connection: load.Connection, proxy: Proxy, script: str, body: bytes) -> None:
    """Send one request; raises JobNotDoneError unless its answer is the upstream's."""
    head = traffic.request_head(proxy.port, body_bytes=len(body), script=script)
    answer = await connection.send(head, body)
    if answer.status != _OK or (script == "burst" and not is_whole(answer, BURST_EVENTS)):
        raise JobNotDoneError(f"answer {answer.status} with {answer.deltas} deltas")


async def try_to_send(sending: Awaitable[load.Answer]) -> load.Answer:
    """The answer; for one that was lost, an empty one that says why."""
    try:
        return await sending
    except (load.BadAnswerError, OSError) as error:
        return load.Answer(fault=str(error))


async def send_and_keep(proxy: Proxy, upstream: Upstream, body: bytes) -> tuple[bytes, str]:
    """Send `body` once; what the upstream got, and at which target."""
    upstream.is_keeping_bodies = True
    try:
        await send_all(proxy, "json", body, 1, connections=1)
    finally:
        upstream.is_keeping_bodies = False
    return upstream.seen.last_body, upstream.seen.last_target


def is_whole(answer: load.Answer, events: int) -> bool:
    """Whether a stream of `events` deltas arrived with its end."""
    return answer.status == _OK and answer.deltas == events and answer.is_stopped
