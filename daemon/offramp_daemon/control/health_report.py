"""Answers `/health`: in a line, whether this daemon serves, and whether it can record."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from offramp_core import __version__
from offramp_daemon.wire import origin_guard

if TYPE_CHECKING:
    from offramp_core.settings import Backend, Settings
    from offramp_daemon.storage.jsonl_log import JsonlState


def answer(
    request: web.BaseRequest, settings: Settings, records: JsonlState, *, uptime_s: int
) -> web.Response:
    """Return the daemon's health, unless `request` comes from where it is none of its business."""
    refusal = origin_guard.refusal(request.headers, settings, peer=request.remote or "")
    if refusal is not None:
        # Enough for `offramp doctor`, which has no token to send to whoever may listen here.
        answer = {"status": "refused", "service": "offramp", "pid": os.getpid(), "why": refusal}
        return web.json_response(answer, status=403)
    body = {
        "status": "ok" if records.last_error is None else "degraded",
        "service": "offramp",
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": uptime_s,
        "backends": {
            backend.name: "ready" if _is_ready(backend) else "no key"
            for backend in settings.backends
        },
        "records": {
            "written": records.written,
            "waiting": records.waiting,
            "lost": records.lost,
            "last_error": records.last_error,
        },
    }
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _is_ready(backend: Backend) -> bool:
    return not backend.lacks_key
