"""Puts the daemon together and runs it: the only module that knows all the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from offramp_core import __version__
from offramp_core.addresses import client_base_url, is_loopback
from offramp_daemon.control.daemon_state import DaemonState
from offramp_daemon.control.server import Control
from offramp_daemon.messages.errors import Failure
from offramp_daemon.proxy import streaming
from offramp_daemon.proxy.failover import SharedState
from offramp_daemon.proxy.forwarder import Forwarder
from offramp_daemon.proxy.handler import ProxyHandler
from offramp_daemon.quota.zai_poller import ZaiPoller
from offramp_daemon.recording.console_line import console_line
from offramp_daemon.recording.request_log import Recorder
from offramp_daemon.routing.affinity import Conversations
from offramp_daemon.server import http_server, lifecycle
from offramp_daemon.server.lifecycle import InFlight, Shutdown
from offramp_daemon.supervisor import sd_notify
from offramp_daemon.supervisor.worker_link import Supervision
from offramp_daemon.upstream.client import Upstream
from offramp_daemon.wire import origin_guard

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from pathlib import Path

    from offramp_core.control.api import Status
    from offramp_core.paths import Paths
    from offramp_core.settings import Backend
    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.outcome import Outcome
    from offramp_daemon.recording.console import Console

HEALTH = "/health"

_SETTINGS_EVERY_S = 2.0
_RECORDS_EVERY_S = 2.0
_KEYRING_S = 6.0
"""For the keyring to give its keys before a successor serves: else what the one before it delegated
would go to Anthropic for a moment. The one before it serves meanwhile."""
_LAST_WORDS_S = 0.1
"""For handlers to notice that they end, once the time for streams in flight is over."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One running daemon; `serve` makes it."""

    live: LiveSettings
    console: Console
    recorder: Recorder
    proxy: ProxyHandler
    state: DaemonState
    leaving: asyncio.Event
    """Set once another process serves in this one's place."""
    started_s: float

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `request`; while leaving, as the last one on its connection."""
        is_last = self.leaving.is_set()
        if is_last:
            streaming.end_connection_after(request)
        response = await self._handle(request)
        if is_last and not response.prepared:
            response.force_close()
        return response

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the daemon's own path here, and give all others to the proxy."""
        if self.live.is_fallback and not is_loopback(request.remote or ""):
            return _refuse_stranger()
        is_health = request.raw_path.partition("?")[0] == HEALTH
        if is_health and request.method in {"GET", "HEAD"}:
            return self._health(request)
        if self.state.is_follower:
            await self.state.catch_up()
        self.state.changes.notify()
        try:
            return await self.proxy.handle(request)
        finally:
            self.state.changes.notify()

    def _health(self, request: web.BaseRequest) -> web.Response:
        refusal = origin_guard.refusal(request.headers, self.live.current)
        if refusal is not None:
            return web.json_response({"status": "refused", "why": refusal}, status=403)
        records = self.recorder.state
        body = {
            "status": "ok" if records.last_error is None else "degraded",
            "service": "offramp",
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self.started_s),
            "backends": {
                backend.name: "ready" if _is_ready(backend) else "no key"
                for backend in self.live.current.backends
            },
            "records": {
                "written": records.written,
                "waiting": records.waiting,
                "lost": records.lost,
                "last_error": records.last_error,
            },
        }
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def serve(
    live: LiveSettings,
    paths: Paths,
    console: Console,
    listeners: Sequence[socket.socket],
    shutdown: Shutdown,
    *,
    on_ready: Callable[[], None],
    supervision: Supervision | None = None,
) -> None:
    """Serve on `listeners` until `shutdown` is asked for, then drain and close everything.

    `on_ready` is called when requests are being taken; `supervision` is told how it goes.
    """
    supervision = supervision or Supervision()
    async with asyncio.TaskGroup() as group:
        signs = group.create_task(supervision.give_signs_of_life(), name="signs of life")
        async with _running(live, paths, console, listeners, shutdown, supervision) as running:
            on_ready()
            running.daemon.state.say_pause()
            await _serve_until_told(running, paths, console, shutdown, supervision)
            if not shutdown.asked.is_set():
                running.daemon.state.hand_over()
                await running.leave(shutdown.asked, console)
            if shutdown.asked.is_set():
                await running.stop(live.current.drain_timeout_s, shutdown.hurried, console)
        signs.cancel()


