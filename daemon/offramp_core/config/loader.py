"""Loads the settings: defaults, `config.toml`, `.env` and environment, each over the one before.

It reads files and writes none, but makes the key file private. `values` knows one value and its
refusal, `schema` every key, `toml_file` and `env_variables` the sources, `backends` what joins
backends and routes, `stored_keys` the keys that count where no setting gives one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from offramp_core.addresses import host_of, is_ip_address, is_loopback, is_self
from offramp_core.config import stored_keys
from offramp_core.config.backends import (
    BUILT_IN,
    build_backends,
    build_routes,
    check_failover,
    keyless_notes,
)
from offramp_core.config.env_variables import Variables
from offramp_core.config.schema import (
    BACKEND,
    KEEP,
    MIN_TOKEN_LENGTH,
    SETTINGS,
    SHORTHANDS,
    TRAY,
    reader_for,
)
from offramp_core.config.toml_file import FileValues, read_values
from offramp_core.config.values import ConfigError, Given
from offramp_core.keys import key_file, key_input
from offramp_core.keys.key_file import KeyFile
from offramp_core.services import KNOWN, service_of
from offramp_core.settings import KeepRules, Settings, TraySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from offramp_core.config.stored_keys import Filled, KeyMark
    from offramp_core.paths import Paths
    from offramp_core.settings import Backend, Route, Secret

__all__ = ["ConfigError", "FileMark", "LoadedSettings", "fingerprint", "load"]

FileMark = tuple[int, int, int]
"""Time of change (ns), size (bytes) and inode of a file."""

_KEEP_PREFIX = "keep_on_anthropic."
_TRAY_PREFIX = "tray."
_NOBODY = "http://127.0.0.1:9"
"""Stands for a backend of the user's in the demo, until the demo puts its simulator there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """The settings, where each comes from, and what the user should be told.

    `origins` maps every setting's full name (`port`, `keep_on_anthropic.images`,
    `backend.zai.base_url`, `route`, and the shorthands such as `zai_api_key`) to `default`, `file`,
    `environment NAME`, `.env NAME` or, for keys, `keyring` or `key file`. `notes` are whole
    sentences. `keyring_marks` are the keys that are the keyring's to give, given or not.
    """

    settings: Settings
    origins: Mapping[str, str]
    notes: tuple[str, ...]
    keyring_marks: tuple[KeyMark, ...] = ()

    @property
    def awaited_keys(self) -> tuple[str, ...]:
        """The backends whose key the keyring has not given yet."""
        names = (mark.backend for mark in self.keyring_marks)
        return tuple(name for name in names if self.settings.backend(name).key is None)


@dataclass(slots=True)
class _Chosen:
    """What won for each setting that somebody set, by full name, and where it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Given] = field(default_factory=dict)

    def take(self, name: str, given: Given) -> None:
        self.values[name] = reader_for(name)(given)
        self.sources[name] = given


def load(
    paths: Paths,
    environ: Mapping[str, str],
    *,
    is_demo: bool = False,
    file_text: str | None = None,
    from_keyring: Mapping[KeyMark, Secret] = MappingProxyType({}),
) -> LoadedSettings:
    """Load the settings from the files in `paths` and from `environ`.

    With `file_text` it is as if that were in `config.toml`. `from_keyring` holds the keys that the
    caller has got from the keyring, which may take long and is not asked here. The demo takes no
    key, no base URL and no log folder from anywhere.

    Raises:
        ConfigError: a value can't be used, or a file can't be read.
    """
    variables = Variables(environ, paths.env_file)
    from_file = read_values(paths.config_file, file_text)
    unset_key_variables = {} if is_demo else _follow_key_env(from_file, variables)
    candidates = _candidates(from_file, variables, is_demo=is_demo)
    chosen = _choose(candidates)
    _check_exposure(chosen)
    notes = [*_choose_addresses(candidates, chosen), *variables.notes()]
    _check_plain_http(chosen)
    filled, routes = _backends_and_routes(paths, from_file, chosen, from_keyring, is_demo=is_demo)
    failover = chosen.values.get("failover")
    if isinstance(failover, tuple):
        check_failover(chosen.sources["failover"], failover, filled.backends, routes)
    if not is_demo:
        awaited = {mark.backend for mark in filled.marks}
        notes += filled.notes
        notes += _odd_keys(chosen, filled.backends)
        notes += keyless_notes(
            filled.backends,
            routes,
            unset_key_variables,
            awaited,
            env_file=str(paths.env_file),
            failover=Settings(failover=chosen.values.get("failover", True)).failover_chain,
        )
    settings = Settings(
        keep_on_anthropic=KeepRules(**_below(_KEEP_PREFIX, chosen.values)),
        tray=TraySettings(**_below(_TRAY_PREFIX, chosen.values)),
        backends=filled.backends,
        routes=routes,
        **{name: chosen.values[name] for name in SETTINGS if name in chosen.values},
    )
    origins = _origins(
        settings, chosen.sources, filled.origins, has_routes=from_file.routes is not None
    )
    return LoadedSettings(
        settings=settings,
        origins=origins,
        notes=tuple(notes),
        keyring_marks=tuple(filled.marks),
    )


