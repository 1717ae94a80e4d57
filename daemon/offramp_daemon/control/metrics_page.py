"""Answers `/metrics`: to clients of this machine, and where a token is set to those that have it.

The same guards hold as for every request. Prometheus sends no header of our own, so the token may
come as it comes to all servers: `Authorization: Bearer`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from offramp_core.addresses import is_loopback
from offramp_daemon.wire import origin_guard
from offramp_daemon.wire.headers import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from offramp_core.control.api import Status
    from offramp_core.settings import Settings
    from offramp_daemon.clock import Clock
    from offramp_daemon.recording.metrics import Metrics

    Report = Callable[[web.BaseRequest], Awaitable[web.Response]]

_BEARER = "bearer "
_LOG = logging.getLogger(__name__)


def metrics_for(settings: Settings, clock: Clock, say: Callable[[str], None]) -> Metrics | None:
    """Return what counts for Prometheus; None where the settings don't ask for it."""
    if not settings.metrics:
        return None
    try:
        # Here, for it takes some milliseconds and memory, and few ask for it.
        from offramp_daemon.recording.metrics import Metrics

        return Metrics(clock)
    except Exception:  # noqa: BLE001 - whatever it is, requests are served
        _LOG.exception("The metrics for Prometheus could not be set up")
        say("/metrics does not work; the diagnostics say why.")
        return None


def report_for(
    metrics: Metrics | None, status: Callable[[], Status], settings: Callable[[], Settings]
) -> Report | None:
    """Return what answers with `metrics` and the daemon's `status`; None without metrics."""
    if metrics is None:
        return None

    async def report(request: web.BaseRequest) -> web.Response:
        refusal = _refusal(request, settings())
        if refusal is not None:
            return web.Response(status=403, text=f"Offramp: {refusal}\n")
        now = status()
        # This request is one of those in flight.
        metrics.snapshot(now, max(0, now.in_flight - 1))
        accept = request.headers.get("Accept", "")
        body, content_type = await asyncio.to_thread(metrics.encode, accept)
        return web.Response(body=body, headers={"Content-Type": content_type})

    return report


def _refusal(request: web.BaseRequest, settings: Settings) -> str | None:
    peer = request.remote or ""
    if settings.client_token is None and not is_loopback(peer):
        return "Metrics are for this machine only. To serve others, set client_token."
    headers = CIMultiDict(request.headers)
    given = headers.get("Authorization", "")
    if TOKEN_HEADER not in headers and given.lower().startswith(_BEARER):
        headers[TOKEN_HEADER] = given[len(_BEARER) :].strip()
    return origin_guard.refusal(headers, settings, peer=peer)
