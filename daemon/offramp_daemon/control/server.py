"""Serves the control socket: status, commands, and a stream of the state's changes.

It answers only over its Unix socket, so nothing here can be reached by TCP. It is never the reason
that the daemon does not start, waits or ends: without a socket the daemon still serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_core import __version__
from offramp_core.control import api
from offramp_core.control.api import CommandAnswer, CommandRefusal, UnreadableError
from offramp_core.errors import OfframpError
from offramp_core.redaction import Redactor
from offramp_daemon.control import unix_socket
from offramp_daemon.control.unix_socket import SocketBusyError
from offramp_daemon.server import lifecycle

if TYPE_CHECKING:
    from pathlib import Path

    import msgspec

    from offramp_core.control.api import Status
    from offramp_daemon.control.change_signal import ChangeSignal
    from offramp_daemon.control.daemon_state import DaemonState
    from offramp_daemon.control.key_watch import KeyWatch
    from offramp_daemon.control.pause_keeper import PauseKeeper
    from offramp_daemon.control.status_line import StatusLine
    from offramp_daemon.control.unix_socket import ControlSocket
    from offramp_daemon.server.lifecycle import Shutdown

_LAST_WORDS_S = 0.5
_AGAIN_S = 0.05
"""Between two tries to take over from another daemon."""
_MOST_FOLLOWERS = 32
_SHOWN_CHARACTERS = 60
_COLUMNS = re.compile(r"[0-9]{1,5}")
_LOG = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the socket goes, in seconds."""

    gap_s: float = 0.25
    """Between two lines of an event stream at least; changes in between make one."""
    keep_alive_s: float = api.KEEP_ALIVE_S
    patience_s: float = 5.0
    """For a client to send its command, or to read on."""
    look_every_s: float = 30.0
    """Between two looks whether the socket's file is still there."""


