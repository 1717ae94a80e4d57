"""Cases of streams at the pace of a model, and of readers that are slow themselves."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING

import load
import traffic
from case import Case, Figure, Sending, check_answer, cpu_of, is_whole, try_to_send
from cases_requests import MIB, large_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxies import Proxy
    from upstream import Upstream

_STREAM_MS = 3000
_DAWDLERS = 20
_DAWDLING_STEP_S = 0.1
_CANCEL_TIMEOUT_S = 10.0
_CALM_STREAMS = 10
_CALM_INTERVAL_MS = 50


class _PacedStreams(Case):
    """Streams that get an event every `interval_ms`."""

    def __init__(self, interval_ms: int) -> None:
        """Their number of events depends on the share that is measured."""
        super().__init__()
        self._interval_ms = interval_ms
        self._stream = Sending(
            body=traffic.small_request(is_streaming=True), script=f"slow-{interval_ms}-2"
        )
        self.sendings = (self._stream,)

    def _of_share(self, share: float) -> Sending:
        """The streams for `share`, which a record may tell of from now on."""
        events = max(2, int(_STREAM_MS / self._interval_ms * share))
        stream = dataclasses.replace(self._stream, script=f"slow-{self._interval_ms}-{events}")
        if stream not in self.sendings:
            self.sendings = (*self.sendings, stream)
        return stream


class SlowStreams(_PacedStreams):
    """Many streams at the pace of a model, all at once."""

    rounds = 3

    def __init__(self, streams: int, interval_ms: int) -> None:
        """Of `streams` streams each gets an event every `interval_ms`."""
        super().__init__(interval_ms)
        self.name = f"slow{streams}"
        self._streams = streams
        label = f"{streams:,} streams, {1000 // interval_ms} events/s each"
        self.figures = (
            Figure(key="cpu", label=label, unit="µs CPU/event", most_ratio=0.7, most_nginx_ratio=2),
            Figure(key="first", label="", unit="ms p50 to first byte", most_ratio=0.6, decimals=2),
            Figure(key="delay", label="", unit="ms p50 of an event", most_ratio=0.7, decimals=3),
            Figure(key="lost", label="", unit="streams lost", most=0, decimals=0),
            Figure(key="busy", label="", unit="% of the core", decimals=0),
            Figure(key="rss", label="", unit="MB RSS"),
        )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """All streams from their first event to their last."""
        del upstream
        sending = self._of_share(share)
        connections = await load.connect_many(proxy.port, self._streams)
        started_at_s = time.monotonic()
        answers: list[load.Answer] = []
        rss = 0

        async def stream_all() -> None:
            nonlocal rss
            head = sending.head(proxy)
            async with asyncio.TaskGroup() as group:
                sendings = [try_to_send(one.send(head, sending.body)) for one in connections]
                tasks = [group.create_task(one) for one in sendings]
                await asyncio.sleep(_STREAM_MS * share / 2000)
                rss = proxy.rss_bytes()
            answers.extend(task.result() for task in tasks)

        cpu_s = await cpu_of(proxy, stream_all())
        elapsed_s = time.monotonic() - started_at_s
        for connection in connections:
            connection.close()
        lost = [answer for answer in answers if not is_whole(answer, sending.script)]
        self._remark(proxy, lost)
        return {
            "cpu": cpu_s / max(sum(answer.deltas for answer in answers), 1) * 1e6,
            "first": _median_ms(one.first_byte_s for one in answers if one.first_byte_s),
            "delay": _median_ms(itertools.chain(*(one.latencies_s for one in answers))),
            "lost": len(lost),
            "busy": cpu_s / elapsed_s * 100,
            "rss": rss / MIB,
        }

    def _remark(self, proxy: Proxy, lost: list[load.Answer]) -> None:
        reasons = Counter(f"status {one.status}. {one.fault}".strip() for one in lost)
        for reason, count in reasons.most_common(2):
            self.remarks.append(f"{proxy.name}, {self.name}: {count} lost: {reason}")


class CalmStreams(_PacedStreams):
    """Streams at a model's pace while somebody else sends one large body after another."""

    rounds = 3

    def __init__(self, kind: str) -> None:
        """`kind` of the 8 MB bodies as of `Sending`."""
        super().__init__(_CALM_INTERVAL_MS)
        self.name = f"calm-{kind}"
        self._large = large_body(8, kind)
        self.sendings = (*self.sendings, self._large)
        what = {"same": "nothing changes", "cut": "blocks have to go"}[kind]
        label = f"calm streams beside 8 MB bodies, {what}"
        self.figures = (
            Figure(key="p99", label=label, unit="ms p99 of an event", most_ratio=0.7, decimals=2),
            Figure(key="p50", label="", unit="ms p50 of an event", decimals=2),
            Figure(key="bodies", label="", unit="bodies/s meanwhile"),
        )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Latency from the upstream's write of an event to its arrival at the client."""
        del upstream
        stream = self._of_share(share)
        calm = await load.connect_many(proxy.port, _CALM_STREAMS)
        busy = await load.Connection.connect(proxy.port)
        head, large_head = stream.head(proxy), self._large.head(proxy)
        started_at_s = time.monotonic()
        posted = 0
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.send(head, stream.body)) for one in calm]
            while not all(task.done() for task in tasks):
                answer = await busy.send(large_head, self._large.body)
                check_answer(answer, self._large.script)
                posted += 1
        elapsed_s = time.monotonic() - started_at_s
        for connection in (*calm, busy):
            connection.close()
        for task in tasks:
            check_answer(task.result(), stream.script)
        latencies_s = sorted(one for task in tasks for one in task.result().latencies_s)
        hundredths = statistics.quantiles(latencies_s, n=100, method="inclusive")
        return {
            "p99": hundredths[98] * 1e3,
            "p50": hundredths[49] * 1e3,
            "bodies": posted / elapsed_s,
        }


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
        self.body_sizes.setdefault(proxy.name, set()).add(len(body))
        request = Sending(body=body, script="endless").head(proxy) + body
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

    def fault_of(self, record: dict[str, object]) -> str:
        """Those that went are on record as cancelled; the one that proved the job is not."""
        return "" if record.get("status") == "cancelled" else super().fault_of(record)


def _median_ms(values_s: Iterable[float]) -> float:
    found = list(values_s)
    return statistics.median(found) * 1e3 if found else float("nan")
