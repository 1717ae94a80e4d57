"""Load for a proxy whose daemon is replaced meanwhile: so many slow streams at every moment.

Each lane asks for one stream after the other, over kept connections as real clients do, and one
long stream may run beside them. What a client would notice is kept: each failure, and how long the
first byte took. The simulator, or what speaks like it, has to be behind the proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from proxy_harness import CLAUDE_TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MODELS = ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")
_IDLE_KEEP_S = 4.0
"""How long undici, Claude Code's client, keeps an idle connection."""


@dataclass(frozen=True)
class Outcome:
    """One stream as its client saw it; `problem` is None if it came whole."""

    name: str
    first_byte_s: float
    whole_s: float
    problem: str | None


@dataclass
class StreamLoad:
    """`lanes` streams at every moment, each of about `stream_s`, through the proxy at `url`."""

    url: str
    lanes: int = 8
    stream_s: float = 1.0
    outcomes: list[Outcome] = field(default_factory=list)
    _has_news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.problem is not None]

    @property
    def latest_first_byte_s(self) -> float:
        return max(outcome.first_byte_s for outcome in self.outcomes)

    @contextlib.asynccontextmanager
    async def running(self, *, long_stream_s: float | None = None) -> AsyncIterator[None]:
        """Load meanwhile; on leaving, every stream has ended by itself."""
        is_over = asyncio.Event()
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_KEEP_S)
        async with self._session(connector) as session, asyncio.TaskGroup() as group:
            for lane in range(self.lanes):
                group.create_task(self._run_lane(session, lane, is_over))
            if long_stream_s is not None:
                group.create_task(self._note(session, "long", _MODELS[0], long_stream_s))
            try:
                yield
            finally:
                is_over.set()

    async def until_streams(self, count: int) -> None:
        """Wait until so many have ended since now."""
        wanted = len(self.outcomes) + count
        while len(self.outcomes) < wanted:
            self._has_news.clear()
            await self._has_news.wait()

    async def _run_lane(
        self, session: aiohttp.ClientSession, lane: int, end: asyncio.Event
    ) -> None:
        # The lanes begin one after the other, so that something is always under way.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.stream_s * lane / self.lanes):
                await end.wait()
        for number in itertools.count():
            if end.is_set():
                return
            model = _MODELS[(lane + number) % len(_MODELS)]
            await self._note(session, f"{lane}.{number}", model, self.stream_s)

    async def _note(
        self, session: aiohttp.ClientSession, name: str, model: str, stream_s: float
    ) -> None:
        self.outcomes.append(await self._stream(session, name, model, stream_s))
        self._has_news.set()

    async def _stream(
        self, session: aiohttp.ClientSession, name: str, model: str, stream_s: float
    ) -> Outcome:
        began_s = time.monotonic()
        first_byte_s, came, problem = 0.0, b"", None
        try:
            async with session.post(f"{self.url}/v1/messages", data=_body(model, stream_s)) as got:
                async for chunk in got.content.iter_any():
                    first_byte_s = first_byte_s or time.monotonic() - began_s
                    came += chunk
            if got.status != 200:
                problem = f"status {got.status}: {came[:200]!r}"
            elif b"event: message_stop" not in came:
                problem = f"ended early: {came[-200:]!r}"
        except (aiohttp.ClientError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"
        whole_s = time.monotonic() - began_s
        return Outcome(name, first_byte_s or whole_s, whole_s, problem)

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
            headers={
                "Authorization": f"Bearer {CLAUDE_TOKEN}",
                "anthropic-version": "2023-06-01",
                "anthropic-beta": "oauth-2025-04-20",
            },
        )


def _body(model: str, stream_s: float) -> bytes:
    """A request whose answer takes about `stream_s`, an event each tenth of a second or sooner."""
    events = max(int(stream_s * 10), 4)
    text = f"Hello [[sim:events={events}]] [[sim:slow={stream_s / (events + 6):.3f}]]"
    messages = [{"role": "user", "content": text}]
    body = {"model": model, "max_tokens": 4096, "stream": True, "messages": messages}
    return json.dumps(body).encode()
