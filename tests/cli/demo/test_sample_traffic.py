"""The demo's invented past, and the client that keeps its daemon busy."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_S

from offramp_cli.demo import sample_traffic
from offramp_cli.demo.sample_history import FULL_PER_HOUR
from offramp_core.usage import records
from offramp_simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.usage.records import RequestRecord

NOW = datetime(2026, 11, 19, 15, 20, 30, tzinfo=UTC)


def arrival(record: RequestRecord) -> datetime:
    return datetime.fromisoformat(record.ts)


def lines_in(folder: Path) -> list[bytes]:
    files = sorted(folder.glob(records.FILE_PATTERN))
    return [line for file in files for line in file.read_bytes().splitlines(keepends=True)]


def test_history_is_the_same_for_the_same_seed_alone() -> None:
    first = list(sample_traffic.history(NOW, 1))
    assert first == list(sample_traffic.history(NOW, 1))
    assert first != list(sample_traffic.history(NOW, 2))


def test_history_is_in_order_and_never_in_the_future() -> None:
    arrivals = [record.ts for record in sample_traffic.history(NOW, 1)]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] <= records.format_timestamp(NOW)
    assert arrivals[0] >= records.format_timestamp(NOW - timedelta(weeks=8, hours=1))


def test_history_shows_every_tier_backend_and_status() -> None:
    seen = list(sample_traffic.history(NOW, 1))
    tiers = Counter(record.model for record in seen)
    assert set(tiers) == {"claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5"}
    assert {record.backend for record in seen} == {"anthropic", "zai"}
    assert {record.status for record in seen} == {"success", "error", "cancelled"}
    assert all(record.backend == "anthropic" for record in seen if "opus" in (record.model or ""))
    assert any(record.cache_creation_1h_input_tokens for record in seen)


@pytest.mark.parametrize("hour", [3, 15])
def test_last_day_has_no_gap_and_is_no_busier_than_others(hour: int) -> None:
    now = NOW.replace(hour=hour)
    seen = [arrival(record) for record in sample_traffic.history(now, 1)]
    by_hour = Counter(int((now - each) / timedelta(hours=1)) for each in seen)
    buckets = {int((now - each) / timedelta(minutes=3)) for each in seen}
    assert all(by_hour[age] > 0 for age in range(24))
    assert len(buckets & set(range(60))) > 20
    last_day = sum(by_hour[age] for age in range(24))
    busiest = max(sum(by_hour[age + 24 * ago] for age in range(24)) for ago in range(1, 29))
    assert last_day < 1.5 * busiest


def test_each_of_the_weeks_has_requests() -> None:
    seen = [arrival(record) for record in sample_traffic.history(NOW, 1)]
    by_week = Counter((NOW - each).days // 7 for each in seen)
    assert all(by_week[age] > 100 for age in range(8))


def test_working_hours_are_those_of_the_moments_own_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    seen = [arrival(record).astimezone(there.tzinfo) for record in sample_traffic.history(there, 1)]
    before = [each for each in seen if there - each > timedelta(days=2)]
    by_hour = Counter(each.hour for each in before)
    assert by_hour[10] > 20 * max(1, by_hour[3])


def test_written_history_is_whole_lines_in_the_months_own_files(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    count = sample_traffic.write_history(folder, NOW, 1)
    assert count == len(lines_in(folder)) > 5000
    for file in folder.iterdir():
        found = [records.decode(line) for line in file.read_bytes().splitlines()]
        assert {records.file_name(record.ts) for record in found} == {file.name}


def test_history_is_not_written_twice(tmp_path: Path) -> None:
    sample_traffic.write_history(tmp_path, NOW, 1)
    before = lines_in(tmp_path)
    assert sample_traffic.write_history(tmp_path, NOW + timedelta(minutes=50), 1) == 0
    assert lines_in(tmp_path) == before


def test_history_of_an_earlier_demo_is_continued_to_the_present(tmp_path: Path) -> None:
    sample_traffic.write_history(tmp_path, NOW, 1)
    before = lines_in(tmp_path)
    later = NOW + timedelta(days=3)
    assert sample_traffic.write_history(tmp_path, later, 1) > 100
    after = lines_in(tmp_path)
    added = [records.decode(line) for line in after[len(before) :]]
    assert after[: len(before)] == before
    assert all(NOW - timedelta(hours=1) < arrival(record) <= later for record in added)


def test_history_goes_on_behind_a_torn_line(tmp_path: Path) -> None:
    whole = sample_traffic.history(NOW - timedelta(days=1), 1)
    file = tmp_path / records.file_name(records.format_timestamp(NOW))
    file.write_bytes(records.encode(list(whole)[-1]) + b'{"ts":"2026-')
    sample_traffic.write_history(tmp_path, NOW, 1)
    lines = file.read_bytes().splitlines()
    assert lines[1] == b'{"ts":"2026-'
    assert all(records.decode(line) for line in lines[2:])


async def test_play_sends_every_kind_of_request_and_ends_when_told() -> None:
    stop = asyncio.Event()
    async with Simulator.start() as sim, asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(
            sample_traffic.play(sim.anthropic_url, pace_s=0.0, stop=stop, seed=3, haste=100)
        )
        await sim.wait_for(lambda one: one.client_disconnected, timeout_s=PATIENCE_S)
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await playing
        bodies = b"".join(request.body for request in sim.requests)
        paths = {request.path for request in sim.requests}
    assert paths == {"/v1/messages?beta=true", "/v1/messages/count_tokens?beta=true"}
    for part in (b"opus", b"sonnet", b"haiku", b'"stream": false', b"tool_result", b'"signature"'):
        assert part in bodies
    assert sim.leaks == []


async def test_play_begins_a_new_session_for_each_round_of_scenes() -> None:
    stop = asyncio.Event()
    async with Simulator.start() as sim, asyncio.TaskGroup() as tasks:
        tasks.create_task(
            sample_traffic.play(sim.anthropic_url, pace_s=0.0, stop=stop, seed=3, haste=100)
        )
        await sim.wait_for(lambda _: len(_sessions(sim)) >= 3, timeout_s=PATIENCE_S)
        stop.set()
        seen = _sessions(sim)
    assert all(seen)
    assert len(set(seen)) == len(seen), "a session that has ended goes on"


def _sessions(sim: Simulator) -> list[str]:
    """The sessions of the requests in their order; each once for as long as it goes on."""
    found = [dict(request.headers).get("x-claude-code-session-id", "") for request in sim.requests]
    return [session for session, _ in itertools.groupby(found)]


async def test_play_goes_on_after_requests_that_fail() -> None:
    stop = asyncio.Event()
    async with Simulator.start() as sim, asyncio.TaskGroup() as tasks:
        faults = ["drop", "status=500", "cut", "error-200", "cut-clean", "error-event", "empty"]
        sim.script("anthropic", faults)
        tasks.create_task(sample_traffic.play(sim.anthropic_url, pace_s=0.0, stop=stop, haste=100))
        await sim.wait_for(lambda one: len(sim.requests) > len(faults) + 3, timeout_s=PATIENCE_S)
        stop.set()


async def test_play_without_a_daemon_ends_when_told(unused_tcp_port: int) -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        url = f"http://127.0.0.1:{unused_tcp_port}"
        tasks.create_task(sample_traffic.play(url, pace_s=0.0, stop=stop))
        tasks.create_task(_set_soon(stop))


async def _set_soon(stop: asyncio.Event) -> None:
    for _ in range(200):
        await asyncio.sleep(0)
    stop.set()


def test_traffic_of_a_long_demo_is_no_more_than_the_invented_past_has() -> None:
    pauses = [3.0 * sample_traffic.slowness(rounds) for rounds in range(100)]
    assert pauses[0] == 3.0
    assert pauses == sorted(pauses)
    assert 3600 / pauses[-1] <= 1.1 * FULL_PER_HOUR
