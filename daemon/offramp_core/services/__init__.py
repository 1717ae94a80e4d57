"""What is known of each service: one file a service, and this list of them.

To add a service that speaks Anthropic's protocol, write its file and add it to `PRESETS`. One that
needs nothing special needs no file: a `[backend.NAME]` table in `config.toml` is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.services import (
    anthropic,
    bigmodel,
    deepseek,
    kimi,
    local,
    minimax,
    openrouter,
    qwen,
    zai,
)
from offramp_core.services.other import OTHER
from offramp_core.services.service import ErrorKind, Fact, Model, QuotaPage, Service

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DELEGATE",
    "KNOWN",
    "OTHER",
    "PRESETS",
    "SERVICES",
    "ErrorKind",
    "Fact",
    "Model",
    "QuotaPage",
    "Service",
    "in_order",
    "rank",
    "service_of",
]

SERVICES: tuple[Service, ...] = (anthropic.SERVICE, zai.SERVICE)
"""Those that are always there, in the order in which they are shown."""

PRESETS: tuple[Service, ...] = (
    bigmodel.SERVICE,
    kimi.SERVICE,
    deepseek.SERVICE,
    minimax.SERVICE,
    qwen.SERVICE,
    qwen.SERVICE_CHINA,
    openrouter.SERVICE,
    *local.SERVICES,
)
"""Those that are there once the user adds them; an empty table `[backend.NAME]` does."""

KNOWN: tuple[Service, ...] = (*SERVICES, *PRESETS)
"""All of which something is known."""

_BY_NAME = {service.name: service for service in KNOWN}

DELEGATE = zai.SERVICE
"""The one that gets execution work where the user sets nothing else."""


def service_of(backend: str) -> Service:
    """What is known of the service behind the backend of that name."""
    return _BY_NAME.get(backend, OTHER)


def in_order(backends: Iterable[str | None]) -> tuple[str | None, ...]:
    """Return each of `backends` once, in the order in which all who show them show them.

    Claude, the others by name, and none last: an order that no number changes.
    """
    return tuple(sorted(set(backends), key=rank))


def rank(backend: str | None) -> tuple[bool, bool, str]:
    """Return what `in_order` sorts by."""
    return (backend is None, backend != anthropic.NAME, backend or "")
