"""The autopilot in a whole daemon, over real sockets: between a plan and a delegate."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from control_harness import Commands
from messages import OPUS, SONNET, ask
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY, settings_for
from running_app import running_app

from offramp_core.usage import records
from offramp_core.usage.log_reader import LogReader
from offramp_daemon.autopilot.plans import plan_snapshot
from offramp_daemon.quota import tracker
from offramp_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from types import FrameType

    import aiohttp
    from running_app import RunningApp

    from offramp_core.settings import Settings
    from offramp_core.usage.records import RequestRecord

DAY_S = 86_400


class Desk:
    """A user at Claude Code: what they send, and which service answered."""

    def __init__(self, client: aiohttp.ClientSession, app: RunningApp, sim: Simulator) -> None:
        self._client = client
        self.app = app
        self.sim = sim
        self._sessions = (f"session {number}" for number in count())

    async def send(self, model: str, session: str | None = None, agent: str | None = None) -> str:
        """The service that answered one message, of a new conversation if none is named."""
        headers = {"x-claude-code-session-id": session or next(self._sessions)}
        if agent is not None:
            headers["x-claude-code-agent-id"] = agent
        url = self.app.url + "/v1/messages"
        async with self._client.post(url, json=ask(model), headers=headers) as answered:
            assert answered.status == 200
            await answered.read()
        return self.sim.requests[-1].service

    async def teach(self, percents: int = 5) -> None:
        """Opus works, and the week moves by a percent each time."""
        for _ in range(percents):
            self.sim.anthropic_quota.seven_day += 0.01
            await self.send(OPUS)

    async def until_read(self) -> None:
        """Begin conversations until the log has been read; those before go to the delegate."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.send(SONNET) == "zai" and "being read" in await self.why():
                pass

    async def why(self) -> str:
        return (await Commands(self.app.paths).status()).delegation_why or ""


def settings(sim: Simulator, **fields: object) -> Settings:
    return settings_for(sim.anthropic_url, sim.zai_url, **{"delegation": "auto", **fields})


def logged(app: RunningApp) -> list[RequestRecord]:
    return [records.decode(line) for line in LogReader(app.paths.log_dir).read_lines()]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """Both services; Claude's week ends in a day, and a twentieth of it is used."""
    async with Simulator.start(zai_key=ZAI_KEY) as simulator:
        plan = simulator.anthropic_quota
        plan.seven_day, plan.five_hour = 0.05, 0.1
        plan.resets = {
            "seven_day": int(time.time()) + DAY_S,
            "five_hour": int(time.time()) + 2 * 3600,
        }
        yield simulator
        assert not simulator.leaks


async def test_execution_work_is_claudes_under_pace_and_the_delegates_over_it(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with running_app(tmp_path, settings(sim)) as app:
        desk = Desk(client, app, sim)
        await Commands(app.paths).until_there()
        await desk.teach()
        await desk.until_read()
        assert await desk.send(SONNET, "warm") == "anthropic"
        under = await desk.why()

        sim.anthropic_quota.seven_day = 0.9
        await desk.send(OPUS)
        assert await desk.send(SONNET) == "zai"
        over = await desk.why()
        assert await desk.send(SONNET, "warm") == "anthropic"
        assert await desk.send(SONNET, "warm", "agent") == "zai"
        assert await desk.send(SONNET, "warm", "agent") == "zai"
    warm = [each.reason for each in logged(app) if each.session_id == "warm"]
    assert warm == [under, "conversation goes on", over, "route sonnet"]
    assert under.startswith("Sonnet on Claude: the week is ")
    assert over == "Sonnet on Z.ai: Opus needs the rest of the week"


@pytest.mark.parametrize("figure", ["", "abc", "-0.3", "nan", "1e99"])
async def test_figures_that_are_told_no_more_leave_it_to_delegate(
    tmp_path: Path,
    client: aiohttp.ClientSession,
    sim: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    figure: str,
) -> None:
    monkeypatch.setattr(plan_snapshot, "STALE_IN_USE", timedelta(0))
    monkeypatch.setattr(tracker, "SAME_FOR", timedelta(0))
    async with running_app(tmp_path, settings(sim)) as app:
        desk = Desk(client, app, sim)
        await Commands(app.paths).until_there()
        await desk.teach()
        await desk.until_read()
        assert await desk.send(SONNET) == "anthropic"
        sim.script("anthropic", [f"unified=7d-utilization:{figure}"] * 3)
        for _ in range(3):  # within one the clock of the log may not have moved
            await desk.send(OPUS)
        assert await desk.send(SONNET) == "zai"
        assert (await desk.why()).endswith("not known freshly enough")
        await desk.send(OPUS)
        await desk.send(OPUS)
        assert await desk.send(SONNET) == "anthropic"


async def test_work_without_opus_begins_on_claude_by_the_clients_quota_probe(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    probe = {
        "model": "claude-haiku-4-5",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "quota"}],
    }
    async with running_app(tmp_path, settings(sim)) as app:
        desk = Desk(client, app, sim)
        await Commands(app.paths).until_there()
        assert await desk.send(SONNET) == "zai"
        async with client.post(app.url + "/v1/messages", json=probe) as answered:
            assert answered.status == 200
        await desk.until_read()
        assert await desk.why() == "Sonnet on Claude: less than half of the week's pace is used"
        for _ in range(5):
            sim.anthropic_quota.seven_day += 0.01
            assert await desk.send(SONNET) == "anthropic"
        assert (await desk.why()).endswith(" % under pace")


