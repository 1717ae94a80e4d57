"""A proxy on a free port, in this process, in front of any two addresses."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from patience import PATIENCE_S

from offramp_core.settings import ANTHROPIC, Secret, Settings, default_backends, default_routes
from offramp_daemon.proxy.failover import SharedState
from offramp_daemon.proxy.forwarder import Forwarder
from offramp_daemon.proxy.handler import ProxyHandler
from offramp_daemon.recording.console_line import console_line
from offramp_daemon.resilience.circuit_breaker import CircuitBreaker, nothing_known
from offramp_daemon.resilience.request_queue import RequestQueue
from offramp_daemon.routing.affinity import ConversationAffinity
from offramp_daemon.routing.pause import Delegation
from offramp_daemon.server import http_server
from offramp_daemon.server.lifecycle import InFlight
from offramp_daemon.trouble.request_notes import RequestNotes
from offramp_daemon.upstream.client import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from offramp_core.control.api import Pause
    from offramp_core.usage.records import RequestRecord
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome
    from offramp_daemon.recording.console import RequestLine
    from offramp_daemon.resilience.circuit_breaker import SpentUntil
    from offramp_daemon.routing.router import Chooser
    from offramp_daemon.trouble.watch import DelegationWatch

ZAI_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"
CLAUDE_TOKEN = "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee6TiOyWpBq1VhCxMzKlDgSaFjUrwigAA"


@dataclass
class RunningProxy:
    """What a test holds: where the proxy listens, its settings, and what it recorded."""

    url: str
    settings: Settings
    proxy: ProxyHandler
    in_flight: InFlight
    upstream: Upstream
    exchanges: list[Exchange] = field(default_factory=list)
    has_request: asyncio.Event = field(default_factory=asyncio.Event)
    has_exchange: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, exchange: Exchange, _outcome: Outcome) -> None:
        if exchange.outcome is not None:
            self.exchanges.append(exchange)
            self.has_exchange.set()

    @property
    def records(self) -> list[RequestRecord]:
        return [exchange.record() for exchange in self.exchanges if exchange.is_recorded]

    @property
    def console_lines(self) -> list[RequestLine]:
        return [
            console_line(exchange, exchange.outcome)
            for exchange in self.exchanges
            if exchange.outcome is not None
        ]

    async def only_record(self) -> RequestRecord:
        """The one record of this test, waited for."""
        async with asyncio.timeout(PATIENCE_S):
            await self.has_exchange.wait()
        await self.in_flight.drain(PATIENCE_S, asyncio.Event())
        assert len(self.records) == 1
        return self.records[0]

    def change(self, **fields: Any) -> None:
        self.settings = msgspec.structs.replace(self.settings, **fields)

    def change_backend(self, name: str, **fields: Any) -> None:
        self.change(
            backends=tuple(
                msgspec.structs.replace(backend, **fields) if backend.name == name else backend
                for backend in self.settings.backends
            )
        )


def settings_for(anthropic_url: str, zai_url: str, **fields: Any) -> Settings:
    addresses = {ANTHROPIC: anthropic_url, "zai": zai_url}
    backends = tuple(
        msgspec.structs.replace(
            backend,
            base_url=addresses[backend.name],
            key=Secret(ZAI_KEY) if backend.name == "zai" else None,
        )
        for backend in default_backends()
    )
    return Settings(backends=backends, routes=default_routes(), **fields)


def shared_state(
    *,
    breaker: CircuitBreaker | None = None,
    conversations: ConversationAffinity | None = None,
    spent_until: SpentUntil = nothing_known,
    watch: DelegationWatch | None = None,
) -> SharedState:
    """What requests share in a proxy, with some of it given."""
    return SharedState(
        breaker=breaker or CircuitBreaker(spent_until=spent_until),
        queue=RequestQueue(),
        conversations=ConversationAffinity() if conversations is None else conversations,
        spent_until=spent_until,
        notes=RequestNotes(watch),
    )


@contextlib.asynccontextmanager
async def running_proxy(
    settings: Settings,
    *,
    is_private: bool = True,
    shared: SharedState | None = None,
    pause: Pause | None = None,
    choose: Chooser | None = None,
    upstream: Upstream | None = None,
) -> AsyncIterator[RunningProxy]:
    def keep(exchange: Exchange, outcome: Outcome) -> None:
        running.keep(exchange, outcome)

    shared = shared or shared_state()
    delegation = Delegation()
    delegation.set(pause)
    async with upstream or Upstream() as upstream:
        proxy = ProxyHandler(
            settings=lambda: running.settings,
            forwarder=Forwarder(upstream),
            shared=shared,
            listeners=(shared.breaker.note_outcome, shared.notes.note_outcome, keep),
            is_private=is_private,
            delegation=delegation,
            choose=choose,
        )

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            running.has_request.set()
            return await proxy.handle(request)

        in_flight = InFlight(handle)
        runner = web.ServerRunner(http_server.of(in_flight), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        running = RunningProxy(f"http://{host}:{port}", settings, proxy, in_flight, upstream)
        try:
            yield running
        finally:
            await runner.cleanup()
