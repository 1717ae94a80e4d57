"""Measures one decision of the autopilot, and what it keeps on the disk.

    python benchmarks/autopilot_decision.py

A made-up user's daemon in the middle of the week: both plans known, the log read, five
conversations warm on Claude. The median is that of batches of decisions, in processor time. The
figure with a goal is that of conversations that begin beside others; the second one is that of
decisions 11 seconds apart, for which the figures are looked at once more.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.usage.records import RequestRecord, UsageRecord, decode_usage, encode
from offramp_core.usage.records import format_timestamp as stamp
from offramp_daemon.autopilot.lessons import FinishedRequest
from offramp_daemon.autopilot.pilot import Pilot
from offramp_daemon.routing.affinity import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOAL_US = 20.0
GOAL_BYTES = 100_000
_BATCHES, _BATCH, _BATCH_APART = 60, 500, 15
_APART = timedelta(seconds=11)
_NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_SONNET, _OPUS = "claude-sonnet-4-5", "claude-opus-4-6"


def main() -> None:
    """Print both figures; fail where one misses its goal."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "autopilot.json"
        decision_us, apart_us, answer = asyncio.run(_measured(file))
        size = file.stat().st_size
    print(f"a decision {decision_us:.1f} us (goal {GOAL_US:g}): {answer}")
    print(f"a decision seconds after the one before {apart_us:.1f} us")
    print(f"the state {size} bytes (goal {GOAL_BYTES})")
    if decision_us > GOAL_US or size > GOAL_BYTES:
        sys.exit(1)


async def _measured(file: Path) -> tuple[float, float, str]:
    now = _NOW
    pilot = Pilot(file, _log, clock=lambda: now, save_every_s=0.01)
    _teach(pilot)
    pilot.choose(_SONNET)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pilot.run(), name="pilot")
        while not pilot.outlooks:  # noqa: ASYNC110 - it tells nobody when it has read the log
            await asyncio.sleep(0.01)
        running.cancel()
    asked = Conversation("asked", "", _SONNET)

    def choose() -> None:
        pilot.choose(_SONNET, conversation=asked)

    def choose_later() -> None:
        nonlocal now
        now += _APART
        choose()

    decision_us = _median_us(choose, _BATCH)
    apart_us = _median_us(choose_later, _BATCH_APART)
    pilot.close()
    return decision_us, apart_us, pilot.why or ""


def _median_us(call: Callable[[], None], number: int) -> float:
    times = []
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(number):
            call()
        times.append((time.process_time() - began) / number * 1e6)
    return statistics.median(times)


def _teach(pilot: Pilot) -> None:
    for percent in range(1, 31):
        at = _NOW - timedelta(minutes=31 - percent)
        for model, backend in ((_OPUS, "anthropic"), (_SONNET, "zai"), (_SONNET, "anthropic")):
            session = Conversation(f"s{percent % 5}", "", model)
            done = _record(model, at, backend)
            pilot.lessons.put_nowait(FinishedRequest(at, done, session))
        pilot.catch_up()
        pilot.observe(_plan("anthropic", percent / 100, at), at)
        pilot.observe(_plan("zai", percent / 50, at), at)


def _plan(backend: str, used: float, at: datetime) -> PlanQuota:
    week = QuotaWindow(name="7d", used=used, resets=_NOW + 84 * _HOUR, read_at=at)
    hours = QuotaWindow(name="5h", used=used / 2, resets=_NOW + 3 * _HOUR, read_at=at)
    return PlanQuota(backend=backend, account="a1", windows=(week, hours), read_at=at)


def _record(model: str, at: datetime, backend: str, tokens: int = 20_000) -> RequestRecord:
    return RequestRecord(
        ts=stamp(at),
        model=model,
        backend=backend,
        input_tokens=tokens,
        output_tokens=tokens // 10,
        status="success",
    )


def _log(_since: datetime) -> Iterator[list[UsageRecord]]:
    hours = [_NOW - hour * _HOUR for hour in range(1, 6 * 168)]
    working = [at for at in hours if 9 <= at.hour < 18]
    done = [
        _record(model, at, "zai", 3_000) for at in working for model in (_OPUS, _SONNET, _SONNET)
    ]
    return iter([decode_usage(b"".join(map(encode, done)))])


if __name__ == "__main__":
    main()
