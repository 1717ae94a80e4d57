"""Puts the daemon together and runs it: the only module that knows all the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_core import __version__, machine_id
from offramp_core.addresses import client_base_url
from offramp_core.config import proxy_variables
from offramp_core.usage import state_events
from offramp_core.usage.log_reader import LogReader
from offramp_core.usage.weeks import system_zone
from offramp_daemon.autopilot.lessons import FinishedRequest, PlanFigures
from offramp_daemon.autopilot.pilot import Pilot
from offramp_daemon.clock import Clock, utc_now
from offramp_daemon.control import health_report, local_page, metrics_page
from offramp_daemon.control.announcer import Announcer
from offramp_daemon.control.change_signal import ChangeSignal
from offramp_daemon.control.daemon_state import DaemonState
from offramp_daemon.control.key_watch import KeyWatch
from offramp_daemon.control.pause_keeper import PauseKeeper
from offramp_daemon.control.server import ControlServer
from offramp_daemon.control.status_line import StatusLine
from offramp_daemon.proxy.entry import RequestEntry
from offramp_daemon.proxy.failover import SharedState
from offramp_daemon.proxy.forwarder import Forwarder
from offramp_daemon.proxy.handler import ProxyHandler
from offramp_daemon.proxy.listening_server import ListeningServer
from offramp_daemon.proxy.peer_users import PeerUsers
from offramp_daemon.quota.other_machines import OtherMachines
from offramp_daemon.quota.poller import QuotaPoller, pollers_for, run_all
from offramp_daemon.quota.tracker import QuotaTracker
from offramp_daemon.recording.console_line import console_line
from offramp_daemon.recording.event_log import event_log
from offramp_daemon.recording.last_served import LastServed
from offramp_daemon.recording.request_log import Recorder, folder_problem
from offramp_daemon.resilience.backend_health import BackendHealth, stand_in_for
from offramp_daemon.routing.affinity import ConversationAffinity
from offramp_daemon.routing.fallback_file import FallbackFile
from offramp_daemon.routing.model_fallbacks import ModelFallbacks
from offramp_daemon.routing.pause import Delegation
from offramp_daemon.server import http_server, spare_memory
from offramp_daemon.server.lifecycle import InFlight, Shutdown
from offramp_daemon.storage.background_writer import BackgroundWriter
from offramp_daemon.supervisor import sd_notify
from offramp_daemon.supervisor.worker_link import WorkerLink
from offramp_daemon.trouble.client_watch import ClientWatch
from offramp_daemon.trouble.keeper import TroubleKeeper
from offramp_daemon.trouble.request_notes import RequestNotes
from offramp_daemon.trouble.watch import DelegationWatch
from offramp_daemon.upstream.client import Upstream

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from pathlib import Path

    from offramp_core.paths import Paths
    from offramp_core.quota.windows import PlanQuota
    from offramp_core.redaction import Redactor
    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome
    from offramp_daemon.recording.console import Console
    from offramp_daemon.recording.metrics import Metrics
    from offramp_daemon.resilience.breaker_state import StandingChange

_SETTINGS_EVERY_S = 2.0
_FILES_CLOSE_S = 6.0
_KEYRING_S = 6.0
"""For the keyring to give its keys before a successor serves: else what the one before it delegated
would go to Anthropic for a moment. The one before it serves meanwhile."""
_LAST_WORDS_S = 0.1
"""For handlers to notice that they end, once the time for streams in flight is over."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a daemon is made of, apart from its connections; `compose` makes it."""

    live: LiveSettings
    console: Console
    changes: ChangeSignal
    announcer: Announcer
    files: BackgroundWriter
    """The thread that events, the quota's history and its state share."""
    recorder: Recorder
    served: LastServed
    status_line: StatusLine
    delegation: Delegation
    pauses: PauseKeeper
    keys: KeyWatch
    troubles: TroubleKeeper
    client: ClientWatch
    pilot: Pilot
    quota: QuotaTracker
    health: BackendHealth
    fallbacks: ModelFallbacks
    fallback_file: FallbackFile
    state: DaemonState
    clock: Clock
    machine_id_file: Path
    other_machines: OtherMachines
    metrics: Metrics | None

    async def start(self) -> None:
        """Take up what the last daemon left, before the first request."""
        self.files.start()
        await self.quota.start()
        self.fallbacks.take_up(await asyncio.to_thread(self.fallback_file.load))
        await self.pilot.start(self.quota.plans())
        self.announcer.zone = await asyncio.to_thread(system_zone, os.environ)
        await self.pauses.load()
        await self._announce_start()
        # Without it, the line before this one would say that delegation goes on.
        self.pauses.announce_pause()
        self.keys.announce_keys()
        await self.troubles.start()
        await self.look_at_client()

    async def _announce_start(self) -> None:
        """Say that the daemon runs, and on which machine where several share the folder."""
        which = None
        if self.live.current.machine:
            which = await asyncio.to_thread(machine_id.load_or_make, self.machine_id_file)
        self.announcer.announce(
            state_events.STARTED, pid=os.getpid(), version=__version__, machine_id=which
        )

    async def look_at_client(self) -> None:
        """See whether Claude Code's settings still hold the address, and announce a change."""
        try:
            is_news = await asyncio.to_thread(self.client.look)
        except Exception:  # noqa: BLE001 - the daemon serves, whatever is in those files
            _LOG.exception("Claude Code's settings could not be checked")
            return
        if is_news:
            self.announcer.announce_client(self.client.problem)

    async def page(self) -> web.Response:
        """Make the page for a browser."""
        tokens = await self.status_line.tokens()
        status = self.state.status(in_flight=0, records=self.recorder.state)
        return local_page.answer(status, tokens, self.clock(), self.announcer.zone)

    def close(self) -> None:
        """Write down that the daemon ends. Blocks, for seconds at most."""
        self.announcer.announce(state_events.STOPPED, pid=os.getpid())
        self.files.close(_FILES_CLOSE_S)
        self.pilot.close()

    async def catch_up(self) -> None:
        """Take over what another daemon, which may have the commands, was asked for meanwhile."""
        if self.pauses.is_follower:
            await self.pauses.catch_up()
            await self.keys.refresh()

    def keep_record(self, exchange: Exchange, outcome: Outcome) -> None:
        """Record a request that has ended, show it, and have the autopilot learn from it."""
        if exchange.outcome is None:
            return  # another backend is asked next
        if not exchange.is_recorded:
            _LOG.info("probe", extra={"status": outcome.http_status})
            return
        record = exchange.record()
        self.recorder.record(record)
        self.served.note(record)
        self.pilot.lessons.put_nowait(FinishedRequest(self.clock(), record, exchange.conversation))
        self.console.request(console_line(exchange, outcome))

    def take_plan(self, plan: PlanQuota) -> None:
        """Have the autopilot learn from it, and a spent delegate avoided before it refuses."""
        now = self.clock()
        self.pilot.lessons.put_nowait(PlanFigures(now, plan))
        for backend in self.live.current.backends:
            if backend.name == plan.backend and backend.auth != "client":
                self.health.note_quota(backend, plan, now)

    def take_failover(self, change: StandingChange) -> None:
        """Announce a delegate that is stepped around from now on, or is asked again."""
        to = stand_in_for(change.backend, self.health.stand_ins(self.live.current))
        if to is not None and change.backend.auth != "client":
            self.announcer.announce_failover(change, to)


