"""The autopilot in a running daemon: what it is told, what it learns, and what it then says."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from patience import PATIENCE_S

from offramp_core.control.api import PlanOutlook
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.usage.records import (
    RequestRecord,
    UsageRecord,
    decode_usage,
    encode,
    format_timestamp,
)
from offramp_daemon.autopilot.lessons import FinishedRequest
from offramp_daemon.autopilot.pilot import Pilot
from offramp_daemon.autopilot.work.history import weight
from offramp_daemon.routing.affinity import Conversation

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
        backend=backend,
        input_tokens=tokens,
        output_tokens=tokens // 10,
        status="success",
    )


def hear(
    pilot: Pilot, clock: Clock, done: RequestRecord, conversation: Conversation | None
) -> None:
    """A request has ended, and is learnt from."""
    pilot.lessons.put_nowait(FinishedRequest(clock.now, done, conversation))
    pilot.catch_up()


def teach(pilot: Pilot, clock: Clock, *, to: float, account: str = "a1") -> None:
    """Claude answers Opus, and its week moves by a percent each time."""
    for percent in range(1, round(to * 100) + 1):
        clock.now += timedelta(minutes=1)
        hear(pilot, clock, record(OPUS, clock.now), None)
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
    async with asyncio.timeout(PATIENCE_S):
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
    hear(pilot, clock, record(OPUS, clock.now), None)
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


async def test_what_was_learnt_is_saved_at_the_end_if_the_daemon_stops_before_a_thread_is_free(
    clock: Clock, tmp_path: Path
) -> None:
    file, release, asked = tmp_path / "autopilot.json", threading.Event(), []

    class Threads(ThreadPoolExecutor):
        def submit(self, *arguments, **more):
            asked.append(arguments)
            return super().submit(*arguments, **more)

    pilot = Pilot(file, no_records, clock=clock, save_every_s=0.001)
    with Threads(max_workers=1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        busy = threads.submit(release.wait)
        teach(pilot, clock, to=0.05)
        async with running(pilot):
            await until(lambda: len(asked) > 1)
        release.set()
        assert busy.result()
    assert not file.exists()
    pilot.close()
    assert file.exists()


def test_closing_does_not_wait_for_the_disk(
    pilot: Pilot, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    teach(pilot, clock, to=0.05)
    pilot.close()
    assert (tmp_path / "autopilot.json").exists()
    assert waited == []


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
        pilot.observe(plan(0.4, clock.now))
    assert "is not known yet" in pilot.choose(SONNET).why


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
        hear(pilot, clock, record(SONNET, clock.now), Conversation(str(number), "", SONNET))
    assert len(pilot.running) <= 1000
    assert len(pilot.costs) <= 16
    assert len(pilot.weeks) <= 4


def known_part(pilot: Pilot, account: str = "a1") -> float:
    """How much of what was learnt of the account counts."""
    return pilot.costs[account].moved


def test_sentence_names_the_backend_that_the_route_leads_to(pilot: Pilot) -> None:
    assert pilot.choose(SONNET, "cheap-one").why.startswith("Sonnet on cheap-one: ")


def test_resets_that_move_age_nothing_and_a_new_week_ages_once(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.5)
    learnt = known_part(pilot)
    for moved_h in (1, -1, 20, -20):
        clock.now += timedelta(minutes=1)
        pilot.observe(plan(0.5, clock.now, reset=RESET + moved_h * HOUR))
    assert known_part(pilot) == pytest.approx(learnt)
    clock.now = RESET + HOUR
    hear(pilot, clock, record(OPUS, clock.now), None)  # nobody has told of the new week yet
    pilot.observe(plan(0.0, clock.now, reset=clock.now + timedelta(days=7)))
    assert known_part(pilot) == pytest.approx(learnt / 2)


def test_answer_overtaken_by_the_new_week_does_not_bring_the_old_one_back(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.5)
    learnt = known_part(pilot)
    clock.now = RESET + timedelta(seconds=1)
    for _ in range(5):
        pilot.observe(plan(0.0, clock.now, reset=RESET + timedelta(days=7)))
        pilot.observe(plan(0.5, clock.now))
    assert known_part(pilot) == pytest.approx(learnt / 2)


async def test_what_was_learnt_long_ago_counts_less_after_a_restart(
    pilot: Pilot, clock: Clock, tmp_path: Path
) -> None:
    teach(pilot, clock, to=0.8)
    pilot.close()
    clock.now += timedelta(days=14)
    successor = Pilot(tmp_path / "autopilot.json", no_records, clock=clock)
    await successor.start()
    successor.observe(plan(0.1, clock.now, reset=RESET + timedelta(days=14)))
    assert known_part(successor) == pytest.approx(known_part(pilot) / 4)


async def test_figures_of_before_the_restart_count_until_they_are_stale(
    pilot: Pilot, clock: Clock, tmp_path: Path
) -> None:
    teach(pilot, clock, to=0.05)
    pilot.close()
    last = plan(0.05, clock.now)
    clock.now += 23 * HOUR
    successor = Pilot(tmp_path / "autopilot.json", no_records, clock=clock)
    await successor.start([last])
    async with running(successor):
        await until(lambda: successor.choose(SONNET).is_claude)
        clock.now += 2 * HOUR
        assert successor.choose(SONNET).why.endswith("not known freshly enough")


def test_two_accounts_in_turn_teach_nothing_false(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.3)
    teach(pilot, clock, to=0.3, account="b2")
    before = [pilot.costs[account].factor("opus") for account in ("a1", "b2")]
    used = {"a1": 0.3, "b2": 0.3}
    for turn in range(40):
        account = ("a1", "b2")[turn % 2]
        used[account] += 0.01
        clock.now += timedelta(minutes=1)
        pilot.observe(plan(used[account], clock.now, account=account))
        hear(
            pilot,
            clock,
            record(OPUS, clock.now, tokens=2_000_000 if account == "b2" else 20_000),
            None,
        )
    assert [pilot.costs[account].factor("opus") for account in ("a1", "b2")] == before


async def test_of_many_conversations_that_begin_at_once_only_those_that_fit_go_to_claude(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.05)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: pilot.choose(SONNET).is_claude)
    alone = pilot.why
    ways = [
        pilot.choose(SONNET, conversation=Conversation("one", f"agent {number}", SONNET)).is_claude
        for number in range(200)
    ]
    assert pilot.why != alone
    assert ways[0]
    assert not ways[-1]
    assert sum(ways) * 0.006 < 0.95


async def test_conversation_on_claude_counts_for_as_long_as_it_is_warm_there(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.05)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: pilot.choose(SONNET).is_claude)
    alone = pilot.why
    for number in range(3):  # one of them goes on at the delegate, one goes cold
        clock.now += timedelta(minutes=2)
        done = record(SONNET, clock.now, tokens=100_000)
        hear(pilot, clock, done, Conversation(str(number), "", SONNET))
    hear(pilot, clock, record(SONNET, clock.now, backend="zai"), Conversation("1", "", SONNET))
    clock.now += timedelta(minutes=2)
    taken = pilot.taken(clock.now)
    assert taken == [weight(done) * pilot.costs["a1"].factor("sonnet")]
    assert pilot.choose(SONNET).why != alone
    clock.now += timedelta(minutes=6)
    assert pilot.taken(clock.now) == []


async def test_what_the_delegate_answered_is_work_that_cost_claude_nothing(
    pilot: Pilot, clock: Clock
) -> None:
    teach(pilot, clock, to=0.05)
    before, factor = sum(pilot.weeks["a1"].work), pilot.costs["a1"].factor("opus")
    delegated = record(SONNET, clock.now, backend="zai", tokens=5_000_000)
    hear(pilot, clock, delegated, ONE)
    assert sum(pilot.weeks["a1"].work) == pytest.approx(before + weight(delegated))
    pilot.observe(plan(0.06, clock.now))
    assert pilot.costs["a1"].factor("opus") == factor


async def test_long_answer_leaves_its_own_figures_fresh(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.05)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: pilot.choose(SONNET).is_claude)
    arrived = clock.now
    pilot.observe(plan(0.05, clock.now))
    clock.now += timedelta(minutes=25)
    hear(pilot, clock, record(OPUS, arrived), None)
    assert pilot.choose(SONNET).is_claude


async def test_work_is_counted_once_whether_the_log_has_it_or_not(
    tmp_path: Path, clock: Clock
) -> None:
    log: list[UsageRecord] = []
    may_read = threading.Event()

    def read(_since: datetime) -> Iterator[list[UsageRecord]]:
        assert may_read.wait(PATIENCE_S)
        yield log

    def work(at: datetime, *, is_logged: bool) -> None:
        done = record(OPUS, at)
        pilot.lessons.put_nowait(FinishedRequest(at, done, None))
        if is_logged:
            log.append(decode_usage(encode(done))[0])

    pilot = Pilot(tmp_path / "autopilot.json", read, clock=clock)
    pilot.observe(plan(0.01, clock.now))
    async with running(pilot):
        work(clock.now, is_logged=True)  # before anything was asked
        pilot.choose(SONNET)
        await until(lambda: pilot.is_reading_log)
        clock.now += timedelta(seconds=1)
        work(clock.now, is_logged=True)  # while it is read, and read
        work(clock.now, is_logged=False)  # while it is read, but past where the reader is
        may_read.set()
        await until(lambda: "being read" not in pilot.choose(SONNET).why)
        work(clock.now, is_logged=True)
    pilot.catch_up()
    week = pilot.weeks["a1"]
    assert sum(week.work) == pytest.approx(4 * weight(record(OPUS, clock.now)))


async def test_log_that_cannot_be_read_costs_no_counted_work_and_is_tried_again(
    tmp_path: Path, clock: Clock
) -> None:
    failures = iter([PermissionError(13, "Permission denied"), RuntimeError("odd")])
    tries: list[datetime] = []

    def read(_since: datetime) -> Iterator[list[UsageRecord]]:
        tries.append(clock.now)
        for failure in failures:
            raise failure
        return iter(())

    pilot = Pilot(tmp_path / "autopilot.json", read, clock=clock)
    teach(pilot, clock, to=0.05)
    work = sum(pilot.weeks["a1"].work)
    async with running(pilot):
        for number in (1, 2, 3):
            pilot.choose(SONNET)
            await until(lambda number=number: len(tries) == number)
            await until(lambda: not pilot.is_reading_log)
            if number < 3:
                assert pilot.choose(SONNET).is_claude
                assert sum(pilot.weeks["a1"].work) == pytest.approx(work)
                pilot.observe(plan(0.05, clock.now))
            clock.now += HOUR
        pilot.choose(SONNET)
        await asyncio.sleep(0)
    assert len(tries) == 3


def test_record_that_makes_no_sense_disturbs_nothing(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.05)
    for odd in ("", "yesterday", "0001-01-01T00:00:00+14:00", "2026-11-18T10:00:00"):
        hear(pilot, clock, msgspec.structs.replace(record(OPUS, clock.now), ts=odd), None)
    hear(pilot, clock, msgspec.structs.replace(record(OPUS, clock.now), input_tokens=10**400), ONE)
    hear(pilot, clock, msgspec.structs.replace(record(SONNET, clock.now), model=None), ONE)
    assert pilot.costs["a1"].is_known


async def test_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "autopilot.json"
    os.mkfifo(file)
    async with asyncio.timeout(PATIENCE_S):
        await Pilot(file, no_records, clock=clock).start()


@pytest.mark.parametrize("used", [math.nan, -0.1, math.inf, None])
def test_figure_that_is_no_fraction_delegates(
    pilot: Pilot, clock: Clock, used: float | None
) -> None:
    teach(pilot, clock, to=0.05)
    told = plan(0.05, clock.now)
    windows = tuple(msgspec.structs.replace(window, used=used) for window in told.windows)
    pilot.observe(msgspec.structs.replace(told, windows=windows))
    assert not pilot.choose(SONNET).is_claude
    assert pilot.why == "Sonnet on Z.ai: Claude's figures are not known freshly enough"


async def test_plan_that_a_damaged_file_held_hinders_no_start(pilot: Pilot, clock: Clock) -> None:
    ends = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    await pilot.start([plan(0.3, clock.now, reset=reset) for reset in ends])
    assert not pilot.choose(SONNET).is_claude
    pilot.observe(plan(0.3, clock.now))
    assert pilot.choose(SONNET).why.endswith("your log is being read")


def zai_plan(used: float, at: datetime, *, reset: datetime = RESET - 20 * HOUR) -> PlanQuota:
    week = QuotaWindow(name="7d", used=used, resets=reset, cap=10_000, read_at=at)
    return PlanQuota(backend="zai", account="z1", read_at=at, windows=(week,))


def teach_delegate(pilot: Pilot, clock: Clock, *, start: float, to: float) -> None:
    """Z.ai answers Sonnet, and its week moves by two percent each time."""
    pilot.observe(zai_plan(start, clock.now))
    for percent in range(round(start * 100) + 2, round(to * 100) + 1, 2):
        clock.now += timedelta(minutes=5)
        hear(pilot, clock, record(SONNET, clock.now, backend="zai", tokens=40_000), None)
        pilot.observe(zai_plan(percent / 100, clock.now))


def busy_weeks(_since: datetime) -> Iterator[list[UsageRecord]]:
    """The log of somebody who worked every hour of the weeks before."""
    hours = (NOW - hour * HOUR for hour in range(1, 6 * 168))
    done = [record(model, at, tokens=2_000) for at in hours for model in (OPUS, SONNET, SONNET)]
    return iter([decode_usage(b"".join(map(encode, done)))])


async def test_delegate_that_will_not_last_is_said_and_helped(tmp_path: Path, clock: Clock) -> None:
    pilot = Pilot(tmp_path / "autopilot.json", busy_weeks, clock=clock, save_every_s=0.01)
    teach(pilot, clock, to=0.05)
    teach_delegate(pilot, clock, start=0.7, to=0.98)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: len(pilot.outlooks) == 2)
    claude, zai = pilot.outlooks
    assert (claude.backend, zai.backend) == ("anthropic", "zai")
    assert (claude.resets, zai.resets) == (RESET, RESET - 20 * HOUR)
    for each in (claude, zai):
        assert 0 <= each.low <= each.likely <= each.high <= 1
    assert zai.runs_out is not None
    assert clock.now <= zai.runs_out < zai.resets
    assert pilot.choose(SONNET).why == "Sonnet on Claude: Z.ai would run out"


def always_pilot(folder: Path, clock: Clock) -> Pilot:
    """One in `always` mode, whose user has busy weeks behind them."""
    file = folder / "autopilot.json"
    return Pilot(file, busy_weeks, clock=clock, mode=lambda: "always", save_every_s=0.01)


async def test_in_always_mode_a_plan_on_pace_to_run_out_has_the_log_read(
    tmp_path: Path, clock: Clock
) -> None:
    pilot = always_pilot(tmp_path, clock)
    teach(pilot, clock, to=0.05)
    teach_delegate(pilot, clock, start=0.7, to=0.98)
    async with running(pilot):
        await until(lambda: len(pilot.outlooks) == 2)
    assert pilot.outlooks[1].runs_out is not None
    assert pilot.why is None  # nobody asked


async def test_in_always_mode_plans_that_last_cost_no_reading_of_the_log(
    tmp_path: Path, clock: Clock
) -> None:
    def unreadable(_since: datetime) -> Iterator[list[UsageRecord]]:
        raise AssertionError

    pilot = Pilot(
        tmp_path / "a.json", unreadable, clock=clock, mode=lambda: "always", save_every_s=0.01
    )
    teach(pilot, clock, to=0.05)
    teach_delegate(pilot, clock, start=0.05, to=0.1)
    async with running(pilot):
        await until((tmp_path / "a.json").exists)
        assert not pilot.is_reading_log
    assert pilot.outlooks == ()


async def test_what_was_learnt_of_a_delegate_survives_a_restart(
    tmp_path: Path, clock: Clock
) -> None:
    pilot = Pilot(tmp_path / "autopilot.json", busy_weeks, clock=clock, save_every_s=0.01)
    teach(pilot, clock, to=0.05)
    teach_delegate(pilot, clock, start=0.7, to=0.98)
    pilot.close()
    assert (tmp_path / "autopilot.json").stat().st_size < 100_000
    again = Pilot(tmp_path / "autopilot.json", busy_weeks, clock=clock, save_every_s=0.01)
    await again.start([plan(0.05, clock.now), zai_plan(0.98, clock.now)])
    again.choose(SONNET)
    async with running(again):
        await until(lambda: len(again.outlooks) == 2)
    assert again.choose(SONNET).why == "Sonnet on Claude: Z.ai would run out"


async def test_a_file_of_the_version_before_keeps_what_claudes_requests_take(
    tmp_path: Path, clock: Clock
) -> None:
    pilot = Pilot(tmp_path / "autopilot.json", no_records, clock=clock)
    teach(pilot, clock, to=0.05)
    pilot.close()
    kept = msgspec.json.decode((tmp_path / "autopilot.json").read_bytes())
    del kept["delegates"]
    (tmp_path / "autopilot.json").write_bytes(msgspec.json.encode(kept))
    again = Pilot(tmp_path / "autopilot.json", no_records, clock=clock)
    await again.start([plan(0.05, clock.now)])
    assert again.costs["a1"].is_known


@pytest.mark.parametrize(
    "odd",
    [
        {"zai z1": {}},
        {"zai z1": {"cost": None, "peak_expected": [], "peak_moved": []}},
        ["zai"],
    ],
)
async def test_a_damaged_file_of_delegates_hinders_no_start(
    tmp_path: Path, clock: Clock, odd: object
) -> None:
    file = tmp_path / "autopilot.json"
    file.write_bytes(msgspec.json.encode({"version": 1, "delegates": odd}))
    pilot = Pilot(file, no_records, clock=clock)
    await pilot.start([zai_plan(0.5, clock.now)])
    assert not pilot.choose(SONNET).is_claude


def test_a_claude_plan_that_doubles_within_its_week_is_noticed(pilot: Pilot, clock: Clock) -> None:
    teach(pilot, clock, to=0.2)
    before = pilot.costs["a1"].factor("opus")
    pilot.observe(plan(0.1, clock.now))
    assert pilot.costs["a1"].factor("opus") == pytest.approx(before / 2, rel=0.1)


async def test_in_always_mode_the_delegate_is_forecast_without_claudes_figures(
    tmp_path: Path, clock: Clock
) -> None:
    pilot = always_pilot(tmp_path, clock)
    teach(pilot, clock, to=0.05)
    clock.now += 26 * HOUR  # nobody has used Claude since
    teach_delegate(pilot, clock, start=0.7, to=0.9)
    async with running(pilot):
        await until(lambda: len(pilot.outlooks) == 1)
    (zai,) = pilot.outlooks
    assert zai.backend == "zai"
    assert zai.runs_out is not None
    assert clock.now <= zai.runs_out < zai.resets == RESET - 20 * HOUR


async def test_a_delegate_of_long_ago_hides_no_other_ones_forecast(
    tmp_path: Path, clock: Clock
) -> None:
    pilot = Pilot(tmp_path / "autopilot.json", busy_weeks, clock=clock, save_every_s=0.01)
    old = msgspec.structs.replace(zai_plan(0.4, clock.now - 72 * HOUR), backend="bigmodel")
    pilot.observe(old)
    teach(pilot, clock, to=0.05)
    teach_delegate(pilot, clock, start=0.7, to=0.98)
    pilot.choose(SONNET)
    async with running(pilot):
        await until(lambda: bool(pilot.outlooks))
    assert [each.backend for each in pilot.outlooks] == ["anthropic", "zai"]


def test_a_forecast_that_fails_leaves_no_old_one(pilot: Pilot, clock: Clock) -> None:
    pilot.outlooks = (
        PlanOutlook(backend="zai", at=NOW, resets=RESET, low=0.5, likely=0.6, high=0.7),
    )
    pilot.look_ahead()
    assert pilot.outlooks == ()
