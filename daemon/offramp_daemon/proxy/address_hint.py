"""Says in words what may be wrong where something else answers in a backend's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.config.schema import SHORTHANDS
from offramp_core.services import service_of

if TYPE_CHECKING:
    from offramp_core.settings import Backend

_EXAMPLE = "https://api.example.com/anthropic"


def sentence(backend: Backend) -> str:
    """What to check, for the user whose request failed."""
    service = service_of(backend.name)
    if _is_official(backend):
        return (
            f"Something on the way to {service.title} may have answered in its place: a proxy, "
            "a firewall, or the login page of a network."
        )
    example = service.backend.base_url or _EXAMPLE
    return (
        f"{_setting(backend)} is probably wrong: it should be what stands before /v1/messages in "
        f"the service's address, such as {example}."
    )


def short(backend: Backend) -> str:
    """The same in a few words."""
    if _is_official(backend):
        return "something on the way may have answered in its place"
    return f"{_setting(backend)} may be wrong"


def _is_official(backend: Backend) -> bool:
    return backend.base_url == service_of(backend.name).backend.base_url


def _setting(backend: Backend) -> str:
    """The name of the setting that holds the address."""
    full = f"backend.{backend.name}.base_url"
    short_name = next((short for short, meant in SHORTHANDS.items() if meant == full), None)
    return short_name.upper() if short_name else f"base_url in [backend.{backend.name}]"
