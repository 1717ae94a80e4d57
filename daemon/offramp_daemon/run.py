"""Runs the daemon in this process, with its words on standard error, until it is told to stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from offramp_core import __version__, crash_report
from offramp_core.addresses import claude_code_line, client_base_url
from offramp_core.errors import OfframpError
from offramp_core.redaction import Redactor
from offramp_core.settings import ANTHROPIC, Settings
from offramp_daemon import app
from offramp_daemon.config import live_settings
from offramp_daemon.config.live_settings import LiveSettings, Load
from offramp_daemon.recording import diagnostics
from offramp_daemon.recording.console import Console
from offramp_daemon.server import lifecycle
from offramp_daemon.server.lifecycle import Shutdown
from offramp_daemon.server.listeners import open_listeners
from offramp_daemon.supervisor import sd_notify
from offramp_daemon.supervisor.worker_link import WorkerLink

if TYPE_CHECKING:
    import socket

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths
    from offramp_daemon.config.keyring_keys import KeyringKeys

Beside = Callable[[Shutdown], Coroutine[None, None, None]]


async def serve(
    paths: Paths,
    *,
    load: Load,
    fingerprint: Callable[[], Hashable],
    beside: Beside | None = None,
    keyring: KeyringKeys | None = None,
    listeners: Sequence[socket.socket] = (),
    opened: Sequence[socket.socket] = (),
    worker_link: WorkerLink | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until the supervisor has another take over.

    `load` takes variables that win over all others, and keys from `keyring`. `beside` runs as a
    task next to the daemon and ends by itself when the daemon is asked to. `listeners` are those
    that somebody else opened: the settings' address then counts for nothing, and wrong settings are
    no reason not to serve. `opened` are those that the caller opened at the settings' address.

    Raises:
        OfframpError: the settings are wrong or the port is taken.
    """
    worker_link = worker_link or WorkerLink()
    lifecycle.raise_descriptor_limit()
    lifecycle.tune_interpreter()
    if worker_link.is_watched:
        lifecycle.show_hangs()
    try:
        await _serve(paths, load, fingerprint, beside, keyring, listeners, opened, worker_link)
    except OfframpError as error:
        worker_link.send(sd_notify.status(str(error)))
        raise


async def _serve(
    paths: Paths,
    load: Load,
    fingerprint: Callable[[], Hashable],
    beside: Beside | None,
    keyring: KeyringKeys | None,
    inherited: Sequence[socket.socket],
    opened: Sequence[socket.socket],
    worker_link: WorkerLink,
) -> None:
    settings = live_settings.first_settings(load, is_activated=bool(inherited))
    listeners = inherited or opened or open_listeners(settings.host, settings.port)
    redactor = Redactor()
    crash_report.install(redactor.redact)
    log = diagnostics.configure(
        paths.diagnostics_file,
        level=settings.log_level,
        log_format=settings.log_format,
        redactor=redactor,
    )
    console = Console(sys.stderr, log_format=settings.log_format, redactor=redactor)
    console.start()
    try:

        def load_and_apply(held: Mapping[str, str]) -> LoadedSettings:
            loaded = load(held)
            for secret in loaded.settings.secrets():
                redactor.hide(secret.reveal())
            log.set_level(loaded.settings.log_level)
            return loaded

        live = LiveSettings(
            load_and_apply,
            fingerprint,
            console.say,
            keyring,
            address=inherited[0].getsockname()[:2] if inherited else None,
        )
        shutdown = Shutdown()

        def greet() -> None:
            _greet(console, live, paths)
            worker_link.send(sd_notify.READY, sd_notify.status("Serving"))

        with (
            shutdown.on_signals(is_supervised=worker_link.has_supervisor),
            worker_link.listening(on_leave=shutdown.leave, on_loss=shutdown.ask),
        ):
            async with asyncio.TaskGroup() as group:
                if beside is not None:
                    group.create_task(beside(shutdown), name="beside")
                await app.serve(
                    live,
                    paths,
                    console,
                    listeners,
                    shutdown,
                    redactor=redactor,
                    on_ready=greet,
                    worker_link=worker_link,
                )
        if shutdown.asked.is_set() and not worker_link.has_supervisor:
            console.say("Offramp has stopped.")
    finally:
        console.close()
        log.close()


def _greet(console: Console, live: LiveSettings, paths: Paths) -> None:
    settings = live.current
    console.say(f"Offramp {__version__} listens on {_address(settings)}")
    for text in _routes(settings, live.awaited_keys):
        console.say(text)
    if live.problem:
        console.say(
            "The settings can't be used, so everything goes to Claude as it came until they "
            f"are right. {live.problem}"
        )
    for note in live.notes:
        console.say(note)
    console.say(f"  Log: {settings.log_dir or paths.log_dir}")
    has_token = settings.client_token is not None
    console.say(f"  Claude Code: {claude_code_line(_address(settings), has_token=has_token)}")


def _address(settings: Settings) -> str:
    return client_base_url(host=settings.host, port=settings.port)


def _routes(settings: Settings, awaited: tuple[str, ...]) -> list[str]:
    """Return where each model goes."""
    lines = []
    for route in settings.routes:
        backend = settings.backend(route.backend)
        if backend.name in awaited:
            target = f"{backend.name}, and {ANTHROPIC} while its key waits for the keyring"
        elif backend.lacks_key:
            target = f"{ANTHROPIC}, because there is no key for {backend.name}"
        elif route.send_model:
            target = f"{backend.name} as {route.send_model}"
        else:
            target = backend.name
        lines.append(f"  {route.match} → {target}")
    lines.append(f"  everything else → {ANTHROPIC}, as it came")
    return lines
