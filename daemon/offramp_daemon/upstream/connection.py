"""One connection to a service: requests go out on it one after the other, each has its answer.

It knows no addresses and opens nothing: `dialer` connects it, and `pool` keeps it. Bytes go
from the transport to the answer within one call.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from offramp_daemon.upstream.answer import Answer
from offramp_daemon.upstream.errors import BadAnswerError, BrokenAnswerError, DisconnectedError
from offramp_daemon.upstream.http_parser import AnswerParser

if TYPE_CHECKING:
    from offramp_daemon.upstream.errors import UpstreamError
    from offramp_daemon.upstream.http_parser import Head

OnEarly = Callable[["Head"], None]

_AT_ONCE_BYTES = 128 * 1024
"""A longer body goes out in slices of this length, each when the one before it is on its way."""
_TURN_BYTES = 512 * 1024
"""After so much of a body the streams beside it have a turn."""
_ERROR_STATUS = 400
_HEAR_OUT_S = 1.0
"""So long the rest of a body waits for the end of an error that came meanwhile."""
_STALE_WITHIN_S = 10.0
"""So soon it shows that a kept connection was dead already. The service may work on what it has had
for longer, and would do the work twice if it were sent again."""


def _ignore(_connection: Connection) -> None:
    """Let a connection go its way."""


def unheard(_head: Head) -> None:
    """Take no notice of an informational answer."""


class Connection(asyncio.Protocol):
    """A connection that is used by one request at a time."""

    def __init__(
        self,
        *,
        on_idle: Callable[[Connection], None] = _ignore,
        on_closed: Callable[[Connection], None] = _ignore,
    ) -> None:
        """`on_idle` is called when it may take another request, `on_closed` once it is closed."""
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._parser: AnswerParser | None = None
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._unsent: memoryview | None = None
        self._held_back: memoryview | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._is_writing_paused = False
        self._is_reading_paused = False
        self._on_early: OnEarly = unheard
        self._has_heard = False
        self._has_served = False
        self._asked_s = 0.0
        self._is_ended_by_service = False

    def is_quiet(self) -> bool:
        """Whether it is open, and nothing came on it that nobody has asked for.

        It asks the system: what came in the meantime would pass for the next request's answer.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not self._poll.poll(0)

    async def ask(
        self, method: str, head: bytes, body: bytes = b"", on_early: OnEarly = unheard
    ) -> Answer:
        """Send a request and return the answer once its head is there.

        A large body goes on while the answer comes, unless the answer is an error. `on_early` gets
        the informational answers before it, each as soon as it is there.

        Raises:
            DisconnectedError: the connection ended before that.
            BadAnswerError: what came breaks HTTP's rules.
        """
        if self._parser is not None:
            raise RuntimeError("The connection has a request under way")
        if self._transport is None or self._transport.is_closing():
            raise DisconnectedError(is_stale=self._has_served)
        self._parser = parser = AnswerParser(method)
        self._has_heard, self._on_early = False, on_early
        self._asked_s = self._loop.time()
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        try:
            self._send(self._transport, head, body)
            return await waiter
        except BaseException:
            if self._parser is parser:  # else it is idle by now, or serves somebody else
                self.close()
            raise
        finally:
            if self._waiter is waiter:
                self._waiter = None

    def detach(self) -> asyncio.Transport:
        """Give the transport of an idle connection away, to somebody who reads it another way.

        Raises:
            DisconnectedError: it was closed.
        """
        transport, self._transport = self._transport, None
        if transport is None or transport.is_closing():
            raise DisconnectedError
        return transport

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self._end_with(BrokenAnswerError("the connection was closed"), DisconnectedError())

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport is not None and not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._is_reading_paused:
            self._is_reading_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Use `transport` from now on."""
        self._poll = None
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer, and hand on what came of its body."""
        parser, failure = self._parser, None
        if parser is None:  # nobody has asked for anything
            self.close()
            return
        self._has_heard = True
        try:
            parser.feed(data)
        except BadAnswerError as error:
            failure = error
        answer = self._answer
        if answer is None:
            for early in parser.take_early():
                self._on_early(early)
            answer = self._begin(parser)
        if answer is not None:
            body = parser.take()
            if body:
                answer.receive(body)
                if self._parser is not parser:
                    return  # it was closed meanwhile
        if failure is not None:
            self._end_with(failure, failure)
        elif parser.is_complete:
            self._finish(parser)

    def eof_received(self) -> None:
        """Note whether the service said that no more comes, as it does within TLS.

        A line that was cut looks the same to asyncio: only TLS knows whether it got the farewell.
        """
        self._is_ended_by_service = True
        secured = self._transport and self._transport.get_extra_info("ssl_object")
        if secured:
            try:
                self._is_ended_by_service = secured.read(1) == b""
            except ssl.SSLError:  # it would wait for more
                self._is_ended_by_service = False

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits that the connection has ended.

        A body that its connection ends is whole only if the service has ended that.
        """
        self._transport = self._unsent = None
        parser, answer = self._parser, self._answer
        if parser is not None:
            is_clean = error is None and self._is_ended_by_service
            if is_clean and parser.end() and answer is not None:
                self._answer = None
                self._drop_parser()
                answer.end()
            else:
                is_soon = self._loop.time() - self._asked_s < _STALE_WITHIN_S
                is_stale = self._has_served and not self._has_heard and is_soon
                self._end_with(
                    BrokenAnswerError("the connection was lost"),
                    DisconnectedError(is_stale=is_stale),
                )
        self._on_closed(self)

    def pause_writing(self) -> None:
        """Write no more of a body for now."""
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        """Write on."""
        self._is_writing_paused = False
        self._push()

    def _send(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        if len(body) <= _AT_ONCE_BYTES:
            transport.write(head + body if body else head)
            return
        transport.write(head)
        self._unsent = memoryview(body)
        self._push()

    def _push(self) -> None:
        """Write slices of a large body for as long as they go out."""
        unsent, room = self._unsent, _TURN_BYTES
        while unsent and self._transport is not None and not self._is_writing_paused:
            if room <= 0:
                self._loop.call_soon(self._push)
                return
            self._transport.write(unsent[:_AT_ONCE_BYTES])
            if self._unsent is None:
                return  # the connection broke
            self._unsent = unsent = unsent[_AT_ONCE_BYTES:] or None
            room -= _AT_ONCE_BYTES

    def _begin(self, parser: AnswerParser) -> Answer | None:
        """Give the answer, whose head is there, to the one who asked."""
        if parser.head is None or self._waiter is None or self._waiter.done():
            return None
        answer = Answer(parser.head, self)
        if parser.head.status >= _ERROR_STATUS and self._unsent is not None:
            # The service does not want the rest, and may close the connection over it; or it waits
            # for the rest before it says more.
            self._held_back, self._unsent, parser.is_reusable = self._unsent, None, False
            self._patience = self._loop.call_later(_HEAR_OUT_S, self._send_rest)
        self._answer = answer
        self._waiter.set_result(answer)
        return answer

    def _send_rest(self) -> None:
        """Send on what an error held up, as the error's body has not ended."""
        self._unsent, self._held_back = self._held_back, None
        self._push()

    def _finish(self, parser: AnswerParser) -> None:
        """End the answer; keep the connection if it can be used again."""
        answer, self._answer = self._answer, None
        has_sent = self._unsent is None and not self._is_writing_paused
        is_reusable = parser.is_reusable and not parser.is_overrun and has_sent
        if answer is not None:
            answer.trailers = parser.trailers
        self._drop_parser()
        if is_reusable:
            self._has_served = True
            self.resume()
            self._on_idle(self)
        else:
            self.close()
        if answer is not None:
            answer.end()

    def _end_with(self, of_body: UpstreamError, of_head: UpstreamError) -> None:
        """Close, and say why to whoever waits for more of the answer, or for its head."""
        answer, waiter = self._answer, self._waiter
        self._answer = self._unsent = None
        self._drop_parser()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()
        if answer is not None:
            answer.end(of_body)
        elif waiter is not None and not waiter.done():
            waiter.set_exception(of_head)

    def _drop_parser(self) -> None:
        self._on_early = unheard  # which would hold the client's request while nobody uses this
        if self._patience is not None:
            self._patience.cancel()
            self._patience = self._held_back = None
        if self._parser is not None:
            self._parser.release()
            self._parser = None
