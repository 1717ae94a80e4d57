"""Z.ai asked how much is used: over real sockets, by a clock of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY, settings_for
from quota_desk import Desk, desk_at
from raw_upstream import Connection, json_answer, raw_upstream

from offramp_core.quota import windows
from offramp_core.services import SERVICES
from offramp_core.services import zai as zai_service
from offramp_core.settings import Secret
from offramp_daemon.quota.poll_schedule import EVERY_S, SOON_S, Schedule
from offramp_daemon.quota.poller import QuotaPoller
from offramp_daemon.services import QUOTA_READERS
from offramp_daemon.upstream.client import Upstream
from offramp_daemon.wire.headers import HOP_HEADER
from offramp_simulator import QUOTA_PATH, Simulator
from offramp_simulator.zai.limits import PAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from offramp_core.quota.windows import PlanQuota
    from offramp_core.services import Service
    from offramp_core.settings import Settings

OTHER_KEY = "f0e1d2c3b4a5968778695a4b3c2d1e0f.Lm4Np7Qr2St9Uv5W"


@dataclass
class Round:
    """A poller at work, and when it is."""

    desk: Desk
    settings: Settings
    now_s: float = 1000.0
    schedules: list[Heard] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        """Let time pass, on all clocks."""
        self.now_s += seconds
        self.desk.now += timedelta(seconds=seconds)

    def change(self, **fields: Any) -> None:
        self.settings = msgspec.structs.replace(self.settings, **fields)

    def change_zai(self, **fields: Any) -> None:
        anthropic, zai = self.settings.backends
        self.change(backends=(anthropic, msgspec.structs.replace(zai, **fields)))

    async def ended(self, count: int = 1) -> None:
        """Wait until so many asks, in all, have been answered or have failed."""
        async with asyncio.timeout(PATIENCE_S):
            while sum(each.ends for each in self.schedules) < count:
                self.schedules[-1].has_ended.clear()
                await self.schedules[-1].has_ended.wait()

    @property
    def begins(self) -> int:
        """How many asks there were, in all."""
        return sum(each.begins for each in self.schedules)

    @property
    def drops(self) -> int:
        """How often nothing could be asked, in all."""
        return sum(each.drops for each in self.schedules)

    @property
    def plan(self) -> PlanQuota | None:
        return windows.find(self.desk.keeper.plans(), "zai")


class Heard(Schedule):
    """A schedule that says when an ask has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.drops = 0
        self.begins = 0
        self.ends = 0
        self.has_ended = asyncio.Event()

    def drop(self) -> None:
        super().drop()
        self.drops += 1

    def begin(self, now_s: float) -> None:
        super().begin(now_s)
        self.begins += 1

    def end(self, *, is_told: bool, is_refused: bool = False) -> None:
        super().end(is_told=is_told, is_refused=is_refused)
        self.ends += 1
        self.has_ended.set()


@contextlib.asynccontextmanager
async def polling(
    home: Path,
    zai_url: str,
    *,
    limit_s: float = 5.0,
    service: Service = zai_service.SERVICE,
) -> AsyncIterator[Round]:
    def schedule() -> Heard:
        made = Heard()
        if round_.schedules:
            round_.schedules[-1].has_ended.set()
        round_.schedules.append(made)
        return made

    async with desk_at(home, datetime.now(UTC)) as desk, Upstream() as upstream:
        round_ = Round(desk, settings_for("http://127.0.0.1:9", zai_url))
        poller = QuotaPoller(
            service,
            zai_service.QUOTA_PAGE,
            QUOTA_READERS[zai_service.NAME],
            lambda: round_.settings,
            upstream,
            desk.keeper,
            hop="a-mark",
            schedule=schedule,
            now_s=lambda: round_.now_s,
            clock=lambda: desk.now,
            limit_s=limit_s,
        )
        desk.keeper.pollers = {poller.service_name: poller}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            yield round_
            task.cancel()


@pytest.fixture
async def zai() -> AsyncIterator[Simulator]:
    async with Simulator.start(zai_key=ZAI_KEY) as simulator:
        yield simulator
        assert not simulator.leaks


def asks(zai: Simulator) -> list[str]:
    return [entry.path for entry in zai.requests]


