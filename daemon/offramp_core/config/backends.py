"""Builds the backends and routes from the values that were set, and checks what joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from offramp_core.config.schema import BACKEND, ROUTE, SHORTHANDS
from offramp_core.config.values import ConfigError, Given, did_you_mean, listed, shown, shown_key
from offramp_core.services import OTHER, PRESETS, SERVICES, service_of
from offramp_core.settings import ANTHROPIC, Backend, Route, default_routes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

BUILT_IN: Mapping[str, Backend] = {service.name: service.backend for service in SERVICES}


_PRESETS = frozenset(service.name for service in PRESETS)
_KEY_SHORTHANDS = {
    full.split(".")[1]: short for short, full in SHORTHANDS.items() if full.endswith(".key")
}
"""The top-level settings that hold the key of a backend."""


def build_backends(
    names: Iterable[str], values: Mapping[str, Any], sources: Mapping[str, Given], *, place: str
) -> tuple[Backend, ...]:
    """Build the built-in backends, then those of `names`, with what `values` sets by full name.

    `sources` says where each value comes from; `place` is the file, for what is missing in it.
    """
    ordered = dict.fromkeys((*BUILT_IN, *names))
    return tuple(_backend(name, values, sources, place) for name in ordered)


def _backend(
    name: str, values: Mapping[str, Any], sources: Mapping[str, Given], place: str
) -> Backend:
    full_names = {key: f"backend.{name}.{key}" for key in BACKEND}
    fields = {key: values[full] for key, full in full_names.items() if full in values}
    base = service_of(name).backend
    if not base.base_url and "base_url" not in fields:
        raise ConfigError(
            f"{place}: [backend.{name}] has no base_url.",
            hint='Add the address of the service: base_url = "https://api.example.com/anthropic"',
        )
    backend = msgspec.structs.replace(base, name=name, **fields)
    if "auth" in fields:
        _check_auth(backend, sources[full_names["auth"]])
    elif backend.auth == "none" and "key" in fields:  # a server on which keys were switched on
        backend = msgspec.structs.replace(backend, auth=OTHER.backend.auth)
    if backend.auth == "none" and "key" in fields:
        raise sources[full_names["key"]].refused(
            f"is a key for {name}, which gets none",
            hint='Leave it out, or set auth to "x-api-key" or "bearer".',
        )
    if backend.auth == "client" and "key" in fields:
        raise sources[full_names["key"]].refused(
            f"is a key for {name}, which gets the client's own credentials",
            hint="Remove it"
            + ("." if name == ANTHROPIC else ', or set auth to "x-api-key" or "bearer".'),
        )
    return backend


def _check_auth(backend: Backend, source: Given) -> None:
    if backend.name == ANTHROPIC and backend.auth != "client":
        raise source.refused(
            "would replace the client's own credentials at Anthropic",
            hint="Remove it: everything that is not delegated goes there on the user's own plan. "
            "For a service with a key, add a backend with another name and a route to it.",
        )
    service = service_of(backend.name)
    if backend.auth == "client" and service is not OTHER and not service.is_clients_own:
        raise source.refused(
            f"would send the client's credentials to {service.company}",
            hint=f'Use "x-api-key" or "bearer": {service.company} gets its own key and nothing '
            "else.",
        )


def build_routes(
    tables: Sequence[Mapping[str, Given]] | None, backends: Sequence[Backend]
) -> tuple[Route, ...]:
    """Build the routes of the file, which replace the default list; None keeps that list."""
    if tables is None:
        return default_routes()
    return tuple(_route(table, {backend.name: backend for backend in backends}) for table in tables)


def _route(table: Mapping[str, Given], backends: Mapping[str, Backend]) -> Route:
    route = Route(**{key: ROUTE[key](given) for key, given in table.items()})
    backend = backends.get(route.backend)
    if backend is None:
        near = did_you_mean(route.backend, backends)
        raise table["backend"].refused(
            "is not a backend",
            hint=f"Use {listed(backends)}. {near or 'Or add a table [backend.NAME].'}",
        )
    for key in ("send_model", "fallback_model"):
        if key in table and backend.auth == "client":
            raise table[key].refused(
                f"would change a request to {backend.name}",
                hint="Remove it: requests with the client's own credentials are sent unchanged.",
            )
    return route


def check_failover(
    given: Given, chain: Sequence[str], backends: Sequence[Backend], routes: Sequence[Route]
) -> None:
    """Refuse a failover that leads nowhere, or back to the backend that failed.

    Raises:
        ConfigError: it names an unknown backend, one that gets the client's own credentials, or
            one that all delegated requests go to anyway.
    """
    known = {backend.name: backend for backend in backends}
    routed = {r.backend for r in routes if known[r.backend].auth != "client"}
    for name in chain:
        if name == ANTHROPIC:
            continue
        if name not in known:
            add = f"Or add it: offramp backend add {name if name in _PRESETS else 'NAME'}"
            near = did_you_mean(name, known)
            raise given.refused(
                f"names {shown(name)}, which is not a backend",
                hint=f"Use {listed(known)}. {near or add}",
            )
        if known[name].auth == "client":
            raise given.refused(
                f"names {name}, which gets the client's own credentials",
                hint=f"Name delegates, and {ANTHROPIC} as the last.",
            )
        if routed == {name}:
            raise given.refused(
                f"names {name}, which all routes already use",
                hint=f"Leave {name} out, or name another backend.",
            )


def keyless_notes(
    backends: Iterable[Backend],
    routes: Sequence[Route],
    unset: Mapping[str, str],
    awaited: Collection[str],
    *,
    env_file: str,
    failover: Collection[str] = (),
) -> tuple[str, ...]:
    """Say of each backend that a route or the failover names that it can't be used without a key.

    `unset` holds, by backend, the variable that its `key_env` names and that is not set;
    `awaited` names those whose key the keyring holds.
    """
    routed = {route.backend for route in routes}
    notes = []
    for backend in backends:
        if backend.name not in {*routed, *failover} or not backend.lacks_key:
            continue
        is_routed = backend.name in routed
        without = "its requests go to Claude" if is_routed else "failover skips it"
        if backend.name in awaited:
            notes.append(
                f"The key for {backend.name} is in the system keyring. Until the daemon has read "
                f"it, {without}."
            )
            continue
        table = f"[backend.{backend.name}] of config.toml"
        if backend.name in unset:
            name = shown_key(unset[backend.name])
            cure = f"set {name}, which its key_env names, in the environment or in {env_file}, "
            cure += f"or set key instead in {table}"
        elif shorthand := _KEY_SHORTHANDS.get(backend.name):
            cure = f"set {shorthand.upper()} in the environment or in {env_file}, "
            cure += f"or {shorthand} in config.toml"
        else:
            cure = f"set key in {table}, or key_env there to the name of a variable "
            cure += f"in the environment or in {env_file}"
        notes.append(
            f"There is no key for {backend.name}: {without}. "
            f"Store one: offramp key set {backend.name}. Or {cure}."
        )
    return tuple(notes)
