"""Says which services can be added and which are, what uses each, and what to write for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from offramp_core.addresses import base_url_problem, normal_base_url
from offramp_core.config.toml_file import BACKEND_NAME
from offramp_core.config.values import did_you_mean, listed, shown
from offramp_core.errors import OfframpError
from offramp_core.services import PRESETS, SERVICES, service_of

if TYPE_CHECKING:
    from offramp_core.config.editor import Changes
    from offramp_core.config.loader import LoadedSettings
    from offramp_core.services import Service
    from offramp_core.settings import Backend, Settings

KeyState = Literal["present", "missing", "not needed", "in the keyring"]
_ALWAYS_THERE = frozenset(service.name for service in SERVICES)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendEntry:
    """One service: a preset, or a backend that the user has set up."""

    name: str
    service: Service
    backend: Backend
    """As it is set up, or as it would be."""
    is_set_up: bool
    key: KeyState
    routes: tuple[str, ...]
    """What the routes that lead to it match."""
    is_in_failover: bool

    @property
    def title(self) -> str:
        """What people call it."""
        return self.service.title or self.name

    @property
    def can_be_removed(self) -> bool:
        """Whether it has a table of its own that nothing uses."""
        return self.is_set_up and self.name not in _ALWAYS_THERE and not self.uses

    @property
    def uses(self) -> tuple[str, ...]:
        """What leads to it, in words."""
        found = tuple(f"the route for {match}" for match in self.routes)
        return (*found, "failover") if self.is_in_failover else found


def entries(loaded: LoadedSettings) -> tuple[BackendEntry, ...]:
    """List all backends beside Claude that are set up, then the presets that are not."""
    settings = loaded.settings
    there = {backend.name for backend in settings.backends}
    presets = [service.backend for service in PRESETS if service.name not in there]
    return tuple(
        _entry(backend.name, backend, loaded, is_set_up=backend.name in there)
        for backend in (*settings.backends, *presets)
        if backend.auth != "client"
    )


def _entry(name: str, backend: Backend, loaded: LoadedSettings, *, is_set_up: bool) -> BackendEntry:
    settings = loaded.settings
    key: KeyState = "missing" if backend.lacks_key else "present"
    if not backend.takes_key:
        key = "not needed"
    elif name in loaded.awaited_keys:
        key = "in the keyring"
    return BackendEntry(
        name=name,
        service=service_of(name),
        backend=backend,
        is_set_up=is_set_up,
        key=key,
        routes=tuple(route.match for route in settings.routes if route.backend == name),
        is_in_failover=name in settings.failover_chain,
    )


def addition(
    settings: Settings, name: str, base_url: str | None = None, auth: str | None = None
) -> Changes:
    """Say what to write for a backend of that name; the editor checks the rest.

    Raises:
        OfframpError: it is there already, or has no address.
    """
    if any(backend.name == name for backend in settings.backends):
        raise OfframpError(
            f"{name} is set up already.",
            hint=f"To change its key: offramp key set {name}. The rest is in config.toml.",
        )
    if not BACKEND_NAME.fullmatch(name):
        raise OfframpError(
            f"{shown(name)} is not a valid name for a service.",
            hint="Use lower-case letters, digits, - and _ only.",
        )
    known = service_of(name).backend
    if base_url is None and not known.base_url:
        names = [service.name for service in PRESETS]
        near = did_you_mean(name, names)
        raise OfframpError(
            f"No service called {shown(name)} is known.",
            hint=f"Choose {listed(names)}. {near} For any other, name its address: --url "
            "https://…".replace("  ", " "),
        )
    if base_url is not None and (problem := base_url_problem(base_url)):
        raise OfframpError(
            f"The address {shown(base_url)} {problem}.",
            hint="Use scheme, host and, where needed, port and path: https://host/path.",
        )
    values = {"base_url": normal_base_url(base_url) if base_url else known.base_url}
    if auth is not None:
        values["auth"] = auth
    return {f"backend.{name}": values}


def removal(loaded: LoadedSettings, name: str) -> Changes:
    """Say what to write so that the backend of that name is gone.

    Raises:
        OfframpError: it is not there, is always there, or something uses it.
    """
    entry = next((each for each in entries(loaded) if each.name == name), None)
    if name in _ALWAYS_THERE:
        raise OfframpError(
            f"{name} is built in and can't be removed.",
            hint=f"If no route names it, nothing goes to {name}.",
        )
    if entry is None or not entry.is_set_up:
        raise OfframpError(
            f"{shown(name)} is not set up.", hint="To see what is: offramp backend list"
        )
    if entry.uses:
        raise OfframpError(
            f"{name} is in use: {' and '.join(entry.uses)}.",
            hint="Change that in config.toml first (offramp config path), then remove it.",
        )
    return {f"backend.{name}": None}


def suggested_routes(name: str) -> str:
    """The lines of `config.toml` that send Sonnet and Haiku to the backend of that name."""
    service = service_of(name)
    lines = []
    for tier in ("sonnet", "haiku"):
        model = service.aliases.get(tier)
        lines += ["[[route]]", f'match = "{tier}"', f'backend = "{name}"']
        if model is not None:
            lines.append(f'send_model = "{model.name}"')
            if model.context_tokens is not None:
                lines.append(f"context_tokens = {model.context_tokens}")
        else:
            lines.append('send_model = "THE-MODEL"')
        lines.append("")
    return "\n".join(lines).rstrip()
