"""The whole daemon while a service is in trouble: what it serves, and what it tells of that."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest
from control_harness import Commands
from messages import OPUS, SONNET, ask
from patience import PATIENCE_S
from preset_harness import KEY, with_presets
from proxy_harness import settings_for
from running_app import running_app

from offramp_core.control import api
from offramp_core.quota import windows
from offramp_simulator.preset.rules import PRESETS as RULES
from offramp_simulator.preset.service import PresetService, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from running_app import RunningApp

    from offramp_core.control.api import BackendStatus, Status
    from offramp_simulator import Simulator

PATH = "/v1/messages?beta=true"


@contextlib.asynccontextmanager
async def daemon(
    home: Path, sim: Simulator, **fields: object
) -> AsyncIterator[tuple[RunningApp, Commands]]:
    settings = settings_for(sim.anthropic_url, sim.zai_url, **fields)
    async with running_app(home, settings) as app:
        commands = Commands(app.paths)
        await commands.until_there()
        yield app, commands


async def served(
    client: aiohttp.ClientSession, app: RunningApp, model: str = SONNET, session: str = "one"
) -> int:
    headers = {"x-claude-code-session-id": session}
    async with client.post(app.url + PATH, json=ask(model), headers=headers) as answered:
        await answered.read()
        return answered.status


def zai_of(status: Status) -> BackendStatus:
    return next(each for each in status.backends if each.name == "zai")


async def test_backend_in_trouble_is_told_of_everywhere(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    async with daemon(tmp_path, sim) as (app, commands):
        sim.script("zai", ["zai=1001"])
        assert await served(client, app) == 200
        status = await commands.until(lambda status: zai_of(status).bypass is not None)
        zai = zai_of(status)
        assert zai.last_error is not None
        assert zai.last_error.kind == api.KEY_REFUSED
        assert zai.bypass is not None
        assert (zai.bypass.to, zai.bypass.cause) == ("anthropic", api.KEY_REFUSED)
        assert await served(client, app, session="two") == 200
        zai = zai_of(await commands.status())
        assert zai.bypass is not None
        assert zai.bypass.requests == 2
        claude = next(each for each in status.backends if each.name == "anthropic")
        assert claude.last_error is None
        assert claude.bypass is None
    told = [(each["event"], each.get("backend"), each.get("why")) for each in commands.told()]
    assert ("bypassed", "zai", api.KEY_REFUSED) in told
    assert [each.service for each in sim.requests if each.method == "POST"] == [
        "zai",
        "anthropic",
        "anthropic",
    ]


async def test_status_names_the_first_of_several_stand_ins_that_can_serve(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    kimi = PresetService(sim.journal, RULES["kimi"], key=KEY)
    chain = ("deepseek", "kimi", "anthropic")
    async with running(kimi) as url:
        settings = settings_for(sim.anthropic_url, sim.zai_url, failover=chain)
        settings = with_presets(settings, {"deepseek": "http://127.0.0.1:9", "kimi": url})
        *others, deepseek, last = settings.backends
        keyless = msgspec.structs.replace(deepseek, key=None)
        settings = msgspec.structs.replace(settings, backends=(*others, keyless, last))
        async with running_app(tmp_path, settings) as app:
            commands = Commands(app.paths)
            await commands.until_there()
            sim.script("zai", ["zai=1001"])
            assert await served(client, app) == 200
            zai = zai_of(await commands.until(lambda status: zai_of(status).bypass is not None))
            assert zai.bypass is not None
            assert zai.bypass.to == "kimi"
            kimi.has_money = False
            assert await served(client, app, session="two") == 200
            zai = zai_of(await commands.status())
            assert zai.bypass is not None
            assert zai.bypass.to == "anthropic"


async def test_nothing_is_told_as_bypassed_where_nothing_may_stand_in(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    async with daemon(tmp_path, sim, failover=False) as (app, commands):
        sim.script("zai", ["zai=1310"])
        assert await served(client, app) == 429
        zai = zai_of(await commands.until(lambda status: zai_of(status).last_error is not None))
        assert zai.bypass is None
    assert not [each for each in commands.told() if each["event"] == "bypassed"]


async def test_spent_plan_of_the_delegate_is_stepped_around_before_it_refuses(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    sim.zai.quota.week_percent, sim.zai.quota.grows_by = 99, 10  # the first answer uses up the week
    async with daemon(tmp_path, sim) as (app, commands):
        assert await served(client, app) == 200
        status = await commands.until(lambda status: zai_of(status).bypass is not None)
        assert zai_of(status).last_error is None
        bypass = zai_of(status).bypass
        assert bypass is not None
        assert bypass.cause == api.LIMIT
        week = windows.window_of(windows.find(status.quota, "zai"), "7d")
        assert week is not None
        assert week.used == 1.0
        before = len([each for each in sim.requests if each.path_only.endswith("/messages")])
        assert await served(client, app, session="two") == 200
        asked = [each.service for each in sim.requests if each.path_only.endswith("/messages")]
        assert asked[before:] == ["anthropic"]


async def test_spent_family_of_claude_does_not_stop_the_others(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    async with daemon(tmp_path, sim) as (app, commands):
        sim.anthropic.quota.families = {"seven_day_opus": 1.0}
        assert await served(client, app, OPUS) == 429
        plan = windows.find((await commands.status()).quota, "anthropic")
        family = windows.window_of(plan, "7d_opus")
        assert family is not None
        assert windows.is_spent(family, datetime.now(UTC))
        sim.script("zai", ["status=500"])
        assert await served(client, app) == 200  # Sonnet may still go to Claude
    services = [each.service for each in sim.requests if each.path_only.endswith("/messages")]
    assert services[-2:] == ["zai", "anthropic"]


async def test_autopilot_keeps_work_on_claude_under_pace_and_says_the_same_everywhere(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    now = time.time()
    plan = sim.anthropic.quota
    plan.seven_day, plan.grows_by = 0.01, 0.1  # a percent of the week with each answer
    plan.resets = {"seven_day": int(now) + 4 * 86_400, "five_hour": int(now) + 4 * 3600}
    async with daemon(tmp_path, sim, delegation="auto") as (app, commands):
        assert await served(client, app, SONNET, "first") == 200
        status = await commands.status()
        assert status.delegation == "auto"
        assert status.delegation_why is not None
        assert status.delegation_why.startswith("Sonnet on Z.ai: ")
        for _ in range(5):
            plan.five_hour = 0.05
            assert await served(client, app, OPUS) == 200
        number = 0
        async with asyncio.timeout(PATIENCE_S):
            while not (why := (await commands.status()).delegation_why or "").startswith(
                "Sonnet on Claude: "
            ):
                number += 1
                assert await served(client, app, SONNET, f"more {number}") == 200
        assert why.endswith(" under pace")
        last = [each for each in sim.requests if each.path_only.endswith("/messages")][-1]
        assert last.service == "anthropic"
        asked = len(sim.requests)
        assert await served(client, app, SONNET, "first") == 200  # warm at Z.ai, so it stays
        assert [each.service for each in sim.requests[asked:] if "messages" in each.path] == ["zai"]
    assert (tmp_path / "data" / "autopilot.json").stat().st_mtime >= now


async def test_figures_outlive_the_daemon_with_their_age(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    async with daemon(tmp_path, sim) as (app, commands):
        await served(client, app, OPUS)
        told = windows.find((await commands.status()).quota, "anthropic")
    async with daemon(tmp_path, sim) as (_app, commands):
        kept = windows.find((await commands.status()).quota, "anthropic")
    assert told is not None
    assert kept == told
    assert datetime.now(UTC) - kept.read_at < timedelta(minutes=1)


def recorded(app: RunningApp) -> list[dict[str, object]]:
    lines = [file.read_text() for file in sorted(app.paths.log_dir.glob("requests-*.jsonl"))]
    return [json.loads(line) for line in "".join(lines).splitlines()]


@pytest.mark.parametrize(
    ("zai", "anthropic", "backend"),
    [
        pytest.param("status=500", "first-byte=30", "anthropic", id="while Claude steps in"),
        pytest.param("first-byte=30", (), "zai", id="while the delegate is waited for"),
        pytest.param("slow=30", (), "zai", id="while a beginning is held"),
    ],
)
async def test_daemon_that_stops_answers_for_each_request_once(
    client: aiohttp.ClientSession,
    sim: Simulator,
    tmp_path: Path,
    zai: str,
    anthropic: str | tuple[str, ...],
    backend: str,
) -> None:
    async with daemon(tmp_path, sim, drain_timeout_s=0.05) as (app, _commands):
        sim.script("zai", [zai])
        sim.script("anthropic", [anthropic])
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(served_or_cut(client, app))
            found = await sim.wait_for(lambda each: each.service == backend)
            await found.body_read.wait()
            app.shutdown.ask()
        assert asked.result() is None
    found_in_log = [(each["backend"], each["status"], each["reason"]) for each in recorded(app)]
    assert found_in_log == [(backend, "error", "daemon stopped")]


async def served_or_cut(client: aiohttp.ClientSession, app: RunningApp) -> int | None:
    """The status that a client sees; None if its connection breaks off."""
    try:
        return await served(client, app)
    except aiohttp.ClientError:
        return None


async def test_daemon_that_hands_over_still_lets_claude_step_in(
    client: aiohttp.ClientSession, sim: Simulator, tmp_path: Path
) -> None:
    async with daemon(tmp_path, sim) as (app, _commands):
        sim.script("zai", [("first-byte=0.2", "status=500")])
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(served(client, app))
            await sim.wait_for(lambda each: each.service == "zai")
            app.shutdown.leave()
        assert asked.result() == 200
    (record,) = recorded(app)
    assert (record["backend"], record["status"]) == ("anthropic", "success")
    assert record["reason"] == "zai failed (failing), served by anthropic"
