"""The demo: simulator, sample history, sample requests, and the real daemon in between.

It reads none of the user's settings and no key, and writes only below the demo's own folders.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from offramp_cli import own_name
from offramp_cli.demo import sample_quota, sample_traffic
from offramp_core.config import loader
from offramp_core.errors import OfframpError
from offramp_core.paths import HOME_VARIABLE
from offramp_core.quota.windows import FIVE_HOURS, WEEK
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC, Secret
from offramp_daemon import run
from offramp_daemon.server import listeners
from offramp_simulator import Simulator
from offramp_simulator.refusals import EVERY, Refusals

if TYPE_CHECKING:
    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths
    from offramp_daemon.server.lifecycle import Shutdown

_KEY = Secret("0123456789abcdef0123456789abcdef.demodemodemodemo")
_SEED = 20260207
_PACE_S = 3.0
_QUOTA_PACE_S = 30.0


async def serve(paths: Paths, *, port: int, has_traffic: bool, refusals: Refusals = EVERY) -> None:
    """Serve on `port` until SIGINT or SIGTERM; `refusals` are those of the simulated services.

    Raises:
        OfframpError: the demo's config.toml is wrong, its folder can't be written, or the port is
            taken.
    """
    now = datetime.now(UTC).astimezone()  # its zone says when the sample's working hours are
    _write_history(paths, now)
    async with contextlib.AsyncExitStack() as stack:
        # Before the stand-ins, each of which takes any port that is free: perhaps this one.
        host = loader.load(paths, {}, is_demo=True).settings.host
        opened = listeners.open_listeners(host, port)
        for listener in opened:
            stack.enter_context(listener)
        simulator = await stack.enter_async_context(
            Simulator.start(
                zai_key=_KEY.reveal(),
                keep_requests=100,
                anthropic_refuses=refusals.anthropic,
                zai_refuses=refusals.zai,
            )
        )
        addresses = {ANTHROPIC: simulator.anthropic_url, DELEGATE.name: simulator.zai_url}

        async def play(shutdown: Shutdown) -> None:
            base_url = f"http://127.0.0.1:{port}"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_use_up(simulator, shutdown.asked), name="sample-quota")
                if has_traffic:
                    await sample_traffic.play(base_url, pace_s=_PACE_S, stop=shutdown.asked)

        await run.serve(
            paths,
            load=lambda _held: _load(paths, port, addresses),
            fingerprint=lambda: loader.fingerprint(paths),
            beside=play,
            opened=opened,
        )


def _write_history(paths: Paths, now: datetime) -> None:
    try:
        sample_traffic.write_history(paths.log_dir, now, _SEED)
        sample_quota.write_history(paths.log_dir, now, _SEED)
    except OSError as error:
        raise OfframpError(
            f"The demo's history can't be written to {paths.log_dir}: {error.strerror or error}.",
            hint=f"To use another folder: {HOME_VARIABLE}=FOLDER offramp demo",
        ) from error


async def _use_up(simulator: Simulator, stop: asyncio.Event) -> None:
    """Have the simulated plans used up as their sample history went on, until `stop` is set."""
    while not stop.is_set():
        now = datetime.now(UTC).astimezone()
        claude, zai = simulator.anthropic_quota, simulator.zai_quota
        claude.five_hour = sample_quota.used(ANTHROPIC, FIVE_HOURS, now, _SEED)
        claude.seven_day = sample_quota.used(ANTHROPIC, WEEK, now, _SEED)
        zai.five_hour_percent = 100 * sample_quota.used(DELEGATE.name, FIVE_HOURS, now, _SEED)
        zai.week_percent = 100 * sample_quota.used(DELEGATE.name, WEEK, now, _SEED)
        claude.resets = {"seven_day": int(sample_quota.resets(ANTHROPIC, WEEK, now).timestamp())}
        zai.week_resets_ms = int(sample_quota.resets(DELEGATE.name, WEEK, now).timestamp()) * 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_QUOTA_PACE_S):
                await stop.wait()


def _load(paths: Paths, port: int, addresses: dict[str, str]) -> LoadedSettings:
    """The demo's own settings, its backends turned to the simulator."""
    loaded = loader.load(paths, {}, is_demo=True)
    backends = tuple(
        msgspec.structs.replace(
            backend,
            base_url=addresses[backend.name],
            key=None if backend.auth == "client" else _KEY,
        )
        for backend in loaded.settings.backends
        if backend.name in addresses
    )
    routes = tuple(route for route in loaded.settings.routes if route.backend in addresses)
    settings = msgspec.structs.replace(
        loaded.settings, port=port, log_dir=paths.log_dir, backends=backends, routes=routes
    )
    notes = (
        own_name.in_hints(
            "Demo: both services are simulated. To see its numbers: offramp stats --demo"
        ),
        f"Simulated Claude: {addresses[ANTHROPIC]}; Z.ai: {addresses[DELEGATE.name]}",
    )
    return dataclasses.replace(loaded, settings=settings, notes=(*notes, *loaded.notes))