class ControlServer:
    """The control socket, for as long as `run` runs."""

    def __init__(
        self,
        path: Path,
        shutdown: Shutdown,
        *,
        state: DaemonState,
        pauses: PauseKeeper,
        keys: KeyWatch,
        changes: ChangeSignal,
        status: Callable[[], Status],
        status_line: StatusLine,
        say: Callable[[str], None],
        restart: Callable[[str], Awaitable[str]] | None = None,
        redactor: Redactor | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Serve at `path`; `status` gives the full status of any moment.

        What `redactor` knows is in no answer.

        `restart` has another daemon take this one's place, of the program whose path it gets (the
        same where that is empty), and returns why it could not; None where nobody could do that.
        Where somebody can, it is not news that another daemon still has the socket.
        """
        self._path = path
        self._state = state
        self._pauses = pauses
        self._keys = keys
        self._changes = changes
        self._shutdown = shutdown
        self._status = status
        self._status_line = status_line
        self._say = say
        self._restart_daemon = restart
        self._redactor = redactor or Redactor()
        self._pace = pace or Pace()
        self._is_closing = asyncio.Event()
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", api.STATUS): self._answer_status,
            ("POST", api.STATUS_LINE): self._answer_status_line,
            ("POST", api.PAUSE): self._pause,
            ("POST", api.RESUME): self._resume,
            ("POST", api.RELOAD): self._reload,
            ("POST", api.DRAIN): self._drain,
            ("POST", api.RESTART): self._restart,
            ("GET", api.EVENTS): self._follow,
        }

    async def run(self) -> None:
        """Serve until cancelled. Where another daemon has the socket, take it when that ends."""
        try:
            while (claimed := await self._claim()) is not None:
                await self._serve(claimed)
        except Exception:  # noqa: BLE001 - the daemon serves without it
            _LOG.exception("The control socket failed")
            self._say("The control socket failed: pause, resume and status do not work.")

    async def _claim(self) -> ControlSocket | None:
        """Return the socket, once no other daemon has it; None where there can be none."""
        is_said = self._restart_daemon is not None
        while True:
            try:
                return await _claimed(self._path)
            except SocketBusyError as error:
                if not is_said:
                    self._say(str(error))
                is_said = True
            except OfframpError as error:
                self._say(str(error))
                return None
            await _until_gone(self._path)
            await asyncio.sleep(_AGAIN_S)

    async def _serve(self, claimed: ControlSocket) -> None:
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            logger=logging.getLogger("aiohttp.offramp.control"),
        )
        runner = web.ServerRunner(server, shutdown_timeout=_LAST_WORDS_S)
        self._is_closing = asyncio.Event()
        is_lost = False
        try:
            await self._pauses.take_over()
            await runner.setup()
            await web.SockSite(runner, claimed.listener).start()
            await _until_replaced(self._path, self._pace.look_every_s)
            is_lost = True
        finally:
            self._state.is_stopping = not is_lost
            self._is_closing.set()
            self._changes.notify()
            try:
                # The next daemon begins with what the last command left, so that comes first.
                with claimed.kept():
                    await lifecycle.stop_accepting([claimed.listener], tuple(runner.sites))
                    await runner.cleanup()
                    await self._pauses.written()
            finally:
                is_left = self._shutdown.leaving.is_set() and not self._shutdown.asked.is_set()
                await asyncio.to_thread(claimed.abandon if is_left else claimed.release)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._respond(request)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.body = self._redacted(response.body)
        return response

    def _redacted(self, data: bytes) -> bytes:
        return self._redactor.hide_values(data.decode()).encode()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        handler = self._handlers.get((request.method, path))
        if handler is None:
            return _refuse(
                HTTPStatus.NOT_FOUND,
                f"The daemon (Offramp {__version__}) does not know {_shown(request.method, path)}.",
                hint="It has another version than this program: restart it with this version.",
            )
        asked = request.headers.get(api.PROTOCOL_HEADER, str(api.PROTOCOL))
        if asked != str(api.PROTOCOL) and path not in {
            api.STATUS,  # tells a client of any version whom it talks to
            api.DRAIN,  # has no parts that could be misread, and an upgrade needs it
            api.RESTART,  # likewise
        }:
            return _refuse(
                HTTPStatus.CONFLICT,
                f"The daemon (Offramp {__version__}) speaks control protocol "
                f"{api.PROTOCOL}, not {_shown(asked)}.",
                hint="Restart it with this version.",
            )
        try:
            return await handler(request)
        except TimeoutError:
            return _refuse(HTTPStatus.REQUEST_TIMEOUT, "The command did not arrive completely.")

    async def _answer_status(self, _request: web.BaseRequest) -> web.Response:
        return _answer(self._status())

    async def _answer_status_line(self, request: web.BaseRequest) -> web.Response:
        async with asyncio.timeout(self._pace.patience_s):
            said = await request.read()
        columns = request.query.get("columns", "")
        line = await self._status_line.line(
            said,
            self._status,
            columns=int(columns) if _COLUMNS.fullmatch(columns) else 0,
            has_colour=request.query.get("colour") == "1",
        )
        return web.Response(body=line.encode("utf-8", "replace"), content_type="text/plain")

    async def _pause(self, request: web.BaseRequest) -> web.Response:
        async with asyncio.timeout(self._pace.patience_s):
            data = await request.read()
        try:
            until = api.decode_pause(data).until
        except UnreadableError as error:
            return _refuse(
                HTTPStatus.BAD_REQUEST,
                f"The daemon (Offramp {__version__}) does not understand this pause: {error}.",
                hint="If this program is newer, restart the daemon with its version.",
            )
        if until is not None:
            left = until - self._pauses.now()
            if not 0 < left.total_seconds() <= api.LONGEST_PAUSE.total_seconds():
                return _refuse(
                    HTTPStatus.BAD_REQUEST,
                    "A pause can last at most one year, and can't end at "
                    f"{until.isoformat(timespec='seconds')}.",
                    hint="Choose another end, or leave it out and type `offramp resume` when "
                    "you're ready.",
                )
        notes = await self._pauses.pause(until)
        return _answer(CommandAnswer(status=self._status(), notes=notes))

    async def _resume(self, _request: web.BaseRequest) -> web.Response:
        notes = await self._pauses.resume()
        return _answer(CommandAnswer(status=self._status(), notes=notes))

    async def _reload(self, _request: web.BaseRequest) -> web.Response:
        return _answer(await self._keys.reload())

    async def _drain(self, _request: web.BaseRequest) -> web.Response:
        self._shutdown.ask()
        self._state.is_stopping = True
        self._say("Asked to stop over the control socket.")
        return _answer(CommandAnswer(status=self._status()))

    async def _restart(self, request: web.BaseRequest) -> web.Response:
        if self._restart_daemon is None:
            return _refuse(
                HTTPStatus.CONFLICT,
                "The daemon runs in a terminal, so nothing would start it again.",
                hint="End it (Ctrl-C) and start it again: offramp serve",
            )
        async with asyncio.timeout(self._pace.patience_s):
            data = await request.read()
        try:
            program = api.decode_restart(data).program
        except UnreadableError as error:
            return _refuse(
                HTTPStatus.BAD_REQUEST,
                f"The daemon (Offramp {__version__}) does not understand this restart: {error}.",
            )
        self._say("Asked to restart over the control socket.")
        if problem := await self._restart_daemon(program):
            return _refuse(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"The daemon was not restarted; the old one keeps running. {problem}",
                hint="Its log may show more. Fix that, and restart it again.",
            )
        return _answer(CommandAnswer(status=self._status()))

    async def _follow(self, request: web.BaseRequest) -> web.StreamResponse:
        """Stream the status now and after each change, one line each, until either side ends."""
        changes, pace = self._changes, self._pace
        if changes.count >= _MOST_FOLLOWERS:
            return _refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many programs follow the daemon already."
            )
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        response.enable_chunked_encoding()
        with changes.follow() as changed:
            try:
                await response.prepare(request)
                while True:
                    changed.clear()
                    is_last = self._is_closing.is_set()
                    line = self._redacted(api.encode(self._status())) + b"\n"
                    await self._send_line(response, line)
                    if is_last:
                        await response.write_eof()
                        return response
                    await _is_set_within(self._is_closing, pace.gap_s)
                    while not await _is_set_within(changed, pace.keep_alive_s):
                        await self._send_line(response, b"\n")
            except TimeoutError:
                _LOG.info("A follower that did not read was dropped")
                if request.transport is not None:
                    request.transport.abort()
            except ConnectionError:
                pass  # it has gone
        return response

    async def _send_line(self, response: web.StreamResponse, line: bytes) -> None:
        async with asyncio.timeout(self._pace.patience_s):
            await response.write(line)


async def _claimed(path: Path) -> ControlSocket:
    """Return the socket, made in a thread; if cancelled meanwhile, none stays behind."""
    made = asyncio.get_running_loop().run_in_executor(None, unix_socket.claim, path)
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        with contextlib.suppress(OfframpError):
            claimed = await made
            await asyncio.to_thread(claimed.release)
        raise


async def _until_replaced(path: Path, look_every_s: float) -> None:
    """Wait until `path` is another file or none: with the last session its folder may go."""
    mark = await asyncio.to_thread(_mark, path)
    while mark is not None and await asyncio.to_thread(_mark, path) == mark:  # noqa: ASYNC110 - nothing reports it
        await asyncio.sleep(look_every_s)


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _until_gone(path: Path) -> None:
    """Wait until the daemon that listens there ends: it then closes this idle connection."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            await reader.read(1)
        finally:
            writer.close()


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _answer(payload: msgspec.Struct, status: int = HTTPStatus.OK) -> web.Response:
    body = api.encode(payload)
    return web.Response(status=status, body=body, content_type="application/json")


def _refuse(status: int, title: str, *, hint: str = "") -> web.Response:
    return _answer(CommandRefusal(title=title, hint=hint), status)


def _shown(*words: str) -> str:
    """Return a client's words, short and harmless to a terminal."""
    text = " ".join(words)[:_SHOWN_CHARACTERS]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