def compose(
    live: LiveSettings,
    paths: Paths,
    console: Console,
    *,
    address: str,
    supervisor_pid: int | None = None,
    clock: Clock = utc_now,
) -> Parts:
    """Put together a daemon that clients reach at `address`; nothing runs yet.

    One with a supervisor may serve beside another daemon for a while, which takes the commands.
    """
    folder, machine = live.current.log_dir or paths.log_dir, live.current.machine
    changes, files = ChangeSignal(), BackgroundWriter("offramp-files")
    delegation = Delegation(clock=clock)
    announcer = Announcer(event_log(folder, files, machine=machine), console, changes, clock=clock)
    pilot = Pilot(
        paths.autopilot_file,
        lambda since: LogReader(folder, since=since).read_usage(),
        clock=clock,
        mode=lambda: live.current.delegation,
    )
    quota = QuotaTracker(
        paths,
        folder,
        files,
        machine=machine,
        clock=clock,
        on_change=changes.notify,
        say=console.say,
    )
    health = BackendHealth(clock, quota)
    watch = DelegationWatch(
        clock,
        is_bypassed=lambda name, model: health.is_bypassed(name, model, live.current),
    )
    client = ClientWatch(paths.claude_code_file, lambda: live.current, address)
    served = LastServed()
    fallback_file = FallbackFile(paths.model_fallbacks_file, files, changes.notify)
    fallbacks = ModelFallbacks(clock=clock, on_change=fallback_file.put)
    parts = Parts(
        live=live,
        console=console,
        changes=changes,
        announcer=announcer,
        files=files,
        recorder=Recorder(folder, machine=machine, on_change=changes.notify_from_thread),
        served=served,
        status_line=StatusLine(
            served,
            live,
            folder=folder,
            quota_file=paths.quota_file,
            zone=lambda: announcer.zone,
            clock=clock,
        ),
        delegation=delegation,
        pauses=PauseKeeper(
            paths.delegation_file,
            delegation,
            announcer,
            clock=clock,
            is_follower=supervisor_pid is not None,
        ),
        keys=KeyWatch(live, announcer, changes),
        troubles=TroubleKeeper(
            paths.troubles_file, watch, files, settings=lambda: live.current, say=console.say
        ),
        client=client,
        fallbacks=fallbacks,
        fallback_file=fallback_file,
        pilot=pilot,
        quota=quota,
        health=health,
        state=DaemonState(
            live,
            delegation,
            health,
            quota,
            pilot,
            watch,
            client,
            address=address,
            settings_file=paths.config_file,
            supervisor_pid=supervisor_pid,
            clock=clock,
            fallbacks=fallbacks,
            variables=proxy_variables.all_shown(os.environ),
        ),
        clock=clock,
        machine_id_file=paths.machine_id_file,
        metrics=metrics_page.metrics_for(live.current, clock, console.say),
        other_machines=OtherMachines(folder, machine, clock, quota.take_from_others),
    )
    quota.follow(parts.take_plan)
    health.breaker.follow(parts.take_failover)
    watch.follow(announcer.announce_trouble)
    return parts