def _backends_and_routes(
    paths: Paths,
    from_file: FileValues,
    chosen: _Chosen,
    from_keyring: Mapping[KeyMark, Secret],
    *,
    is_demo: bool,
) -> tuple[Filled, tuple[Route, ...]]:
    """Build the backends with the keys that are stored for them, and the routes to them."""
    values = dict(chosen.values)
    if is_demo:
        own = (name for name in from_file.backend_names if name not in BUILT_IN)
        values |= {f"backend.{name}.base_url": _NOBODY for name in own}
    place = str(paths.config_file)
    backends = build_backends(from_file.backend_names, values, chosen.sources, place=place)
    routes = build_routes(from_file.routes, backends)
    stored = KeyFile() if is_demo else key_file.read(paths.keys_file)
    return stored_keys.fill(backends, stored, from_keyring, place=str(paths.keys_file)), routes


def fingerprint(paths: Paths) -> tuple[FileMark | None, ...]:
    """Mark each settings file with what differs once the file does; None where there is none."""
    return tuple(map(_mark, (paths.config_file, paths.env_file, paths.keys_file)))


def _mark(path: Path) -> FileMark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _follow_key_env(from_file: FileValues, variables: Variables) -> dict[str, str]:
    """Put what each `key_env` leads to in its place; return the unset variables by backend."""
    unset = {}
    for backend in from_file.with_key_env:
        name = f"backend.{backend}.key"
        found = variables.behind_key_env(from_file.values.pop(name))
        if isinstance(found, Given):
            from_file.values[name] = found
        else:
            unset[backend] = found
    return unset


def _candidates(
    from_file: FileValues, variables: Variables, *, is_demo: bool
) -> dict[str, list[Given]]:
    """All that was said of each setting, by full name, the strongest first."""
    candidates: dict[str, list[Given]] = {}
    for name, given in (*variables.settings(), *from_file.values.items()):
        if not is_demo or _is_for_demo(name):
            candidates.setdefault(name, []).append(given)
    return candidates


def _is_for_demo(name: str) -> bool:
    """Whether the demo may use this: it must reach no real service and no real history."""
    return name not in ("log_dir", "machine") and not name.endswith((".key", ".base_url"))


def _choose(candidates: Mapping[str, list[Given]]) -> _Chosen:
    """Read the strongest of each, base URLs aside, and check the file's even where they lose.

    A losing variable is not looked at: it may be another program's.
    """
    chosen = _Chosen()
    for name, (strongest, *others) in candidates.items():
        if not name.endswith(".base_url"):
            chosen.take(name, strongest)
        for given in others:
            if not given.is_text:
                reader_for(name)(given)
    return chosen


