"""What both stand-ins share: receive a request, keep it, find its faults, answer, note the end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_simulator.service import faults as fault_names
from offramp_simulator.service.delivery import Delivery
from offramp_simulator.service.faults import Faults, UnknownFaultError
from offramp_simulator.service.received import Journal, ReceivedRequest
from offramp_simulator.service.request_view import RequestView

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_ANY_ZLIB_HEADER = 47


class FakeService(ABC):
    """One stand-in; `prefix` stands before its `/v1/…` paths."""

    name: str
    prefix: str = ""
    max_body_bytes: int

    def __init__(self, journal: Journal) -> None:
        """Keep what arrives in `journal`."""
        self._journal = journal
        self._scripts: dict[str, deque[tuple[str, ...]]] = defaultdict(deque)
        self._met_once: set[tuple[str, str]] = set()
        self._number = 0
        self._is_closing = False

    def application(self) -> web.Application:
        """The service as an application that takes every method and path."""
        application = web.Application(client_max_size=self.max_body_bytes)
        application.router.add_route("*", "/{rest:.*}", self._receive)
        application.on_shutdown.append(self._begin_to_close)
        return application

    def script(self, path: str, entries: Iterable[str | Iterable[str]]) -> None:
        """Queue faults for the next requests to `path`, one entry a request.

        Raises:
            UnknownFaultError: an entry names no fault; nothing is queued then.
        """
        read = [(entry,) if isinstance(entry, str) else tuple(entry) for entry in entries]
        for entry in read:
            Faults.gather("", entry, ())
        self._scripts[path].extend(read)

    @abstractmethod
    async def _answer(self, request: web.Request, entry: ReceivedRequest) -> web.StreamResponse:
        """Answer a request whose body was read."""

    @abstractmethod
    async def _refuse(self, delivery: Delivery, status: int, message: str) -> web.StreamResponse:
        """Answer with an error in the service's own shape."""

    async def _begin_to_close(self, application: web.Application) -> None:
        del application
        self._is_closing = True

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        entry = ReceivedRequest(
            service=self.name,
            method=request.method,
            path=request.raw_path,
            headers=tuple(
                (key.decode("latin-1"), value.decode("latin-1"))
                for key, value in request.raw_headers
            ),
        )
        self._journal.add(entry)
        try:
            response = await self._read_and_answer(request, entry)
        except asyncio.CancelledError:
            entry.end("cut" if self._is_closing else "client-gone")
            raise
        except (ConnectionError, web.RequestPayloadError):
            entry.end("client-gone")
            return web.Response()
        entry.end("answered")
        return response

    async def _read_and_answer(
        self, request: web.Request, entry: ReceivedRequest
    ) -> web.StreamResponse:
        delivery = Delivery(request=request, entry=entry, faults=Faults())
        try:
            entry.body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return await self._refuse(delivery, 413, "Request exceeds the maximum size")
        entry.body_read.set()
        try:
            return await self._answer(request, entry)
        except UnknownFaultError as error:
            return await self._refuse(delivery, 400, str(error))

    def _conversation(self, entry: ReceivedRequest) -> RequestView | None:
        """The request's body; None where it is not a JSON object."""
        try:
            raw = _decoded(entry)
            body = json.loads(raw)
        except (ValueError, RecursionError, zlib.error):
            return None
        return RequestView(body, raw) if isinstance(body, dict) else None

    def _faults_apart_from_text(self, entry: ReceivedRequest) -> Faults:
        """The faults that a request's headers and the script ask for."""
        path = entry.path_only.removeprefix(self.prefix)
        queue = self._scripts[path]
        scripted = queue.popleft() if queue else ()
        return Faults.gather("", entry.header_values(fault_names.HEADER), scripted)

    def _is_met(self, name: str, faults: Faults, text: str) -> bool:
        """Whether a once-per-text fault is due: in the text it holds once, elsewhere always."""
        if name not in faults:
            return False
        if f"[[sim:{name}" not in text:
            return True
        is_first = (name, text) not in self._met_once
        self._met_once.add((name, text))
        return is_first

    def _next_id(self, lead: str, length: int = 24) -> str:
        """An id that no other answer has: `lead` and `length` hex characters."""
        self._number += 1
        digest = hashlib.sha256(f"{self.name} {self._number}".encode()).hexdigest()
        return lead + digest[:length]


def _decoded(entry: ReceivedRequest) -> bytes:
    if (entry.header("content-encoding") or "").lower() in ("gzip", "deflate"):
        return zlib.decompress(entry.body, _ANY_ZLIB_HEADER)
    return entry.body
