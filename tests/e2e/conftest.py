"""The real Claude Code, in each installed version, with failover on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claude_code import ClaudeCode, installed_versions
from journey import Journey
from proxy_harness import ZAI_KEY, RunningProxy, running_proxy, settings_for

from offramp_simulator import Simulator
from offramp_simulator.anthropic import rules as anthropic_rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_SENT_BY_THE_CLIENT_ITSELF = "disabled-thinking-at-haiku"
"""Reported once. 2.1.197 sends this to Claude Haiku 4.5 with every subagent, so that a service that
refused it would never have served that client."""


@pytest.fixture(params=installed_versions() or ["none"])
def version(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    assert version != "none", "make e2e installs Claude Code first; run the test through it"
    return version


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    refuses = anthropic_rules.ALL - {_SENT_BY_THE_CLIENT_ITSELF}
    async with Simulator.start(zai_key=ZAI_KEY, anthropic_refuses=refuses) as simulator:
        yield simulator
        assert not simulator.leaks


@pytest.fixture(params=[True, False], ids=["failover", "no-failover"])
def has_failover(request: pytest.FixtureRequest) -> bool:
    is_on: bool = request.param
    return is_on


@pytest.fixture
async def proxy(sim: Simulator) -> AsyncIterator[RunningProxy]:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_proxy(settings) as running:
        yield running


@pytest.fixture
def claude(version: str, tmp_path: Path, proxy: RunningProxy) -> ClaudeCode:
    return ClaudeCode.at_home(version, tmp_path, proxy.url)


@pytest.fixture
def journey(claude: ClaudeCode, proxy: RunningProxy, sim: Simulator, has_failover: bool) -> Journey:
    proxy.change(failover=has_failover)
    return Journey(claude, proxy, sim)