def _choose_addresses(candidates: Mapping[str, list[Given]], chosen: _Chosen) -> list[str]:
    """Choose the base URLs; return a note for each that is plainly misplaced and skipped.

    Users export ANTHROPIC_BASE_URL for Claude Code, to use this daemon or only Z.ai, and start the
    daemon from the same shell.
    """
    host = chosen.values.get("host", Settings().host)
    port = chosen.values.get("port", Settings().port)
    notes = []
    for name, givens in candidates.items():
        if not name.endswith(".base_url"):
            continue
        backend = name.split(".")[1]
        misplaced: list[tuple[Given, str]] = []
        for given in givens:
            url = reader_for(name)(given)
            what = "Offramp itself" if is_self(url, host=host, port=port) else _other(backend, url)
            if what is None:
                chosen.take(name, given)
                break
            misplaced.append((given, what))
        if misplaced and backend not in BUILT_IN:
            given, what = misplaced[0]
            raise given.refused(f"is {what}", hint="Set the address of the service itself.")
        for given, what in misplaced:
            instead = chosen.values.get(name) or BUILT_IN[backend].base_url
            notes.append(
                f"{given.place}: {given.label} is {given.value}, which is {what}; "
                f"using {instead} instead."
            )
    return notes


def _other(backend: str, url: str) -> str | None:
    """What `url` is, if it is where this backend's credentials must never go."""
    host = host_of(url)
    is_clients_own = service_of(backend).is_clients_own
    for service in KNOWN:
        if service.is_local:
            continue
        if service.is_clients_own != is_clients_own and host == host_of(service.backend.base_url):
            secret = "your Claude login" if is_clients_own else f"the key of {backend}"
            return f"{service.company}, which must not get {secret}"
    return None


def _check_exposure(chosen: _Chosen) -> None:
    """Beyond loopback whoever reaches the port could spend the keys, so a token is a must."""
    host = chosen.values.get("host", Settings().host)
    if not is_loopback(host) and "client_token" not in chosen.values:
        reached = "can be reached from other machines, which could then spend your keys"
        if not is_ip_address(host):
            reached = f"is not an IP address, and if it is a name of this machine, it {reached}"
        raise chosen.sources["host"].refused(
            reached,
            hint=f"Use 127.0.0.1, or set client_token, at least {MIN_TOKEN_LENGTH} characters, "
            "which every client must send.",
        )


def _check_plain_http(chosen: _Chosen) -> None:
    """Over http:// to another machine everybody on the way could read the keys and logins."""
    if chosen.values.get("plain_http", Settings().plain_http):
        return
    for name, url in chosen.values.items():
        is_plain = name.endswith(".base_url") and url.startswith("http://")
        if is_plain and not is_loopback(host_of(url)):
            raise chosen.sources[name].refused(
                "would send conversations, and any key or login, unencrypted to another machine",
                hint="Use https://. In a network that you trust, set plain_http = true.",
            )


def _odd_keys(chosen: _Chosen, backends: Iterable[Backend]) -> list[str]:
    """Say of each key in the settings that it does not look like one of its service."""
    notes = []
    for backend in backends:
        given = chosen.sources.get(f"backend.{backend.name}.key")
        service_host = host_of(service_of(backend.name).backend.base_url)
        if given is None or backend.key is None or host_of(backend.base_url) != service_host:
            continue
        if not key_input.has_usual_shape(backend.key, backend.name):
            notes.append(
                f"{given.place}: {given.label} does not look like a key for {backend.name}, which "
                f"is {key_input.USUAL_SHAPE}."
            )
    return notes


def _below(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def _origins(
    settings: Settings,
    sources: Mapping[str, Given],
    of_stored_keys: Mapping[str, str],
    *,
    has_routes: bool,
) -> Mapping[str, str]:
    names = [
        *SETTINGS,
        *SHORTHANDS,
        *(_KEEP_PREFIX + key for key in KEEP),
        *(_TRAY_PREFIX + key for key in TRAY),
        *(f"backend.{backend.name}.{key}" for backend in settings.backends for key in BACKEND),
    ]
    origins = {}
    for name in names:
        full_name = SHORTHANDS.get(name, name)
        source = sources.get(full_name)
        origins[name] = source.origin if source else of_stored_keys.get(full_name, "default")
    origins["route"] = "file" if has_routes else "default"
    return MappingProxyType(origins)
