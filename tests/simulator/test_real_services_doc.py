"""The requests in docs/real-services.md run in a shell, and meet what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY
from strictness import NOTHING

from offramp_simulator import Simulator
from offramp_simulator.refusals import EVERY, Refusals

PAGE = (Path(__file__).parents[2] / "docs/real-services.md").read_text(encoding="utf-8")
SETUP, *REQUESTS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
REFUSED = {
    2: ("HTTP 400", '"1210"'),
    3: ("HTTP 422", "Extra inputs are not permitted"),
    4: ("HTTP 422", "Extra inputs are not permitted"),
    5: ("HTTP 422", "Input should be 'user' or 'assistant'"),
    6: ("HTTP 422", "does not match any of the expected"),
    7: ("HTTP 400", '"1210"'),
    8: ("HTTP 400", '"1210"'),
    9: ("HTTP 500", '"500"'),
}
ANSWERED = {1: ("HTTP 200", '"model":"glm-4.7"'), 10: ("HTTP 200", '"success":true')}

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


async def run(request: str, refusals: Refusals) -> str:
    async with Simulator.start(
        zai_key=ZAI_KEY, anthropic_refuses=refusals.anthropic, zai_refuses=refusals.zai
    ) as sim:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            f"{SETUP}\n{request}",
            env={"PATH": os.environ["PATH"], "BASE": sim.zai_url, "KEY": ZAI_KEY, "NO_PROXY": "*"},
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate()
        assert process.returncode == 0
        assert len(sim.requests) == 1
    return out.decode()


def test_page_has_ten_requests() -> None:
    assert len(REQUESTS) == 10
    assert REFUSED.keys() | ANSWERED.keys() == set(range(1, 11))


@pytest.mark.parametrize("number", range(1, 11))
async def test_request_meets_what_the_page_says(number: int) -> None:
    answer = await run(REQUESTS[number - 1], EVERY)
    assert all(words in answer for words in (REFUSED | ANSWERED)[number])


@pytest.mark.parametrize("number", range(1, 11))
async def test_lenient_service_answers_every_request(number: int) -> None:
    assert "HTTP 200" in await run(REQUESTS[number - 1], NOTHING)


async def test_claudes_names_are_refused_if_that_is_switched_on() -> None:
    refusals = Refusals(zai=EVERY.zai | {"claude-names"})
    assert '"1211"' in await run(REQUESTS[0], refusals)
