"""The autopilot in a running daemon: what it is told, what it learns, and what it then says."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from offramp_core.quota import PlanQuota, QuotaWindow
from offramp_core.records import RequestRecord, UsageRecord, format_timestamp
from offramp_daemon.autopilot.pilot import Pilot
from offramp_daemon.conversations import Conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 18, 10, tzinfo=UTC)
RESET = datetime(2026, 11, 22, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = Conversation("one", "", "claude-sonnet-4-5")
SONNET, OPUS = "claude-sonnet-4-5", "claude-opus-4-6"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def no_records(_since: datetime) -> Iterator[list[UsageRecord]]:
    return iter(())


def plan(
    used: float, at: datetime, *, account: str = "a1", reset: datetime = RESET, **more: float
) -> PlanQuota:
    windows = {"7d": used, "5h": used / 2, **more}
    return PlanQuota(
        backend="anthropic",
        account=account,
        read_at=at,
        windows=tuple(
            QuotaWindow(
                name=name,
                used=part,
                resets=at + 3 * HOUR if name == "5h" else reset,
                read_at=at,
            )
            for name, part in windows.items()
        ),
    )


def record(
    model: str, at: datetime, *, backend: str = "anthropic", tokens: int = 20_000
) -> RequestRecord:
    return RequestRecord(
        ts=format_timestamp(at),
        model=model,
        backend="anthropic",
        input_tokens=tokens,
        output_tokens=tokens // 10,
        status="success",
    )


def teach(pilot: Pilot, clock: Clock, *, to: float, account: str = "a1") -> None:
    """Claude answers Opus, and its week moves by a percent each time."""
    for percent in range(1, round(to * 100) + 1):
        clock.now += timedelta(minutes=1)
        pilot.note(record(OPUS, clock.now), None)
        pilot.observe(plan(percent / 100, clock.now, account=account))


@contextlib.asynccontextmanager
async def running(pilot: Pilot) -> AsyncIterator[None]:
    """The pilot at work, its first look into the log behind it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pilot.run(), name="pilot")
        try:
            yield
        finally:
            task.cancel()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the pilot tells nobody when it has read
            await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pilot(tmp_path: Path, clock: Clock) -> Pilot:
    return Pilot(tmp_path / "autopilot.json", no_records, clock=clock, save_every_s=0.01)


def test_without_figures_it_delegates_and_says_so(pilot: Pilot) -> None:
    choice = pilot.choose(SONNET)
    assert not choice.is_claude
    assert choice.why == "Sonnet on Z.ai: Claude's figures are not known freshly enough"
    assert pilot.why == choice.why


async def test_under_pace_execution_work_stays_on_claude(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.05)
    assert pilot.choose(SONNET).why == "Sonnet on Z.ai: your log is being read"
    async with running(pilot):
        await until(lambda: pilot.choose(SONNET).is_claude)
    assert pilot.why is not None
    assert pilot.why.startswith("Sonnet on Claude: the week is ")
    assert pilot.why.endswith(" % under pace")


async def test_when_opus_needs_the_rest_work_is_delegated(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.97)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: "being read" not in pilot.choose(SONNET).why)
    assert pilot.choose(SONNET).why == "Sonnet on Z.ai: Opus needs the rest of the week"


async def test_spent_window_of_one_family_concerns_that_family_alone(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.05)
    pilot.observe(plan(0.06, clock.now, **{"7d_sonnet": 1.0}))
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: pilot.choose("claude-haiku-4-5").is_claude)
    assert pilot.choose(SONNET).why == "Sonnet on Z.ai: Claude's week for Sonnet is used up"


async def test_figures_that_answers_have_overtaken_count_no_more(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.05)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: pilot.choose(SONNET).is_claude)
    clock.now += timedelta(minutes=11)
    pilot.note(record(OPUS, clock.now), None)
    assert pilot.choose(SONNET).why.endswith("not known freshly enough")


