"""Running both stand-ins on ports of their own, in the process that asks for it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from offramp_simulator.anthropic import rules as anthropic_rules
from offramp_simulator.anthropic.service import AnthropicService
from offramp_simulator.service.fake_service import MESSAGES
from offramp_simulator.service.received import Journal, ReceivedRequest
from offramp_simulator.zai import strictness as zai_strictness
from offramp_simulator.zai.limits import QUOTA_PATH
from offramp_simulator.zai.service import PREFIX, ZaiService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from offramp_simulator.anthropic.limits import UnifiedQuota
    from offramp_simulator.service.fake_service import FakeService
    from offramp_simulator.zai.limits import ZaiQuota

_SHUTDOWN_S = 0.2


class Simulator:
    """Anthropic and Z.ai on two free ports; use `start`, or `open` and `close` as a pair."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        zai_key: str | None = None,
        keep_requests: int = 10_000,
        max_body_bytes: int | None = None,
        anthropic_refuses: frozenset[str] = anthropic_rules.ALL,
        zai_refuses: frozenset[str] = zai_strictness.ALL,
    ) -> None:
        """Listen nowhere yet.

        With `zai_key` Z.ai takes only that key, and Anthropic calls it a leak. `max_body_bytes`
        replaces both services' own limits. `anthropic_refuses` and `zai_refuses` are the refusals
        that are on, of `anthropic.rules` and `zai.strictness`.
        """
        sizes: dict[str, Any] = {} if max_body_bytes is None else {"max_body_bytes": max_body_bytes}
        self.journal = Journal(limit=keep_requests)
        self.anthropic = AnthropicService(
            self.journal, zai_key=zai_key, refuses=anthropic_refuses, **sizes
        )
        self.zai = ZaiService(self.journal, zai_key=zai_key, refuses=zai_refuses, **sizes)
        self._host = host
        self._runners: list[web.AppRunner] = []
        self._origins: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def start(cls, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[Simulator]:
        """Run a simulator for the length of a `with`; `options` are the constructor's."""
        simulator = cls(host=host, **options)
        await simulator.open()
        try:
            yield simulator
        finally:
            await simulator.close()

    async def open(self) -> None:
        """Listen, on a free port each; on return both answer."""
        try:
            for service in (self.anthropic, self.zai):
                self._origins[service.name] = await self._listen(service)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening and cut what is still running."""
        while self._runners:
            await self._runners.pop().cleanup()

    @property
    def anthropic_url(self) -> str:
        """Anthropic's base URL."""
        return self._origins["anthropic"]

    @property
    def zai_url(self) -> str:
        """Z.ai's base URL, `/api/anthropic` included."""
        return self._origins["zai"] + PREFIX

    @property
    def zai_quota_url(self) -> str:
        """Where Z.ai tells how much of the plan is used."""
        return self._origins["zai"] + QUOTA_PATH

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Everything received by both services, oldest first."""
        return self.journal.requests

    @property
    def leaks(self) -> list[str]:
        """Credentials that reached a service which must never see them."""
        return self.journal.leaks

    @property
    def refusals(self) -> list[str]:
        """What each request that broke a rule was refused for: `zai: fields`, say."""
        return [
            f"{received.service}: {received.refused_for}"
            for received in self.requests
            if received.refused_for is not None
        ]

    @property
    def anthropic_quota(self) -> UnifiedQuota:
        """The subscription's windows; change them in place."""
        return self.anthropic.quota

    @property
    def zai_quota(self) -> ZaiQuota:
        """The coding plan's windows; change them in place."""
        return self.zai.quota

    def script(
        self,
        service: Literal["anthropic", "zai"],
        faults: Iterable[str | Iterable[str]],
        *,
        path: str = MESSAGES,
    ) -> None:
        """Queue faults for the next requests to `path` (without Z.ai's prefix).

        One entry a request: a fault, several, or an empty tuple for an ordinary answer.
        """
        {"anthropic": self.anthropic, "zai": self.zai}[service].script(path, faults)

    async def wait_for(
        self, accept: Callable[[ReceivedRequest], bool], *, timeout_s: float = 60.0
    ) -> ReceivedRequest:
        """The first request received that `accept` takes, waited for if need be.

        Raises:
            TimeoutError: none came within `timeout_s` seconds.
        """
        return await self.journal.wait_for(accept, timeout_s=timeout_s)

    async def _listen(self, service: FakeService) -> str:
        runner = web.AppRunner(
            service.application(),
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_S,
        )
        self._runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, self._host, 0)
        await site.start()
        port = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"
