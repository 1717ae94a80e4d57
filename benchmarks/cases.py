"""The cases: what is sent through a proxy, and which figures come of it."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING

import load
import traffic
from case import (
    CONNECTIONS,
    Case,
    Figure,
    JobNotDoneError,
    cpu_of,
    expect,
    is_whole,
    send_all,
    send_and_keep,
    try_to_send,
)
from proxies import Daemon
from upstream import BURST_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxies import Proxy
    from upstream import Upstream

MIB = 1024 * 1024

_STREAM_MS = 3000
_DAWDLERS = 20
_DAWDLING_STEP_S = 0.1
_CANCEL_TIMEOUT_S = 10.0
_CALM_STREAMS = 10
_CALM_INTERVAL_MS = 50


class SmallJson(Case):
    """Claude Code's small, non-streaming request and its answer."""

    name = "small"
    figures = (
        Figure(key="cpu", label="small JSON", unit="µs CPU/request", most_ratio=1.2, decimals=0),
    )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Some thousand requests over a few kept connections."""
        body = traffic.small_request(is_streaming=False)
        count = int(400 * share) * CONNECTIONS
        cpu_s = await cpu_of(proxy, send_all(proxy, "json", body, count))
        return {"cpu": cpu_s / count * 1e6}


class Burst(Case):
    """A stream whose events are all there at once."""

    name = "burst"
    figures = (
        Figure(
            key="cpu",
            label=f"SSE, {BURST_EVENTS} events in one go",
            unit="µs CPU/stream",
            most_ratio=1.2,
            decimals=0,
        ),
    )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Some hundred streams over a few kept connections."""
        body = traffic.small_request(is_streaming=True)
        count = int(75 * share) * CONNECTIONS
        cpu_s = await cpu_of(proxy, send_all(proxy, "burst", body, count))
        return {"cpu": cpu_s / count * 1e6}


class SlowStreams(Case):
    """Many streams at the pace of a model, all at once."""

    rounds = 3

    def __init__(self, streams: int, interval_ms: int, *, most_lost: float | None = None) -> None:
        """Of `streams` streams each gets an event every `interval_ms`."""
        super().__init__()
        self.name = f"slow{streams}"
        self._streams = streams
        self._interval_ms = interval_ms
        label = f"{streams:,} streams, {1000 // interval_ms} events/s each"
        self.figures = (
            Figure(key="cpu", label=label, unit="µs CPU/event", most_ratio=1.2),
            Figure(key="lost", label="", unit="streams lost", most=most_lost, decimals=0),
            Figure(key="busy", label="", unit="% of the core", decimals=0),
            Figure(key="rss", label="", unit="MB RSS"),
        )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """All streams from their first event to their last."""
        events = max(2, int(_STREAM_MS / self._interval_ms * share))
        body = traffic.small_request(is_streaming=True)
        script = f"slow-{self._interval_ms}-{events}"
        head = traffic.request_head(proxy.port, body_bytes=len(body), script=script)
        connections = await load.connect_many(proxy.port, self._streams)
        started_at_s = time.monotonic()
        answers: list[load.Answer] = []
        rss = 0
        half_time_s = events * self._interval_ms / 2000

        async def stream_all() -> None:
            nonlocal rss
            async with asyncio.TaskGroup() as group:
                sendings = [try_to_send(one.send(head, body)) for one in connections]
                tasks = [group.create_task(sending) for sending in sendings]
                await asyncio.sleep(half_time_s)
                rss = proxy.rss_bytes()
            answers.extend(task.result() for task in tasks)

        cpu_s = await cpu_of(proxy, stream_all())
        elapsed_s = time.monotonic() - started_at_s
        for connection in connections:
            connection.close()
        arrived = sum(answer.deltas for answer in answers)
        lost = [answer for answer in answers if not is_whole(answer, events)]
        self._remark(proxy, lost)
        return {
            "cpu": cpu_s / max(arrived, 1) * 1e6,
            "lost": len(lost),
            "busy": cpu_s / elapsed_s * 100,
            "rss": rss / MIB,
        }

    def _remark(self, proxy: Proxy, lost: list[load.Answer]) -> None:
        reasons = Counter(f"status {one.status}. {one.fault}".strip() for one in lost)
        for reason, count in reasons.most_common(2):
            self.remarks.append(f"{proxy.name}, {self.name}: {count} lost: {reason}")