async def test_what_was_learnt_outlives_the_daemon(
    pilot: Pilot, clock: Clock, tmp_path: Path
) -> None:
    teach(pilot, clock, to=0.05)
    pilot.close()
    assert (tmp_path / "autopilot.json").stat().st_mode & 0o777 == 0o600
    successor = Pilot(tmp_path / "autopilot.json", no_records, clock=clock)
    await successor.start()
    successor.choose(SONNET)
    async with running(successor):
        successor.observe(plan(0.05, clock.now))
        await until(lambda: successor.choose(SONNET).is_claude)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b'{"version":2,"accounts":{}}',
        b'{"version":1,"accounts":{"a1":{"moved":1}}}',
        b'{"version":1,"accounts":{"a1":{"moved":-1,"weight":1,"products":[],"moves":[],'
        b'"week_moves":1,"window_moves":1}}}',
        b'{"version":1,"accounts":{"a1":{"moved":1,"weight":1,"products":[1],"moves":[1,1,1],'
        b'"week_moves":1,"window_moves":1}}}',
        b'{"version":1,"accounts":{"a1":{"moved":1,"weight":1,"products":[1,1,1,1,1,1,1,1,1],'
        b'"moves":[1,1,1],"week_moves":1,"window_moves":0}}}',
        b" " * 300_000 + b'{"version":1}',
    ],
)
async def test_file_that_is_no_good_is_as_good_as_none(
    tmp_path: Path, clock: Clock, content: bytes
) -> None:
    file = tmp_path / "autopilot.json"
    file.write_bytes(content)
    pilot = Pilot(file, no_records, clock=clock)
    await pilot.start()
    async with running(pilot):
        pilot.observe(plan(0.05, clock.now))
        pilot.choose(SONNET)
        await until(lambda: "being read" not in pilot.choose(SONNET).why)
    assert pilot.choose(SONNET).why.endswith("is not known yet")


async def test_log_that_cannot_be_read_leaves_a_flat_rhythm(tmp_path: Path, clock: Clock) -> None:
    def unreadable(_since: datetime) -> Iterator[list[UsageRecord]]:
        raise PermissionError(13, "Permission denied")

    pilot = Pilot(tmp_path / "autopilot.json", unreadable, clock=clock)
    teach(pilot, clock, to=0.05)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: pilot.choose(SONNET).is_claude)


async def test_new_week_begins_without_work_and_keeps_what_was_learnt(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.97)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: "Opus needs" in pilot.choose(SONNET).why)
        clock.now = RESET + HOUR
        assert pilot.choose(SONNET).why.endswith("not known freshly enough")
        pilot.observe(plan(0.0, clock.now, reset=RESET + timedelta(days=7)))
        await until(lambda: pilot.choose(SONNET).is_claude)


async def test_log_is_read_once_a_week_and_account_whatever_the_resets_jitter(
    tmp_path: Path, clock: Clock
) -> None:
    asked: list[datetime] = []

    def read(since: datetime) -> Iterator[list[UsageRecord]]:
        asked.append(since)
        return iter(())

    pilot = Pilot(tmp_path / "autopilot.json", read, clock=clock)
    async with running(pilot):
        for turn in range(20):
            jitter = timedelta(seconds=turn % 3)
            for account in ("a1", "b2"):
                clock.now += timedelta(seconds=1)
                pilot.observe(plan(0.01, clock.now, account=account, reset=RESET + jitter))
                pilot.choose(SONNET)
                await until(lambda: "being read" not in pilot.choose(SONNET).why)
    assert len(asked) == 2
    assert asked[0] < NOW - timedelta(days=35)


def test_many_conversations_and_accounts_leave_the_memory_small(pilot: Pilot, clock: Clock) -> None:
    for number in range(3000):
        pilot.observe(plan(0.01, clock.now, account=f"account {number}"))
        pilot.note(record(SONNET, clock.now), Conversation(str(number), "", SONNET))
    assert len(pilot._running) <= 1000
    assert len(pilot._costs) <= 16
    assert len(pilot._weeks) <= 4
