"""What the simulator tells of its plans' limits, and the ways to have it tell something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from offramp_simulator import QUOTA_PATH, Simulator
from offramp_simulator.anthropic.limits import UNIFIED
from offramp_simulator.zai.limits import PAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLAN = {
    "authorization": "Bearer sk-ant-oat01-x",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "oauth-2025-04-20",
}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(
    sim: Simulator, http: aiohttp.ClientSession, model: str = "claude-opus-4-6", *faults: str
) -> tuple[int, dict[str, str]]:
    """The answer's status and its unified headers, without their prefix."""
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    headers = [*PLAN.items(), *(("x-sim-fault", fault) for fault in faults)]
    async with http.post(f"{sim.anthropic_url}/v1/messages", json=body, headers=headers) as answer:
        await answer.read()
        told = {
            name.removeprefix(UNIFIED): value
            for name, value in answer.headers.items()
            if name.startswith(UNIFIED)
        }
        return answer.status, told


async def test_spent_family_is_refused_while_others_run(sim, http) -> None:
    sim.anthropic_quota.families = {"seven_day_opus": 1.02, "seven_day_sonnet": 0.2}
    status, told = await ask(sim, http)
    assert (status, told["status"], told["representative-claim"]) == (
        429,
        "rejected",
        "seven_day_opus",
    )
    assert (told["7d_opus-utilization"], told["7d_opus-status"]) == ("1.02", "rejected")
    assert (told["7d-status"], told["5h-status"]) == ("allowed", "allowed")
    assert told["reset"] == told["7d-reset"]
    status, told = await ask(sim, http, "claude-sonnet-4-5")
    assert (status, told["status"], told["7d_opus-status"]) == (200, "allowed", "rejected")


async def test_family_may_be_told_of_by_its_claim_alone(sim, http) -> None:
    sim.anthropic_quota.families = {"seven_day_opus": 1.0}
    sim.anthropic_quota.tells_families = False
    _, told = await ask(sim, http)
    assert (told["status"], told["representative-claim"]) == ("rejected", "seven_day_opus")
    assert not any(name.startswith("7d_opus") for name in told)


async def test_resets_can_be_given(sim, http) -> None:
    sim.anthropic_quota.resets = {"five_hour": 1789728421}
    _, told = await ask(sim, http)
    assert (told["5h-reset"], told["reset"]) == ("1789728421", "1789728421")
    assert int(told["7d-reset"]) % (7 * 86_400) == 0


async def test_headers_can_be_anything_and_missing(sim, http) -> None:
    _, told = await ask(
        sim,
        http,
        "claude-opus-4-6",
        "unified=5h-utilization:-0.0",
        "unified=7d_oi-utilization:0.25",
        "unified=7d-reset:",
        "unified=7d-status:a:b",
    )
    assert (told["5h-utilization"], told["7d_oi-utilization"]) == ("-0.0", "0.25")
    assert "7d-reset" not in told
    assert told["7d-status"] == "a:b"


async def page(sim: Simulator, http: aiohttp.ClientSession, *faults: str) -> bytes:
    sim.script("zai", [faults], path=QUOTA_PATH)
    async with http.get(sim.zai_quota_url, headers={"authorization": "key"}) as answer:
        assert answer.status == 200
        return await answer.read()


@pytest.mark.parametrize("shape", [shape for shape, text in PAGES.items() if text])
async def test_quota_page_has_the_shape_that_was_asked_for(sim, http, shape) -> None:
    assert await page(sim, http, f"quota-page={shape}") == PAGES[shape]


async def test_quota_page_can_tell_less_more_and_otherwise(sim, http) -> None:
    def limits(body: bytes) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(body)["data"]["limits"]
        return found

    less = limits(await page(sim, http, "quota-page=no-percentage"))
    assert [("percentage" in each, "currentValue" in each) for each in less] == [(False, True)] * 2
    assert [each["unit"] for each in limits(await page(sim, http, "quota-page=odd"))] == [9, 9]
    assert len(await page(sim, http, "quota-page=huge")) > 1024 * 1024
    assert len(limits(await page(sim, http))) == 2


async def test_resets_of_the_coding_plan_can_be_given(sim, http) -> None:
    sim.zai_quota.five_hour_resets_ms, sim.zai_quota.week_resets_ms = 1789728421115, 1789900000000
    five_hours, week = json.loads(await page(sim, http))["data"]["limits"]
    assert (five_hours["nextResetTime"], week["nextResetTime"]) == (1789728421115, 1789900000000)


async def test_shape_that_does_not_exist_says_so(sim, http) -> None:
    sim.script("zai", ["quota-page=round"], path=QUOTA_PATH)
    async with http.get(sim.zai_quota_url, headers={"authorization": "key"}) as answer:
        text = await answer.text()
    assert answer.status == 400
    assert "no shape 'round'" in text