async def test_use_has_the_quota_told(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert round_.plan.level == "max"
        assert {each.name: each.used for each in round_.plan.windows} == {"5h": 0.59, "7d": 0.23}
        (entry,) = zai.requests
        assert (entry.method, entry.path) == ("GET", QUOTA_PATH)
        assert entry.header("authorization") == ZAI_KEY
        assert entry.header("accept-language") == "en-US,en"
        assert entry.header("x-api-key") is None
        assert entry.header(HOP_HEADER) == "a-mark"


async def test_service_of_another_name_is_asked_for_itself(zai, tmp_path):
    backend = msgspec.structs.replace(zai_service.SERVICE.backend, name="acme")
    acme = dataclasses.replace(zai_service.SERVICE, title="Acme", backend=backend)
    async with polling(tmp_path, zai.zai_url, service=acme) as round_:
        own = msgspec.structs.replace(backend, base_url=zai.zai_url, key=Secret(ZAI_KEY))
        round_.change(backends=(*round_.settings.backends, own), zai_quota=False)
        round_.desk.keeper.note_use("zai")
        round_.desk.keeper.note_use("acme")
        await round_.ended()
        plans = round_.desk.keeper.plans()
        assert [plan.backend for plan in plans] == ["acme"]
        zai.script("zai", ["quota-page=html"], path=QUOTA_PATH)
        round_.advance(EVERY_S)
        round_.desk.keeper.note_use("acme")
        await round_.ended(2)
        (plan,) = round_.desk.keeper.plans()
        assert plan.problem is not None


def test_every_service_with_a_quota_page_has_a_reader_for_it():
    with_page = {service.name for service in SERVICES if service.quota_page is not None}
    assert with_page == set(QUOTA_READERS)


async def test_nothing_is_asked_while_nothing_is_used(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.desk.keeper.note_use("anthropic")
        round_.desk.keeper.ask_soon("anthropic")
        round_.advance(10 * EVERY_S)
        await turns()
        assert (round_.begins, round_.plan) == (0, None)


async def turns(count: int = 20) -> None:
    """Let whatever could run by now run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_use_is_asked_about_every_five_minutes_at_most(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        keeper = round_.desk.keeper
        keeper.note_use("zai")
        await round_.ended()
        round_.advance(EVERY_S - 1)
        keeper.note_use("zai")
        await turns()
        assert round_.begins == 1
        round_.advance(1)
        keeper.note_use("zai")
        await round_.ended(2)
        assert len(asks(zai)) == 2


async def test_quota_error_is_asked_about_at_once(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        keeper = round_.desk.keeper
        keeper.note_use("zai")
        await round_.ended()
        zai.zai_quota.five_hour_percent = 100.0
        round_.advance(SOON_S)
        keeper.ask_soon("zai")
        await round_.ended(2)
        until = keeper.spent_until("zai", "GLM-4.7")
        assert until is not None
        keeper.ask_soon("zai")
        await turns()
        assert round_.begins == len(asks(zai)) == 2


@pytest.mark.parametrize("why", ["setting", "key"])
async def test_who_may_not_ask_never_does(zai, tmp_path, why):
    async with polling(tmp_path, zai.zai_url) as round_:
        if why == "setting":
            round_.change(zai_quota=False)
        else:
            round_.change_zai(key=None)
        round_.desk.keeper.note_use("zai")
        round_.desk.keeper.ask_soon("zai")
        await turns()
        assert (round_.begins, round_.plan) == (0, None)


async def test_use_that_may_not_be_asked_about_wakes_nobody_a_second_time(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.change(zai_quota=False)
        round_.desk.keeper.note_use("zai")
        await turns()
        looks = round_.drops
        assert looks > 0
        round_.desk.keeper.note_use("zai")
        await turns()
        assert round_.drops == looks


async def test_setting_that_is_switched_on_counts_from_the_next_use(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.change(zai_quota=False)
        round_.desk.keeper.note_use("zai")
        await turns()
        round_.change(zai_quota=True)
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None


async def test_refused_key_is_said_and_a_new_one_is_tried_at_once(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.change_zai(key=Secret(OTHER_KEY))
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert round_.plan.problem == "Z.ai's quota page refuses the key."
        round_.desk.now = datetime.now(UTC)
        round_.change_zai(key=Secret(ZAI_KEY))
        round_.desk.keeper.note_use("zai")
        await round_.ended(2)
        assert (round_.plan.problem, len(round_.plan.windows)) == (None, 2)


async def test_daemon_that_takes_over_asks_when_the_one_before_would_have(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.desk.keeper.note_use("zai")
        await round_.ended()
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.desk.keeper.note_use("zai")
        await turns()
        assert round_.begins == 0
        round_.advance(EVERY_S)
        round_.desk.keeper.note_use("zai")
        await round_.ended()
    assert len(asks(zai)) == 2


async def test_mistake_of_its_own_ends_neither_it_nor_the_daemon(zai, tmp_path, caplog):
    async with polling(tmp_path, zai.zai_url) as round_:
        settings, round_.settings = round_.settings, None
        round_.desk.keeper.note_use("zai")
        await turns()
        assert "could not be asked" in caplog.text
        round_.settings = settings
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        *((f"quota-page={shape}", "page") for shape in sorted(PAGES) if shape != "no-percentage"),
        ("status=500", "HTTP 500"),
        ("status=302", "HTTP 302"),
        ("drop", "closed the connection"),
        ("cut", "broke off"),
        ("reset", "broke off"),
        ("empty", "not return a quota"),
        ("cut-clean", "not return a quota"),
    ],
)
async def test_page_that_tells_nothing_is_a_problem_and_no_more(zai, tmp_path, fault, part):
    zai.script("zai", [(fault,), (fault,)], path=QUOTA_PATH)  # a drop is tried once more
    async with polling(tmp_path, zai.zai_url) as round_:
        keeper = round_.desk.keeper
        keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert round_.plan.windows == ()
        assert part in (round_.plan.problem or "")
        assert ZAI_KEY not in (round_.plan.problem or "")
        round_.advance(EVERY_S)
        keeper.note_use("zai")
        await turns()
        assert round_.begins == 1


@pytest.mark.parametrize("fault", ["quota-page=no-percentage", "chunk=7", "slow=0.01"])
async def test_page_of_another_form_is_read_all_the_same(zai, tmp_path, fault):
    zai.script("zai", [fault], path=QUOTA_PATH)
    async with polling(tmp_path, zai.zai_url) as round_:
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        five_hours, _ = round_.plan.windows
        assert five_hours.used == pytest.approx(0.59)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"code":200,"data":{"limits":[{"unit":6,"number":1,"percentage":5}]}}', None),
        (b" " * 50_000_000, "Z.ai's quota page did not return a quota."),
    ],
)
async def test_page_that_is_compressed_unasked_is_read_within_bounds(tmp_path, content, problem):
    packed = gzip.compress(content)

    async def answer(connection: Connection) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        await connection.write(head.encode() + packed)

    async with (
        raw_upstream(answer) as upstream,
        polling(tmp_path, f"{upstream.url}/api/anthropic") as round_,
    ):
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert round_.plan.problem == problem
        assert [each.used for each in round_.plan.windows] == ([] if problem else [0.05])


@pytest.mark.parametrize(
    ("level", "known"),
    [
        ("max", "max"),
        (ZAI_KEY, None),
        (ZAI_KEY[:40], None),
        (ZAI_KEY[9:45], None),
        (ZAI_KEY[:32].upper(), None),
        ("sk-ant-oat01-Xk3vP9aQw7LmZt", None),
    ],
)
async def test_level_of_the_plan_that_holds_a_key_is_not_kept(tmp_path, level, known):
    limit = {"unit": 6, "number": 1, "percentage": 5}
    body = msgspec.json.encode({"code": 200, "data": {"level": level, "limits": [limit]}})

    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(body))

    async with (
        raw_upstream(answer) as upstream,
        polling(tmp_path, f"{upstream.url}/api/anthropic") as round_,
    ):
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert round_.plan.level == known
    for file in tmp_path.rglob("*"):
        assert known or not file.is_file() or level.encode() not in file.read_bytes()


async def test_page_that_is_silent_is_given_up(zai, tmp_path):
    zai.script("zai", ["first-byte=60"], path=QUOTA_PATH)
    async with polling(tmp_path, zai.zai_url, limit_s=0.05) as round_:
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert "did not answer" in (round_.plan.problem or "")


async def test_host_that_is_not_there_is_a_problem(tmp_path):
    async with polling(tmp_path, "http://127.0.0.1:9/api/anthropic") as round_:
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert "can't be reached" in (round_.plan.problem or "")


async def test_redirect_takes_the_key_nowhere(zai, tmp_path):
    async def elsewhere(connection: Connection) -> None:
        await connection.write(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: "
            + zai.zai_quota_url.encode()
            + b"\r\nContent-Length: 0\r\n\r\n"
        )

    async with (
        raw_upstream(elsewhere) as upstream,
        polling(tmp_path, f"{upstream.url}/api/anthropic") as round_,
    ):
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert "HTTP 307" in (round_.plan.problem or "")
    assert asks(zai) == []


async def test_base_url_of_another_make_is_not_asked(zai, tmp_path):
    async with polling(tmp_path, zai.zai_url.replace("/api/anthropic", "/v2/claude")) as round_:
        round_.desk.keeper.note_use("zai")
        await round_.ended()
        assert round_.plan is not None
        assert "/api/anthropic" in (round_.plan.problem or "")
    assert asks(zai) == []


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.z.ai/api/anthropic", "https://api.z.ai"),
        ("https://open.bigmodel.cn/api/anthropic", "https://open.bigmodel.cn"),
        ("http://127.0.0.1:8080/zai/api/anthropic", "http://127.0.0.1:8080/zai"),
        ("https://api.z.ai", None),
        ("https://api.z.ai/api/anthropic/v2", None),
        ("https://example.com/anthropic", None),
        ("https://example.com/?to=/api/anthropic", None),
        ("https://example.com/#/api/anthropic", None),
    ],
)
def test_page_is_on_the_backends_own_host(base_url, origin):
    assert zai_service.QUOTA_PAGE.origin_of(base_url) == origin
