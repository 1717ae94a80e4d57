"""A client that leaves, in each phase of its request: one record, and nothing is held any more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
from messages import OPUS, SONNET, ask, send
from patience import PATIENCE_S
from proxy_harness import RunningProxy, running_proxy, settings_for, shared_state

from offramp_core.control.api import FAILING
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from offramp_core.settings import Backend
    from offramp_daemon.proxy.failover import SharedState
    from offramp_simulator import ReceivedRequest, Simulator

NO_HEAD = "first-byte=30"
NO_BODY = "slow=30"
IN_MID_STREAM = "silence=30"
SPENT = "quota=seven_day"


@dataclass
class Time:
    """A clock that a test moves."""

    now_s: float = 1000.0

    def read(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class Phase:
    """Where a request stands when its client leaves: held at a service by its last fault."""

    at: str
    zai: tuple[str, ...] = ()
    anthropic: tuple[str, ...] = ()
    model: str = SONNET

    @property
    def fault(self) -> str:
        return (self.zai if self.at == "zai" else self.anthropic)[-1]


PHASES = {
    "delegate's head": Phase("zai", zai=(NO_HEAD,)),
    "delegate's opening": Phase("zai", zai=(NO_BODY,)),
    "delegate's stream": Phase("zai", zai=(IN_MID_STREAM,)),
    "Claude's head": Phase("anthropic", zai=("status=500",), anthropic=(NO_HEAD,)),
    "Claude's body": Phase("anthropic", zai=("status=500",), anthropic=(NO_BODY,)),
    "Claude's stream": Phase("anthropic", zai=("status=500",), anthropic=(IN_MID_STREAM,)),
    "held refusal's body": Phase("anthropic", anthropic=(SPENT, NO_BODY), model=OPUS),
    "overflow's head": Phase("zai", zai=(NO_HEAD,), anthropic=(SPENT,), model=OPUS),
    "overflow's opening": Phase("zai", zai=(NO_BODY,), anthropic=(SPENT,), model=OPUS),
    "overflow's stream": Phase("zai", zai=(IN_MID_STREAM,), anthropic=(SPENT,), model=OPUS),
}
AT_ZAI = [name for name, phase in PHASES.items() if phase.at == "zai"]


@dataclass
class Asking:
    """A client's request under way."""

    client: aiohttp.ClientSession
    proxy: RunningProxy
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, phase: Phase) -> None:
        url = self.proxy.url + "/v1/messages?beta=true"
        async with self.client.post(url, json=ask(phase.model)) as answered:
            await answered.content.readany()
            self.begun.set()
            await answered.read()

    async def held(self, sim: Simulator, phase: Phase) -> ReceivedRequest:
        """The request at the service, once it is where `phase` holds it."""
        found = await sim.wait_for(lambda each: each.service == phase.at)
        waits_for = {
            NO_HEAD: found.body_read,
            NO_BODY: found.stream_begun,
            IN_MID_STREAM: self.begun,
        }
        async with asyncio.timeout(PATIENCE_S):
            await waits_for[phase.fault].wait()
        return found


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def shared(time: Time) -> SharedState:
    return shared_state(breaker=CircuitBreaker(clock=time.read, chance=lambda: 0.5))


@pytest.fixture
async def proxy(sim: Simulator, shared: SharedState) -> AsyncIterator[RunningProxy]:
    settings = settings_for(
        sim.anthropic_url, sim.zai_url, overflow=True, overflow_model=SONNET, queue_wait_s=5.0
    )
    async with running_proxy(settings, shared=shared) as running:
        yield running


@pytest.fixture
def zai(proxy: RunningProxy) -> Backend:
    return proxy.settings.backend("zai")


async def learn_the_limit(shared: SharedState, zai: Backend) -> None:
    """One at a time is served: from now on a turn that is not given back leaves no room."""
    async with shared.queue.slot(zai, None, 1), shared.queue.slot(zai, None, 1) as second:
        second.note_refused()
    assert shared.queue.at_once("zai") == 1
    assert shared.queue.has_room(zai)


def make_the_next_a_probe(shared: SharedState, time: Time, zai: Backend) -> None:
    for _ in range(3):
        shared.breaker.note_failure(shared.breaker.ask(zai, SONNET), FAILING)
    assert not shared.breaker.ask(zai, SONNET).is_open
    time.now_s += 10


