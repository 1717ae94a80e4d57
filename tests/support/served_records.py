"""Records of served requests, as the status line reads them."""

from __future__ import annotations

from typing import Any

from offramp_core.usage.records import RequestRecord


def record_of(
    reason: str | None = "route sonnet", backend: str | None = "zai", **fields: Any
) -> RequestRecord:
    """A Sonnet request that `backend` served."""
    values = {
        "ts": "2026-11-25T13:00:00.000Z",
        "model": "claude-sonnet-5-5",
        "served_model": "glm-4.7" if backend == "zai" else "claude-sonnet-5-5",
        "status": "ok",
        **fields,
    }
    return RequestRecord(reason=reason, backend=backend, **values)
