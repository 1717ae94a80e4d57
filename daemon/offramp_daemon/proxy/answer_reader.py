"""Reads an answer's body piece by piece, and notices when the upstream is silent for too long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_daemon.upstream.answer import Answer


class CutStreamError(Exception):
    """The upstream's answer ended before it was whole; says how."""


async def read_start(
    answer: Answer,
    limit_bytes: int,
    *,
    silence_timeout_s: float,
    is_enough: Callable[[bytes], bool] | None = None,
    hold_s: float | None = None,
    has_begun: Callable[[], bool] = lambda: False,
) -> bytes:
    """The body of `answer`, for a look at it before its head goes to the client.

    It goes up to its end or to just over `limit_bytes`, whichever comes first. `is_enough` is given
    each chunk, and may end it sooner; so does `hold_s` after the first of them. The answer is
    closed unless all is well.

    Raises:
        RequestFailedError: the upstream broke off, or was silent too long; save where `has_begun`,
            since it breaks off in the client's hands then.
    """
    chunks: list[bytes] = []
    length = 0
    try:
        with AnswerReader(answer, silence_timeout_s) as source:
            async with asyncio.timeout(None) as hold:
                while length <= limit_bytes and (chunk := await source.read()):
                    chunks.append(chunk)
                    length += len(chunk)
                    if is_enough is not None and is_enough(chunk):
                        break
                    if hold_s is not None and hold.when() is None:
                        hold.reschedule(asyncio.get_running_loop().time() + hold_s)
    except TimeoutError:
        pass  # it was held for long enough
    except CutStreamError as error:
        if has_begun():
            return b"".join(chunks)
        answer.close()
        failure = Failure(
            status=502,
            message="Offramp: the backend broke off its answer.",
            trouble=api.FAILING,
        )
        raise RequestFailedError(failure) from error
    except BaseException:
        answer.close()
        raise
    return b"".join(chunks)


class AnswerReader:
    """Reads an answer's body, and notices when the upstream says nothing for too long.

    One timer serves the whole answer. How long the first bytes take has no limit; `has_begun` says
    that they came already.
    """

    def __init__(self, answer: Answer, silence_limit_s: float, *, has_begun: bool = False) -> None:
        """Read `answer`, which may be silent for that long between two pieces."""
        self._answer = answer
        self._limit_s = silence_limit_s
        self._loop = asyncio.get_running_loop()
        self._has_begun = has_begun
        self._is_awaited = False
        """False while it is the client that is waited for."""
        self._is_silent = False
        self._heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> AnswerReader:
        """Watch."""
        if self._has_begun and not self._answer.has_ended:
            self._heard_s = self._loop.time()
            self._begin_to_watch()
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    async def read(self) -> bytes:
        """The next bytes, as soon as there are any; none at the end.

        Raises:
            CutStreamError: the upstream broke off, or was silent too long.
        """
        self._is_awaited = True
        try:
            chunk = await self._answer.read()
        except UpstreamError as error:
            said = f"silent for {self._limit_s:g} s" if self._is_silent else "connection lost"
            raise CutStreamError(said) from error
        self._is_awaited = False
        self._heard_s = self._loop.time()
        if self._timer is None and not self._answer.has_ended:
            self._begin_to_watch()
        return chunk

    def _begin_to_watch(self) -> None:
        self._timer = self._loop.call_at(self._heard_s + self._limit_s, self._check)

    def _check(self) -> None:
        now_s = self._loop.time()
        if not self._is_awaited:
            self._heard_s = now_s
        due_s = self._heard_s + self._limit_s
        if now_s < due_s:
            self._timer = self._loop.call_at(due_s, self._check)
            return
        self._is_silent = True
        self._answer.close()