class Bodies(Case):
    """Long conversations, one after another."""

    def __init__(self, size_mib: int, kind: str, *, most_ratio: float | None) -> None:
        """`kind` is `same` (nothing has to change), `cut` (blocks have to go) or `delegated`."""
        super().__init__()
        self.name = f"{kind}-{size_mib}mb"
        self._kind = kind
        self._size_mib = size_mib
        self._body = _large_body(size_mib, kind)
        what = {
            "same": "body, nothing changes",
            "cut": "body, blocks have to go",
            "delegated": "body, delegated",
        }[kind]
        self.figures = (
            Figure(
                key="cpu",
                label=f"{size_mib} MB {what}",
                unit="ms CPU/body",
                most_ratio=most_ratio,
                decimals=2,
            ),
        )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """One connection, one body after another."""
        count = max(8, int((96 if self._size_mib == 1 else 24) * share))
        script = "json"
        cpu_s = await cpu_of(proxy, send_all(proxy, script, self._body, count, connections=1))
        return {"cpu": cpu_s / count * 1e3}

    async def prove(self, proxy: Proxy, upstream: Upstream) -> None:
        """The upstream must get what this kind of body has to become."""
        sent, target = await send_and_keep(proxy, upstream, self._body)
        if self._kind == "same" or not isinstance(proxy, Daemon):
            if sent != self._body:
                raise JobNotDoneError("a body in which nothing has to change was changed")
        elif self._kind == "cut":
            if json.loads(sent) != _without_thinking(self._body):
                raise JobNotDoneError("not exactly the foreign blocks were cut")
        elif not target.startswith("/api/anthropic/v1/messages"):
            raise JobNotDoneError(f"a delegated body went to {target}")


class SlowReaders(Case):
    """Clients that take a fast stream slowly, and then go."""

    name = "readers"
    rounds = 3
    is_fresh_each_round = True
    figures = (
        Figure(
            key="growth",
            label=f"{_DAWDLERS} slow readers of fast streams",
            unit="MB RSS growth",
            most=32,
        ),
        Figure(key="cancel", label="", unit="s until last cancel seen", most=0.5, decimals=3),
        Figure(key="lost", label="", unit="streams lost", most=0, decimals=0),
    )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Read slowly, watch the memory, cancel all, see when the upstream knows."""
        ended = upstream.seen.endless_ended_at_s
        ended.clear()
        body = traffic.small_request(is_streaming=True)
        request = traffic.request_head(proxy.port, body_bytes=len(body), script="endless") + body
        before = most = proxy.rss_bytes()
        readers = [await load.DawdlingReader.open(proxy.port, request) for _ in range(_DAWDLERS)]
        for _ in range(int(_STREAM_MS / 1000 / _DAWDLING_STEP_S * share)):
            await asyncio.sleep(_DAWDLING_STEP_S)
            for reader in readers:
                reader.read_some()
            most = max(most, proxy.rss_bytes())
        served = sum(reader.is_served for reader in readers)
        cancelled_at_s = time.monotonic()
        for reader in readers:
            reader.cancel()
        cancel_s = _CANCEL_TIMEOUT_S
        while time.monotonic() - cancelled_at_s < _CANCEL_TIMEOUT_S:
            if len(ended) >= served:
                cancel_s = max(ended, default=cancelled_at_s) - cancelled_at_s
                break
            await asyncio.sleep(_DAWDLING_STEP_S)
        return {
            "growth": (most - before) / MIB,
            "cancel": cancel_s,
            "lost": _DAWDLERS - served,
        }


class CalmStreams(Case):
    """Streams at a model's pace while somebody else sends one large body after another."""

    rounds = 4

    def __init__(self, kind: str) -> None:
        """`kind` of the 8 MB bodies as in Bodies."""
        super().__init__()
        self.name = f"calm-{kind}"
        self._body = _large_body(8, kind)
        what = {"same": "nothing changes", "cut": "blocks have to go"}[kind]
        label = f"calm streams beside 8 MB bodies, {what}"
        self.figures = (
            Figure(key="p99", label=label, unit="ms p99 of an event", most_ratio=1.5, decimals=2),
            Figure(key="p50", label="", unit="ms p50 of an event", decimals=2),
            Figure(key="bodies", label="", unit="bodies/s meanwhile"),
        )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Latency from the upstream's write of an event to its arrival at the client."""
        events = int(_STREAM_MS / _CALM_INTERVAL_MS * share)
        small = traffic.small_request(is_streaming=True)
        script = f"slow-{_CALM_INTERVAL_MS}-{events}"
        head = traffic.request_head(proxy.port, body_bytes=len(small), script=script)
        calm = await load.connect_many(proxy.port, _CALM_STREAMS)
        busy = await load.Connection.connect(proxy.port)
        started_at_s = time.monotonic()
        posted = 0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(try_to_send(one.send(head, small))) for one in calm]
            while not all(task.done() for task in tasks):
                await expect(busy, proxy, "json", self._body)
                posted += 1
        elapsed_s = time.monotonic() - started_at_s
        for connection in (*calm, busy):
            connection.close()
        answers = [task.result() for task in tasks]
        latencies_ms = sorted(latency * 1e3 for answer in answers for latency in answer.latencies_s)
        return {
            "p99": _quantile(latencies_ms, 0.99),
            "p50": _quantile(latencies_ms, 0.50),
            "bodies": posted / elapsed_s,
        }