async def test_never_delegates_nothing(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with running_app(tmp_path, settings(sim, delegation="never")) as app:
        desk = Desk(client, app, sim)
        await desk.teach()
        assert [await desk.send(SONNET) for _ in range(3)] == ["anthropic"] * 3
        status = await Commands(app.paths).until_there()
        assert (status.delegation, status.delegation_why) == ("never", None)
    assert {each.reason for each in logged(app)} == {"default", "delegation is off"}


async def test_restart_in_mid_week_goes_on_by_what_was_learnt(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with running_app(tmp_path, settings(sim, delegation="always")) as app:
        desk = Desk(client, app, sim)
        await desk.teach()
        assert await desk.send(SONNET) == "zai"
    seen = len(sim.requests)
    async with running_app(tmp_path, settings(sim)) as app:
        desk = Desk(client, app, sim)
        await Commands(app.paths).until_there()
        await desk.until_read()
        assert await desk.send(SONNET) == "anthropic"
    assert all(b"opus" not in each.body for each in sim.requests[seen:])


async def test_spent_window_is_named_in_the_record_and_the_status(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    async with running_app(tmp_path, settings(sim)) as app:
        desk = Desk(client, app, sim)
        await Commands(app.paths).until_there()
        await desk.teach()
        await desk.until_read()
        sim.anthropic_quota.five_hour = 0.99
        await desk.send(OPUS)
        sim.anthropic_quota.five_hour = 1.0
        sim.script("anthropic", ["quota=five_hour"])
        url = app.url + "/v1/messages"
        async with client.post(url, json=ask(OPUS)) as answered:
            assert answered.status == 429
        assert await desk.send(SONNET, "late") == "zai"
        assert await desk.why() == "Sonnet on Z.ai: Claude's 5-hour window is used up"
    assert [each.reason for each in logged(app) if each.session_id == "late"] == [
        "Sonnet on Z.ai: Claude's 5-hour window is used up"
    ]


class AutopilotCalls:
    """The Python calls into the autopilot that requests made, in the tasks that serve them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or "offramp_daemon.autopilot" not in frame.f_globals["__name__"]:
            return
        task = asyncio.current_task()
        if task is None or not task.get_name().startswith("autopilot"):
            self.names.append(frame.f_code.co_qualname)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


async def test_request_in_always_mode_makes_no_call_into_the_autopilot(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    calls = AutopilotCalls()
    async with running_app(tmp_path, settings(sim, delegation="always")) as app:
        desk = Desk(client, app, sim)
        with calls.watched():
            await desk.teach()
            assert await desk.send(SONNET) == "zai"
    assert calls.names == []


async def test_decision_in_auto_mode_is_a_call_that_is_seen(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    calls = AutopilotCalls()
    async with running_app(tmp_path, settings(sim)) as app:
        desk = Desk(client, app, sim)
        with calls.watched():
            await desk.send(SONNET)
    assert "Pilot.choose" in calls.names


async def test_switching_from_always_to_auto_finds_what_was_learnt(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    chosen = [settings(sim, delegation="always")]
    async with running_app(tmp_path, lambda: chosen[-1]) as app:
        desk = Desk(client, app, sim)
        commands = Commands(app.paths)
        await commands.until_there()
        await desk.teach()
        assert await desk.send(SONNET) == "zai"
        chosen.append(settings(sim))
        assert (await commands.reload()).changed == ("delegation",)
        await desk.until_read()
        assert await desk.send(SONNET) == "anthropic"
        assert (await desk.why()).startswith("Sonnet on Claude: the week is ")