async def _serve_until_told(
    running: _Running,
    paths: Paths,
    console: Console,
    shutdown: Shutdown,
    supervision: Supervision,
) -> None:
    """Take commands and see to what is due, until told to stop or to leave."""
    state = running.daemon.state
    control = Control(
        paths.control_socket,
        state,
        shutdown,
        status=running.status,
        say=console.say,
        restart=supervision.restart if supervision.has_supervisor else None,
    )
    async with asyncio.TaskGroup() as group:
        watches = [
            group.create_task(_watch_settings(state), name="settings"),
            group.create_task(_watch_records(running.daemon.recorder, console), name="records"),
            group.create_task(state.watch(), name="pause"),
            group.create_task(control.run(), name="control"),
        ]
        await shutdown.told.wait()
        if shutdown.asked.is_set():
            supervision.tell(sd_notify.STOPPING)
        await running.stop_listening()
        for watch in watches:
            watch.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A daemon that listens, and how it stops."""

    daemon: Daemon
    in_flight: InFlight
    server: web.Server
    listeners: tuple[socket.socket, ...]
    sites: tuple[web.BaseSite, ...]

    def status(self) -> Status:
        """The daemon at this moment."""
        return self.daemon.state.status(
            in_flight=self.in_flight.count, records=self.daemon.recorder.state
        )

    async def stop_listening(self) -> None:
        """Take no more connections; another process that holds the sockets goes on."""
        await lifecycle.stop_accepting(self.listeners, self.sites)

    async def leave(self, asked: asyncio.Event, console: Console) -> None:
        """Serve the connections that there are until they end by themselves, or until `asked`."""
        if count := self.in_flight.count:
            console.say(f"Another worker serves; {_requests(count)} in flight may end first.")
        await lifecycle.until_left(self.server, self.in_flight, asked)

    async def stop(self, timeout_s: float, hurried: asyncio.Event, console: Console) -> None:
        """Let answers reach their clients, in `timeout_s` at most; break off what is left."""
        self.server.pre_shutdown()  # closes the connections that nobody uses
        if count := self.in_flight.count:
            console.say(f"Stopping; {_requests(count)} in flight may end first.")
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        if await self.in_flight.drain(timeout_s, hurried):
            await lifecycle.flush(self.server, deadline_s - loop.time(), hurried)
        self.daemon.proxy.is_stopping = True
        for request in self.in_flight.requests:
            streaming.cut_off(request)


@contextlib.asynccontextmanager
async def _task(work: Coroutine[None, None, None], *, name: str) -> AsyncIterator[None]:
    """Have `work` go on meanwhile."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work, name=name)
        yield
        task.cancel()


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


