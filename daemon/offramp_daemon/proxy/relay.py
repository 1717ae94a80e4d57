"""Passes an answer's bytes on to the client in the very call that brings them.

There is no queue and no coroutine for each chunk: a coroutine waits for the end, and wakes before
that only where the client reads more slowly than the upstream sends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from offramp_daemon.proxy.answer_reader import CutStreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from offramp_daemon.proxy.passed_response import PassedResponse
    from offramp_daemon.upstream.answer import Answer
    from offramp_daemon.upstream.errors import UpstreamError


class Relay:
    """Passes on one answer. `feed` reads along, and returns what the client gets of each chunk."""

    __slots__ = (
        "_answer",
        "_feed",
        "_flush",
        "_heard_s",
        "_is_done",
        "_is_paused",
        "_limit_s",
        "_loop",
        "_news",
        "_problem",
        "_protocol",
        "_request",
        "_send",
        "_timer",
    )

    def __init__(
        self,
        request: web.BaseRequest,
        response: PassedResponse,
        answer: Answer,
        *,
        feed: Callable[[bytes], bytes],
        silence_limit_s: float,
    ) -> None:
        """Wait to be run."""
        self._request = request
        self._protocol = request.protocol
        self._flush, self._send = response.flush, response.send
        self._answer = answer
        self._feed = feed
        self._limit_s = silence_limit_s
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_s = 0.0
        self._is_paused = False
        """It is the client that is waited for."""
        self._is_done = False
        self._problem: Exception | None = None

    async def run(self, *, has_begun: bool) -> None:
        """Pass on all of the answer, whose first bytes may be out already.

        How long the first bytes take has no limit.

        Raises:
            CutStreamError: the upstream broke off, or was silent too long.
            ConnectionError: the client is gone.
        """
        if has_begun:
            self._watch()
        try:
            self._answer.pass_to(self._take, self._end)
            self._flush()
            while not self._is_done:
                if self._is_paused:
                    await self._request.writer.drain()
                    self._is_paused, self._heard_s = False, self._loop.time()
                    self._answer.resume()
                else:
                    self._news = self._loop.create_future()
                    await self._news
        finally:
            if self._timer is not None:
                self._timer.cancel()
        problem, self._problem = self._problem, None
        if problem is not None:
            try:
                raise problem
            finally:
                del problem  # it knows this frame, which would hold it so
        if self._is_paused:
            await self._request.writer.drain()

    def _take(self, chunk: bytes) -> None:
        self._heard_s = self._loop.time()
        if self._timer is None and not self._answer.has_ended:
            self._watch()
        try:
            self._send(self._feed(chunk))
        except Exception as error:  # noqa: BLE001 - whatever it is, `run` raises it
            self._stop(error)
            return
        if self._protocol.writing_paused and not self._is_paused:
            self._is_paused = True
            self._answer.pause()
            self._wake()

    def _end(self, error: UpstreamError | None) -> None:
        if error is not None:
            self._problem = CutStreamError("connection lost")
            self._problem.__cause__ = error
        self._is_done = True
        self._wake()

    def _stop(self, problem: Exception) -> None:
        self._problem, self._is_done = problem, True
        self._answer.close()
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _watch(self) -> None:
        """Begin to measure how long the upstream says nothing; one timer serves the answer."""
        self._heard_s = self._loop.time()
        self._timer = self._loop.call_at(self._heard_s + self._limit_s, self._check)

    def _check(self) -> None:
        now_s = self._loop.time()
        if self._is_paused:
            self._heard_s = now_s
        due_s = self._heard_s + self._limit_s
        if now_s < due_s:
            self._timer = self._loop.call_at(due_s, self._check)
        else:
            self._stop(CutStreamError(f"silent for {self._limit_s:g} s"))