class Idle(Case):
    """Nothing to do, after there was something."""

    name = "idle"
    rounds = quick_rounds = 1
    is_together = True
    figures = (Figure(key="cpu", label="idle for 10 s", unit="ms CPU", most=10.0),)

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """CPU over ten seconds, after a second to settle; a shorter share is scaled to ten."""
        await asyncio.sleep(1)
        before_s = proxy.cpu_s()
        await asyncio.sleep(10 * share)
        return {"cpu": (proxy.cpu_s() - before_s) / share * 1e3}


class Fresh(Case):
    """A process that was just started."""

    name = "fresh"
    is_fresh_each_round = True
    figures = (
        Figure(key="ready", label="fresh process", unit="s until it serves", most=0.6, decimals=3),
        Figure(key="rss", label="", unit="MB RSS", most=60),
    )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """How long the start took, and the memory half a second later."""
        await asyncio.sleep(0.5)
        return {"ready": proxy.ready_s, "rss": proxy.rss_bytes() / MIB}


def all_cases() -> tuple[Case, ...]:
    """Every case, in the order of the table."""
    return (
        SmallJson(),
        Burst(),
        SlowStreams(20, 50),
        SlowStreams(200, 50),
        SlowStreams(1000, 100, most_lost=0),
        Bodies(1, "same", most_ratio=1.6),
        Bodies(8, "same", most_ratio=1.6),
        Bodies(1, "cut", most_ratio=3.0),
        Bodies(8, "cut", most_ratio=3.0),
        Bodies(1, "delegated", most_ratio=None),
        CalmStreams("same"),
        CalmStreams("cut"),
        SlowReaders(),
        Idle(),
        Fresh(),
    )


def _large_body(size_mib: int, kind: str) -> bytes:
    model = traffic.SONNET if kind == "delegated" else traffic.OPUS
    return traffic.large_request(size_mib * MIB, model=model, is_foreign=kind == "cut")


def _without_thinking(body: bytes) -> traffic.Json:
    request: traffic.Json = json.loads(body)
    for message in request["messages"]:
        message["content"] = [block for block in message["content"] if block["type"] != "thinking"]
    return request


def _quantile(ordered: Sequence[float], share: float) -> float:
    if len(ordered) < 2:
        return float("nan")
    return statistics.quantiles(ordered, n=1000, method="inclusive")[round(share * 1000) - 1]
