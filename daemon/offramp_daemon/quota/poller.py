"""Asks services with a quota page how much of the plan is used, at times, while they are used.

The key goes to the host of the backend's own base URL and to no other, and into no text. No request
waits for the answer or fails because of it; a failure is a sentence in the plan's quota.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from offramp_core.redaction import redactor_of
from offramp_core.services import SERVICES
from offramp_daemon.clock import Clock, utc_now
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.quota.poll_schedule import Schedule
from offramp_daemon.services import QUOTA_READERS
from offramp_daemon.services.plan_reading import MOST_BYTES, NoQuotaError
from offramp_daemon.upstream.errors import UpstreamError
from offramp_daemon.wire.content_coding import ContentCodingError, decode_all
from offramp_daemon.wire.headers import HOP_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from offramp_core.services import QuotaPage, Service
    from offramp_core.settings import Backend, Secret, Settings
    from offramp_daemon.quota.tracker import QuotaTracker
    from offramp_daemon.services import QuotaReader
    from offramp_daemon.services.plan_reading import PlanReading
    from offramp_daemon.upstream.client import Upstream

_LIMIT_S = 15.0

_log = logging.getLogger(__name__)


class QuotaPoller:
    """Asks one service for as long as `run` runs. Used only from the event loop."""

    def __init__(
        self,
        service: Service,
        page: QuotaPage,
        read: QuotaReader,
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
        """Ask for `page` as `settings` say at that moment, and `read` its answer.

        `hop` marks requests that came back here.
        """
        self._service = service
        self.service_name = service.name
        self._page = page
        self._read = read
        self._settings = settings
        self._upstream = upstream
        self._keeper = keeper
        self._hop = hop
        self._new_schedule = schedule
        self._schedule = schedule()
        self._asks: Backend | None = None
        self._looked_at: Settings | None = None
        self._is_off = False
        """Whether it may not ask by the settings that it looked at, so that use is not news."""
        self._now_s = now_s
        self._clock = clock
        self._limit_s = limit_s
        self._woken = asyncio.Event()

    def note_use(self) -> None:
        """Take into account that a request to the service has ended, however it did.

        Requests end all the time, so that few should wake it: those that may change when to ask.
        """
        settings = self._settings()
        if self._is_off and settings is self._looked_at:
            return
        is_news = self._schedule.note_use() or settings is not self._looked_at
        if not is_news:
            due_s = self._schedule.due_s()
            is_news = due_s is not None and due_s <= self._now_s()
        if is_news:
            self._woken.set()

    def ask_soon(self) -> None:
        """Ask at once, or nearly so."""
        self._schedule.want_soon()
        self._woken.set()

    async def run(self) -> None:
        """Ask whenever it is due, until cancelled."""
        while True:
            try:
                await self._ask_or_wait()
            except Exception:  # noqa: BLE001 - whatever it is, the daemon goes on without it
                self._schedule.drop()
                _log.exception("%s's quota could not be asked for", self._service.title)

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
        """When it is due by these settings; a backend whose settings changed is asked again."""
        settings = self._looked_at = self._settings()
        self._is_off = False
        due_s = self._schedule.due_s()
        if due_s is None:
            return None
        name = self._service.name
        backend = next((each for each in settings.backends if each.name == name), None)
        if not settings.asks_quota_of(name) or backend is None or backend.key is None:
            self._schedule.drop()
            self._is_off = True
            return None
        if backend != self._asks:
            self._asks = backend
            self._schedule = self._schedule.pass_on(self._new_schedule())
        return self._schedule.due_s()

    def _due_after_others(self) -> float | None:
        """When it is due, now that what other daemons learnt is known."""
        due_s = self._due_s()
        key = self._asks.key if self._asks else None
        last_read_at = self._keeper.last_read_at(self._service.name, key.reveal()) if key else None
        if due_s is None or last_read_at is None:
            return due_s
        age_s = max(0.0, (self._clock() - last_read_at).total_seconds())
        self._schedule.hear(self._now_s() - age_s)
        return self._schedule.due_s()

    async def _ask(self) -> None:
        backend = self._asks
        if backend is None or backend.key is None:
            return
        self._schedule.begin(self._now_s())
        key = backend.key.reveal()
        try:
            reading = await self._reading(backend, backend.key)
        except NoQuotaError as error:
            self._schedule.end(is_told=False, is_refused=error.refuses_key)
            self._keeper.note_problem(backend.name, key, error.why)
            _log.info("%s's quota is not known", self._service.title, extra={"why": error.why})
        except Exception:
            self._schedule.end(is_told=False)
            raise
        else:
            self._schedule.end(is_told=True)
            level = reading.level
            if level is not None and redactor_of(key).redact(level) != level:
                level = None
            self._keeper.take(backend.name, key, reading.windows, level=level)
            await self._keeper.save_now()

    async def _reading(self, backend: Backend, key: Secret) -> PlanReading:
        """Ask the page and read its answer.

        Raises:
            NoQuotaError: it holds no quota, or the service can't be asked.
        """
        origin = self._page.origin_of(backend.base_url)
        if origin is None:
            end = self._page.beside
            raise NoQuotaError(
                f"Offramp does not ask it, because its base_url does not end in {end}."
            )
        page = f"{self._service.title}'s quota page"
        try:
            async with asyncio.timeout(self._limit_s):
                status, body = await self._fetch(backend, origin, key)
        except TimeoutError as error:
            why = f"{page} did not answer within {self._limit_s:g} s."
            raise NoQuotaError(why) from error
        except RequestFailedError as error:
            raise NoQuotaError(error.failure.message.removeprefix("Offramp: ")) from error
        except ContentCodingError as error:
            raise NoQuotaError(f"{page} did not return a quota.") from error
        except UpstreamError as error:
            why = f"The answer of {page} broke off: {error}."
            raise NoQuotaError(why) from error
        return self._read(status, body, self._clock())

    async def _fetch(self, backend: Backend, origin: str, key: Secret) -> tuple[int, bytes]:
        """Status and body; of the body one byte more than may be, at most."""
        sent = {
            "Authorization": key.reveal(),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **self._page.headers,
            "User-Agent": "offramp",
        }
        if backend.base_url != self._service.backend.base_url:
            sent[HOP_HEADER] = self._hop
        answer = await self._upstream.send(
            "GET",
            origin,
            self._page.path,
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            body=b"",
            connect_timeout_s=min(self._settings().connect_timeout_s, self._limit_s),
        )
        came = b""
        try:
            while len(came) <= MOST_BYTES and (part := await answer.read()):
                came += part
        finally:
            answer.close()
        coding = answer.headers.get("Content-Encoding", "")
        plain = decode_all(came, coding, limit_bytes=MOST_BYTES) if coding else came
        return answer.status, plain


async def run_all(pollers: Iterable[QuotaPoller]) -> None:
    """Have each of `pollers` ask whenever it is due, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for poller in pollers:
            tasks.create_task(poller.run(), name=f"quota of {poller.service_name}")


def pollers_for(
    settings: Callable[[], Settings], upstream: Upstream, keeper: QuotaTracker, *, hop: str
) -> dict[str, QuotaPoller]:
    """A poller for each known service that has a quota page, by the service's name."""
    return {
        service.name: QuotaPoller(
            service,
            service.quota_page,
            QUOTA_READERS[service.name],
            settings,
            upstream,
            keeper,
            hop=hop,
        )
        for service in SERVICES
        if service.quota_page is not None
    }