@contextlib.asynccontextmanager
async def _running(
    live: LiveSettings,
    paths: Paths,
    console: Console,
    listeners: Sequence[socket.socket],
    shutdown: Shutdown,
    supervision: Supervision,
) -> AsyncIterator[_Running]:
    folder = live.current.log_dir or paths.log_dir
    address = client_base_url(host=live.current.host, port=listeners[0].getsockname()[1])
    state = DaemonState(live, paths, console, address=address, supervisor_pid=supervision.pid)
    recorder = Recorder(folder, on_change=state.changes.notify_from_thread)
    recorder.start()
    problem = await asyncio.to_thread(_folder_problem, folder)
    if problem is not None:
        console.say(
            f"Requests can't be recorded in {folder}: {problem}. "
            "Mend the folder, or set another with LOG_DIR or log_dir in config.toml."
        )

    def keep_record(exchange: Exchange, outcome: Outcome) -> None:
        if exchange.outcome is None:
            return  # another backend is asked next
        if not exchange.is_recorded:
            _LOG.info("probe", extra={"status": outcome.http_status})
            return
        record = exchange.record()
        recorder.record(record)
        state.pilot.note(record, exchange.conversation)
        console.request(console_line(exchange, outcome))

    try:
        await state.start()
        async with (
            Upstream() as upstream,
            _task(state.watch_keyring(), name="keyring"),
            _task(state.pilot.run(), name="autopilot"),
        ):
            upstream.follow_network(state.health.breaker.note_network_changed)
            forwarder = Forwarder(upstream, state.quota.read_answer)
            proxy = ProxyHandler(
                settings=lambda: live.current,
                forwarder=forwarder,
                shared=SharedState(
                    breaker=state.health.breaker,
                    queue=state.health.queue,
                    conversations=Conversations(),
                    spent_until=state.quota.spent_until,
                ),
                listeners=(*state.health.listeners, keep_record),
                is_private=console.is_private,
                delegation=state.delegation,
                choose=state.pilot.choose,
            )
            poller = ZaiPoller(lambda: live.current, upstream, state.quota, hop=forwarder.hop)
            state.quota.asker = poller
            daemon = Daemon(
                live=live,
                console=console,
                recorder=recorder,
                proxy=proxy,
                state=state,
                leaving=shutdown.leaving,
                started_s=time.monotonic(),
            )
            in_flight = InFlight(daemon.handle)
            server = http_server.of(in_flight)
            runner = web.ServerRunner(server, shutdown_timeout=_LAST_WORDS_S)
            await runner.setup()
            if supervision.is_successor:
                await state.until_keys(_KEYRING_S)
            sites = tuple(web.SockSite(runner, listener, backlog=1024) for listener in listeners)
            for site in sites:
                await site.start()

            try:
                async with _task(poller.run(), name="Z.ai's quota"):
                    yield _Running(
                        daemon=daemon,
                        in_flight=in_flight,
                        server=server,
                        listeners=tuple(listeners),
                        sites=sites,
                    )
            finally:
                await runner.cleanup()
                await in_flight.drain(_LAST_WORDS_S, asyncio.Event())
    finally:
        # The writer threads' end may wait for a slow disk; the loop need not.
        await asyncio.to_thread(recorder.close)
        await asyncio.to_thread(state.close)
        if recorder.state.lost:
            console.say(f"Records lost: {recorder.state.lost} ({recorder.state.last_error}).")


def _refuse_stranger() -> web.Response:
    """For another machine's client, while the token that it would need can't be read."""
    failure = Failure(
        status=403,
        message="Offramp: its settings can't be read, so only its own machine is served for now. "
        "There, `offramp config check` says what is wrong.",
    )
    return web.Response(status=403, body=failure.body(), content_type="application/json")


async def _watch_settings(state: DaemonState) -> None:
    while True:
        await asyncio.sleep(_SETTINGS_EVERY_S)
        state.health.breaker.settle()
        try:
            await state.refresh()
            await state.quota.catch_up()
        except Exception:  # noqa: BLE001 - whatever it is, requests go on by what was known
            _LOG.exception("The settings and the quota's file could not be looked at")


async def _watch_records(recorder: Recorder, console: Console) -> None:
    """Tell the user when records can't be written, once an outage, and when they can again."""
    trouble: str | None = None
    while True:
        await asyncio.sleep(_RECORDS_EVERY_S)
        state = recorder.state
        if state.last_error == trouble:
            continue
        trouble = state.last_error
        if trouble is None:
            console.say(f"Records are written again; {state.lost} were lost.")
        else:
            console.say(f"Records can't be written and wait in memory: {trouble}")


def _folder_problem(folder: Path) -> str | None:
    """Why records can't be written into `folder`; None if they can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.W_OK | os.X_OK) else "no permission to write"


def _is_ready(backend: Backend) -> bool:
    return backend.auth == "client" or backend.key is not None
