"""A proxy in front of the stand-ins for Claude, for Z.ai, and for services of presets."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
from proxy_harness import RunningProxy, running_proxy, settings_for

from offramp_core.services import service_of
from offramp_core.settings import Route, Secret, Settings
from offramp_simulator.preset.rules import PRESETS
from offramp_simulator.preset.service import PresetService, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from offramp_daemon.proxy.failover import SharedState
    from offramp_simulator import Simulator

KEY = "pk-0123456789abcdef0123456789abcdef"


def route(name: str, match: str = "sonnet", **fields: Any) -> Route:
    """The route that is advised for a tier."""
    model = service_of(name).aliases.get(match)
    sent = model.name if model else "local-model"
    return Route(match=match, backend=name, **{"send_model": sent, **fields})


def with_presets(settings: Settings, urls: Mapping[str, str]) -> Settings:
    """`settings` with the presets of these names set up at these addresses."""
    added = []
    for name, url in urls.items():
        backend = service_of(name).backend
        key = Secret(KEY) if backend.takes_key else None
        added.append(msgspec.structs.replace(backend, base_url=url, key=key))
    return msgspec.structs.replace(settings, backends=(*settings.backends, *added))


@contextlib.asynccontextmanager
async def proxy_with(
    sim: Simulator,
    *names: str,
    routes: Sequence[Route] | None = None,
    shared: SharedState | None = None,
    **fields: Any,
) -> AsyncIterator[tuple[RunningProxy, dict[str, PresetService]]]:
    """A proxy with the presets of these names, whose requests `sim` keeps too."""
    async with contextlib.AsyncExitStack() as stack:
        services = {name: PresetService(sim.journal, PRESETS[name], key=KEY) for name in names}
        urls = {
            name: await stack.enter_async_context(running(each)) for name, each in services.items()
        }
        settings = with_presets(settings_for(sim.anthropic_url, sim.zai_url, **fields), urls)
        if routes is not None:
            settings = msgspec.structs.replace(settings, routes=tuple(routes))
        proxy = await stack.enter_async_context(running_proxy(settings, shared=shared))
        yield proxy, services
