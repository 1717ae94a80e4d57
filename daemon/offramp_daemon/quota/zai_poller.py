"""Asks Z.ai how much of the plan is used, now and then, while it is used.

The key goes to the host of the backend's own base URL and to no other, and into no text. Whatever
comes of it, no request waits for it or fails by it; a failure is a sentence in the plan's quota.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

import aiohttp
from multidict import CIMultiDict

from offramp_core.settings import ZAI, ZAI_BASE_URL
from offramp_daemon.clock import Clock, utc_now
from offramp_daemon.messages.errors import RequestFailedError
from offramp_daemon.quota import zai_response
from offramp_daemon.quota.poll_schedule import Schedule
from offramp_daemon.quota.zai_response import NoQuotaError, Told
from offramp_daemon.wire.content_coding import ContentCodingError, decode_all
from offramp_daemon.wire.headers import HOP_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_core.settings import Backend, Secret, Settings
    from offramp_daemon.quota.tracker import QuotaTracker
    from offramp_daemon.upstream.client import Upstream

PAGE: Final = "/api/monitor/usage/quota/limit"

_API: Final = "/api/anthropic"
_LIMIT_S: Final = 15.0
_NO_PAGE = "It is not asked: its base_url does not end in /api/anthropic."

_log = logging.getLogger(__name__)


class ZaiPoller:
    """Asks for as long as `run` runs. Used from the event loop alone."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        upstream: Upstream,
        keeper: QuotaTracker,
        *,
        hop: str,
        schedule: Callable[[], Schedule] = Schedule,
        now_s: Callable[[], float] = time.monotonic,
        clock: Clock = utc_now,
        limit_s: float = _LIMIT_S,
    ) -> None:
        """Ask as `settings` say at that moment; `hop` marks requests that came back here."""
        self._settings = settings
        self._upstream = upstream
        self._keeper = keeper
        self._hop = hop
        self._new_schedule = schedule
        self._schedule = schedule()
        self._asks: Backend | None = None
        self._looked_at: Settings | None = None
        self._now_s = now_s
        self._clock = clock
        self._limit_s = limit_s
        self._woken = asyncio.Event()

    def note_use(self, backend: str) -> None:
        """A request to `backend` has ended, however it did."""
        if backend == ZAI and self._is_news_of_use():
            self._woken.set()

    def ask_soon(self, backend: str) -> None:
        """Ask at once, or nearly so."""
        if backend == ZAI:
            self._schedule.want_soon()
            self._woken.set()

    def _is_news_of_use(self) -> bool:
        """Whether a request's end may change when to ask; they end all the time, so few should."""
        is_news = self._schedule.note_use()
        if is_news or self._settings() is not self._looked_at:
            return True
        due_s = self._schedule.due_s()
        return due_s is not None and due_s <= self._now_s()

    async def run(self) -> None:
        """Ask whenever it is due, until cancelled."""
        while True:
            try:
                await self._ask_or_wait()
            except Exception:  # noqa: BLE001 - whatever it is, the daemon goes on without it
                self._schedule.drop()
                _log.exception("Z.ai's quota could not be asked for")

    async def _ask_or_wait(self) -> None:
        """Ask if that is due; else wait until it is, or until something calls for it."""
        self._woken.clear()
        due_s = self._due_s()
        left_s = None if due_s is None else due_s - self._now_s()
        if left_s is not None and left_s <= 0:
            await self._keeper.catch_up()
            due_s = self._due_after_others()
            if due_s is not None and due_s <= self._now_s():
                await self._ask()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._woken.wait()

    def _due_s(self) -> float | None:
        """When it is due by these settings; a backend that was set up anew is asked afresh."""
        settings = self._looked_at = self._settings()
        due_s = self._schedule.due_s()
        if due_s is None:
            return None
        backend = next((each for each in settings.backends if each.name == ZAI), None)
        if not settings.zai_quota or backend is None or backend.key is None:
            self._schedule.drop()
            return None
        if backend != self._asks:
            self._asks = backend
            self._schedule = self._schedule.pass_on(self._new_schedule())
        return self._schedule.due_s()

    def _due_after_others(self) -> float | None:
        """When it is due, now that what other daemons were told is known."""
        due_s = self._due_s()
        key = self._asks.key if self._asks else None
        told_at = self._keeper.told_at(ZAI, key.reveal()) if key else None
        if due_s is None or told_at is None:
            return due_s
        age_s = max(0.0, (self._clock() - told_at).total_seconds())
        self._schedule.hear(self._now_s() - age_s)
        return self._schedule.due_s()

    async def _ask(self) -> None:
        backend = self._asks
        if backend is None or backend.key is None:
            return
        self._schedule.begin(self._now_s())
        key = backend.key.reveal()
        try:
            told = await self._told(backend, backend.key)
        except NoQuotaError as error:
            self._schedule.end(is_told=False, is_refused=error.refuses_key)
            self._keeper.note_problem(ZAI, key, error.why)
            _log.info("Z.ai's quota is not known", extra={"why": error.why})
        except Exception:
            self._schedule.end(is_told=False)
            raise
        else:
            self._schedule.end(is_told=True)
            self._keeper.take(ZAI, key, told.windows, level=told.level)
            await self._keeper.save_now()

    async def _told(self, backend: Backend, key: Secret) -> Told:
        """What Z.ai tells.

        Raises:
            NoQuotaError: it tells nothing, or can't be asked.
        """
        origin = origin_of(backend.base_url)
        if origin is None:
            raise NoQuotaError(_NO_PAGE)
        try:
            async with asyncio.timeout(self._limit_s):
                status, body = await self._fetch(backend, origin, key)
        except TimeoutError as error:
            why = f"Z.ai's quota page did not answer within {self._limit_s:g} s."
            raise NoQuotaError(why) from error
        except RequestFailedError as error:
            raise NoQuotaError(error.failure.message.removeprefix("Offramp: ")) from error
        except ContentCodingError as error:
            raise NoQuotaError("Z.ai's quota page gave something that is no quota.") from error
        except (aiohttp.ClientError, OSError) as error:
            why = f"The answer of Z.ai's quota page broke off ({type(error).__name__})."
            raise NoQuotaError(why) from error
        return zai_response.read(status, body, self._clock())

    async def _fetch(self, backend: Backend, origin: str, key: Secret) -> tuple[int, bytes]:
        """Status and body; of the body one byte more than may be, at most."""
        sent = CIMultiDict(
            {
                "Authorization": key.reveal(),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Accept-Language": "en-US,en",
                "User-Agent": "offramp",
            }
        )
        if backend.base_url != ZAI_BASE_URL:
            sent[HOP_HEADER] = self._hop
        answer = await self._upstream.send(
            "GET",
            origin,
            PAGE,
            headers=sent,
            body=b"",
            connect_timeout_s=min(self._settings().connect_timeout_s, self._limit_s),
        )
        most = zai_response.MOST_BYTES
        came = b""
        try:
            while len(came) <= most and (part := await answer.content.readany()):
                came += part
        finally:
            answer.close()
        coding = answer.headers.get("Content-Encoding", "")
        plain = decode_all(came, coding, limit_bytes=most) if coding else came
        return answer.status, plain


def origin_of(base_url: str) -> str | None:
    """What stands before the quota page's path: the same scheme and host as `base_url`.

    The page is known to stand beside `/api/anthropic`, behind a gateway's prefix too. Behind any
    other path a service of another make may answer, which must not be taken at its word.
    """
    origin = base_url.removesuffix(_API)
    return origin if origin != base_url and "?" not in origin and "#" not in origin else None