async def serve(
    live: LiveSettings,
    paths: Paths,
    console: Console,
    listeners: Sequence[socket.socket],
    shutdown: Shutdown,
    *,
    on_ready: Callable[[], None],
    worker_link: WorkerLink | None = None,
    redactor: Redactor | None = None,
) -> None:
    """Serve on `listeners` until `shutdown` is asked for, then drain and close everything.

    `on_ready` is called when requests are being taken; `worker_link` reports how it goes;
    `redactor` knows what is in no answer of the control socket.
    """
    worker_link = worker_link or WorkerLink()
    async with asyncio.TaskGroup() as group:
        signs = group.create_task(worker_link.give_signs_of_life(), name="signs of life")
        async with _running(live, paths, console, listeners, shutdown, worker_link) as running:
            parts, server = running
            on_ready()
            parts.pauses.say_pause()
            await _serve_until_shutdown(parts, server, paths, shutdown, worker_link, redactor)
            if not shutdown.asked.is_set():
                parts.pauses.hand_over()
                await server.leave(shutdown.asked)
            if shutdown.asked.is_set():
                await server.stop(live.current.drain_timeout_s, shutdown.hurried)
        signs.cancel()


async def _serve_until_shutdown(
    parts: Parts,
    server: ListeningServer,
    paths: Paths,
    shutdown: Shutdown,
    worker_link: WorkerLink,
    redactor: Redactor | None,
) -> None:
    """Take commands and see to what is due, until told to stop or to leave."""
    control = ControlServer(
        paths.control_socket,
        shutdown,
        state=parts.state,
        pauses=parts.pauses,
        keys=parts.keys,
        changes=parts.changes,
        status=lambda: parts.state.status(
            in_flight=server.in_flight.count, records=parts.recorder.state
        ),
        status_line=parts.status_line,
        say=parts.console.say,
        restart=worker_link.restart if worker_link.has_supervisor else None,
        redactor=redactor,
    )
    async with asyncio.TaskGroup() as group:
        watches = [
            group.create_task(_watch_settings(parts), name="settings"),
            group.create_task(parts.recorder.watch(parts.console.say), name="records"),
            group.create_task(parts.pauses.watch(), name="pause"),
            group.create_task(parts.other_machines.watch(), name="other machines"),
            group.create_task(control.run(), name="control"),
            group.create_task(
                spare_memory.watch(lambda: server.in_flight.count == 0), name="spare memory"
            ),
        ]
        await shutdown.told.wait()
        if shutdown.asked.is_set():
            worker_link.send(sd_notify.STOPPING)
        await server.stop_listening()
        for watch in watches:
            watch.cancel()


