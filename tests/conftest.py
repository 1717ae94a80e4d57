"""What the tests share: a proxy on a free port, the simulator behind it, a client."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import hypothesis
import pytest
import qt_presence
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY, RunningProxy, running_proxy, settings_for

from offramp_simulator import Simulator
from offramp_simulator.refusals import EVERY, Refusals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager


pytest_plugins = ["machine_guard", *(["selection"] if "on_darwin" in sys.modules else [])]

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Do without pytest-qt where Qt can't be loaded: it would end the run before the first test."""
    if qt_presence.PROBLEM is not None:
        pluginmanager.unregister(name="pytest-qt")
        qt_presence.skip_what_imports_it()


def pytest_report_header() -> list[str]:
    """Say at the top what will not be tested."""
    return [] if qt_presence.PROBLEM is None else [qt_presence.PROBLEM]


@pytest.fixture
async def sim(request: pytest.FixtureRequest) -> AsyncIterator[Simulator]:
    """Both services, which refuse all that they may unless the test is parametrized otherwise."""
    refusals: Refusals = getattr(request, "param", EVERY)
    async with Simulator.start(
        zai_key=ZAI_KEY, anthropic_refuses=refusals.anthropic, zai_refuses=refusals.zai
    ) as simulator:
        yield simulator
        assert not simulator.leaks


@pytest.fixture
async def proxy(sim: Simulator) -> AsyncIterator[RunningProxy]:
    async with running_proxy(settings_for(sim.anthropic_url, sim.zai_url)) as running:
        yield running


@pytest.fixture
def start_proxy() -> Callable[..., AbstractAsyncContextManager[RunningProxy]]:
    """Start a proxy in front of any two addresses: `start_proxy(anthropic_url, zai_url)`."""

    def start(
        anthropic_url: str, zai_url: str, *, is_private: bool = True, **fields: Any
    ) -> AbstractAsyncContextManager[RunningProxy]:
        settings = settings_for(anthropic_url, zai_url, **fields)
        return running_proxy(settings, is_private=is_private)

    return start


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client with a subscription's login."""
    async with aiohttp.ClientSession(
        headers={
            "Authorization": f"Bearer {CLAUDE_TOKEN}",
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "oauth-2025-04-20,interleaved-thinking-2025-05-14",
        },
        auto_decompress=False,
    ) as session:
        yield session
