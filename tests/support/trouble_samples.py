"""What keeps requests from being delegated, for the tests of all that show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from offramp_core.control import api
from offramp_core.control.api import (
    BackendStatus,
    ClientProblem,
    DelegationTrouble,
    ModelFallback,
    RecordsStatus,
    Status,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""A Wednesday."""


def trouble(cause: str = api.REFUSED, **fields: Any) -> DelegationTrouble:
    """Twenty Sonnet requests that Claude served in the last three hours."""
    values = {
        "backend": "zai",
        "model": "claude-sonnet-5-5",
        "since": NOW - timedelta(hours=3),
        "requests": 20,
        **fields,
    }
    return DelegationTrouble(cause=cause, **values)


def fallback(**fields: Any) -> ModelFallback:
    """Sonnet's name is replaced for the rest of the day."""
    values = {
        "backend": "zai",
        "model": "claude-sonnet-5-5",
        "sent": "GLM-4.7",
        "until": NOW + timedelta(hours=9),
        **fields,
    }
    return ModelFallback(**values)


def left(found: str | None = None) -> ClientProblem:
    """Claude Code's settings lost the address, or hold another one."""
    return ClientProblem(settings_file="/home/ada/.claude/settings.json", found=found)


def status_with(
    *troubles: DelegationTrouble, backend: BackendStatus | None = None, **fields: Any
) -> Status:
    """A daemon that runs, and what it knows of `troubles`."""
    return Status(
        pid=7,
        started=NOW - timedelta(minutes=1),
        uptime_s=60,
        address="http://localhost:3001",
        backends=(
            BackendStatus(name="anthropic", key="not needed"),
            backend or BackendStatus(name="zai", key="present"),
        ),
        records=RecordsStatus(written=0, waiting=0, lost=0),
        settings_file="config.toml",
        version="1.2.3",
        troubles=troubles,
        **fields,
    )
