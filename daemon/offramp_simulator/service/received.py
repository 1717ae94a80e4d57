"""What the simulator received, kept as it came on the wire, so that tests can say exactly."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Outcome = Literal["open", "answered", "cut", "client-gone"]


@dataclass(slots=True, kw_only=True, eq=False)
class ReceivedRequest:
    """One request as it arrived.

    `path` is the raw request target, `headers` the pairs in order and in wire case, `body` the
    bytes before any content-decoding. `outcome` leaves `open` exactly once, and `ended` is set
    then: `cut` means that a fault ended it. `refused_for` names the rule that it broke, if any;
    errors that were asked for are none.
    """

    service: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    outcome: Outcome = "open"
    refused_for: str | None = None
    body_read: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    stream_begun: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def path_only(self) -> str:
        """The target without its query."""
        return self.path.partition("?")[0]

    @property
    def client_disconnected(self) -> bool:
        """Whether the client went away before it had its whole answer."""
        return self.outcome == "client-gone"

    def header(self, name: str) -> str | None:
        """The first value of the header `name` (case ignored); None where it was not sent."""
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: str) -> list[str]:
        """Every value of the header `name` (case ignored)."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def end(self, outcome: Outcome) -> None:
        """Note how it ended; only the first call counts."""
        if self.outcome == "open":
            self.outcome = outcome
            self.ended.set()


class Journal:
    """Everything that one simulator received, newest last, at most `limit` requests."""

    def __init__(self, *, limit: int = 10_000) -> None:
        """Start empty; 0 as `limit` keeps nothing (for benchmarks)."""
        self.requests: list[ReceivedRequest] = []
        self.leaks: list[str] = []
        self._limit = limit
        self._changed = asyncio.Event()

    def add(self, request: ReceivedRequest) -> None:
        """Keep `request`; the oldest makes room."""
        self.requests.append(request)
        if len(self.requests) > self._limit:
            del self.requests[: len(self.requests) - self._limit]
        self._changed.set()

    def add_leak(self, text: str) -> None:
        """Note a credential that arrived at the wrong service; `text` holds only its start."""
        self.leaks.append(text)

    async def wait_for(
        self, accept: Callable[[ReceivedRequest], bool], *, timeout_s: float = 60.0
    ) -> ReceivedRequest:
        """The first kept request that `accept` takes, waited for if it is still to come.

        Raises:
            TimeoutError: none came within `timeout_s` seconds.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                self._changed.clear()
                found = next((one for one in self.requests if accept(one)), None)
                if found is not None:
                    return found
                await self._changed.wait()