@contextlib.asynccontextmanager
async def _task(work: Coroutine[None, None, None], *, name: str) -> AsyncIterator[None]:
    """Have `work` go on meanwhile."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work, name=name)
        yield
        task.cancel()


@contextlib.asynccontextmanager
async def _running(
    live: LiveSettings,
    paths: Paths,
    console: Console,
    listeners: Sequence[socket.socket],
    shutdown: Shutdown,
    worker_link: WorkerLink,
) -> AsyncIterator[tuple[Parts, ListeningServer]]:
    address = client_base_url(host=live.current.host, port=listeners[0].getsockname()[1])
    parts = compose(live, paths, console, address=address, supervisor_pid=worker_link.pid)
    recorder = parts.recorder
    recorder.start()
    await _warn_of_folder(live.current.log_dir or paths.log_dir, console)
    try:
        await parts.start()
        async with (
            Upstream() as upstream,
            _task(parts.keys.watch_keyring(), name="keyring"),
            _task(parts.pilot.run(), name="autopilot"),
        ):
            proxy, pollers = _connect(parts, upstream)
            entry = RequestEntry(
                proxy,
                live=live,
                report_health=lambda request: health_report.answer(
                    request, live.current, recorder.state, uptime_s=parts.state.uptime_s
                ),
                show_page=parts.page,
                catch_up=parts.catch_up,
                watchers=parts.changes.followers,
                leaving=shutdown.leaving,
                users=PeerUsers(),
                report_metrics=metrics_page.report_for(
                    parts.metrics,
                    lambda: parts.state.status(in_flight=in_flight.count, records=recorder.state),
                    lambda: live.current,
                ),
            )
            in_flight = InFlight(entry.handle)
            server = http_server.of(in_flight, entry.meet)
            runner = web.ServerRunner(server, shutdown_timeout=_LAST_WORDS_S)
            await runner.setup()
            if worker_link.is_successor:
                await parts.keys.until_keys(_KEYRING_S)
            sites = tuple(web.SockSite(runner, listener, backlog=1024) for listener in listeners)
            for site in sites:
                await site.start()

            try:
                async with _task(run_all(pollers.values()), name="quota pages"):
                    yield (
                        parts,
                        ListeningServer(
                            proxy=proxy,
                            in_flight=in_flight,
                            server=server,
                            listeners=tuple(listeners),
                            sites=sites,
                            say=console.say,
                        ),
                    )
            finally:
                await runner.cleanup()
                await in_flight.drain(_LAST_WORDS_S, asyncio.Event())
    finally:
        # The writer threads' end may wait for a slow disk; the loop need not.
        await asyncio.to_thread(recorder.close)
        await asyncio.to_thread(parts.close)
        if recorder.state.lost:
            console.say(f"Records lost: {recorder.state.lost} ({recorder.state.last_error}).")


def _connect(parts: Parts, upstream: Upstream) -> tuple[ProxyHandler, dict[str, QuotaPoller]]:
    """Put together what talks to the services."""
    live, health, quota = parts.live, parts.health, parts.quota
    notes = RequestNotes(parts.troubles.watch)
    upstream.follow_network(health.breaker.note_network_changed)
    forwarder = Forwarder(upstream, quota.read_answer)
    parts.state.warnings = lambda: upstream.warnings
    parts.state.zone = lambda: parts.announcer.zone
    proxy = ProxyHandler(
        settings=lambda: live.current,
        forwarder=forwarder,
        shared=SharedState(
            breaker=health.breaker,
            queue=health.queue,
            conversations=ConversationAffinity(),
            notes=notes,
            fallbacks=parts.fallbacks,
            spent_until=quota.spent_until,
        ),
        listeners=(
            *health.listeners,
            notes.note_outcome,
            parts.keep_record,
            *((parts.metrics.count,) if parts.metrics is not None else ()),
        ),
        is_private=parts.console.is_private,
        delegation=parts.delegation,
        choose=parts.pilot.choose,
    )
    pollers = pollers_for(lambda: live.current, upstream, quota, hop=forwarder.hop)
    quota.pollers = pollers
    return proxy, pollers


async def _warn_of_folder(folder: Path, console: Console) -> None:
    problem = await asyncio.to_thread(folder_problem, folder)
    if problem is not None:
        console.say(
            f"Requests can't be recorded in {folder}: {problem}. Fix the folder, or set another "
            "with LOG_DIR or log_dir in config.toml."
        )


async def _watch_settings(parts: Parts) -> None:
    while True:
        await asyncio.sleep(_SETTINGS_EVERY_S)
        parts.health.breaker.settle()
        try:
            await parts.keys.refresh()
            await parts.quota.catch_up()
            parts.troubles.settle()
            await parts.look_at_client()
        except Exception:  # noqa: BLE001 - whatever it is, requests go on by what was known
            _LOG.exception("The settings and the quota could not be refreshed")