async def left_in(
    phase: Phase, client: aiohttp.ClientSession, proxy: RunningProxy, sim: Simulator
) -> ReceivedRequest:
    """The attempt that was under way when the client left, after its end."""
    sim.script("zai", [phase.zai])
    sim.script("anthropic", [phase.anthropic])
    asking = Asking(client, proxy)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asking.run(phase))
        found = await asking.held(sim, phase)
        task.cancel()
    await proxy.only_record()
    async with asyncio.timeout(PATIENCE_S):
        await found.ended.wait()
    return found


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
async def test_client_that_leaves_is_recorded_once_and_leaves_nothing_behind(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    shared: SharedState,
    zai: Backend,
    phase: Phase,
) -> None:
    await learn_the_limit(shared, zai)
    found = await left_in(phase, client, proxy, sim)
    assert found.client_disconnected  # the service need not go on for nobody
    record = await proxy.only_record()
    assert (record.backend, record.status, record.model) == (phase.at, "cancelled", phase.model)
    assert shared.queue.has_room(zai)
    assert shared.queue.waiting("zai") == 0
    assert shared.breaker.standing(zai) is None
    assert (await send(client, proxy, ask()))[0] == 200
    assert proxy.records[-1].backend == "zai"


@pytest.mark.parametrize("name", AT_ZAI)
async def test_probe_whose_client_leaves_is_followed_by_the_next(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    shared: SharedState,
    time: Time,
    zai: Backend,
    name: str,
) -> None:
    make_the_next_a_probe(shared, time, zai)
    await left_in(PHASES[name], client, proxy, sim)
    following = shared.breaker.ask(zai, SONNET)
    assert following.is_open
    # An answer that had begun has lifted the bar; else the next one tries.
    assert following.is_probe is (PHASES[name].fault != IN_MID_STREAM)


async def test_probe_whose_client_leaves_the_queue_is_followed_by_the_next(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    shared: SharedState,
    time: Time,
    zai: Backend,
) -> None:
    await learn_the_limit(shared, zai)
    make_the_next_a_probe(shared, time, zai)
    async with shared.queue.slot(zai, None, 1), asyncio.TaskGroup() as group:
        task = group.create_task(send(client, proxy, ask()))
        async with asyncio.timeout(PATIENCE_S):
            while not shared.queue.waiting("zai"):  # noqa: ASYNC110 - the queue tells nobody
                await asyncio.sleep(0)
        assert not shared.breaker.ask(zai, SONNET).is_open
        task.cancel()
        record = await proxy.only_record()
        assert shared.queue.waiting("zai") == 0
    assert (record.backend, record.status) == ("zai", "cancelled")
    assert shared.breaker.ask(zai, SONNET).is_probe
    assert shared.queue.has_room(zai)
    assert not sim.requests


async def test_daemon_that_stops_says_so_of_what_waits_in_the_queue(
    client: aiohttp.ClientSession, proxy: RunningProxy, shared: SharedState, zai: Backend
) -> None:
    await learn_the_limit(shared, zai)
    async with shared.queue.slot(zai, None, 1), asyncio.TaskGroup() as group:
        task = group.create_task(send(client, proxy, ask()))
        async with asyncio.timeout(PATIENCE_S):
            while not shared.queue.waiting("zai"):  # noqa: ASYNC110 - the queue tells nobody
                await asyncio.sleep(0)
        proxy.proxy.is_stopping = True
        task.cancel()
        record = await proxy.only_record()
    assert (record.backend, record.status, record.reason) == ("zai", "error", "daemon stopped")
    assert shared.queue.has_room(zai)


@pytest.mark.parametrize("fault", ["cut=1", "reset", "cut-clean", "error-event"])
async def test_turn_is_free_after_an_answer_that_breaks_off(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    sim: Simulator,
    shared: SharedState,
    zai: Backend,
    fault: str,
) -> None:
    await learn_the_limit(shared, zai)
    sim.script("zai", [fault])
    with pytest.raises(aiohttp.ClientError):
        await send(client, proxy, ask())
    assert (await proxy.only_record()).status == "error"
    assert shared.queue.has_room(zai)
