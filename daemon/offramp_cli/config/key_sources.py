"""Where each backend's key comes from, for the commands that show, set and delete keys."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offramp_cli.options import WrongArgumentError
from offramp_core.config import loader, proxy_variables, values
from offramp_core.config.stored_keys import FROM_KEY_FILE, FROM_KEYRING
from offramp_core.errors import OfframpError
from offramp_core.keys.key_input import takes_key

if TYPE_CHECKING:
    from offramp_core.config.loader import LoadedSettings
    from offramp_core.keys.key_store import KeyStore
    from offramp_core.paths import Paths
    from offramp_core.settings import Backend, Secret

STORED = (FROM_KEYRING, FROM_KEY_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """One backend's key as these settings have it; `problem` is why it can't be had."""

    backend: str
    key: Secret | None
    origin: str
    """As in `LoadedSettings.origins`; "none" where there is no key."""
    where: str
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Fit to be printed: masked."""
        return {
            "backend": self.backend,
            "key": self.key.masked() if self.key else None,
            "origin": self.origin,
            "where": self.where,
            "problem": self.problem,
        }


def load(paths: Paths) -> LoadedSettings:
    """Load the settings as this shell sees them; its connections go out as the daemon's do."""
    os.environ.update(proxy_variables.from_file(paths.env_file, os.environ))
    return loader.load(paths, os.environ)


def _why_no_key(backend: Backend) -> str:
    if backend.auth == "none":
        return (
            f'{backend.name} gets no key. If it wants one, set auth = "bearer" or "x-api-key" in '
            f"[backend.{backend.name}] of config.toml first."
        )
    return f"{backend.name} gets the credentials that Claude Code sends, so it has no key here."


def backend_named(name: str, loaded: LoadedSettings) -> Backend:
    """Find the backend of that name, which takes a key.

    Raises:
        WrongArgumentError: there is none, or it gets the client's own credentials, or none.
    """
    with_key = [each for each in loaded.settings.backends if takes_key(each)]
    for backend in loaded.settings.backends:
        if backend.name == name and takes_key(backend):
            return backend
        if backend.name == name:
            raise WrongArgumentError(
                _why_no_key(backend), hint=f"Keys can be stored for: {_listed(with_key)}."
            )
    # Masked where it looks like a key: one may have been given in the name's place.
    raise WrongArgumentError(
        f"There is no service called {values.shown(name)}.",
        hint=f"Keys can be stored for: {_listed(with_key)}. Type the key at the prompt or pipe it "
        "in; as an argument, others could see it, and the shell would keep it in its "
        "history.",
    )


def source_of(backend: Backend, loaded: LoadedSettings, paths: Paths) -> KeySource:
    """Say where the key of `backend` comes from, the keyring not asked."""
    origin = loaded.origins[f"backend.{backend.name}.key"]
    if backend.key is None and origin != FROM_KEYRING:
        origin = "none"
    return KeySource(
        backend=backend.name, key=backend.key, origin=origin, where=origin_text(origin, paths)
    )


def with_stored_key(source: KeySource, store: KeyStore) -> KeySource:
    """`source` with the key that the keyring gives, or why it gives none."""
    if source.origin != FROM_KEYRING:
        return source
    try:
        key = store.get(source.backend)
    except OfframpError as error:
        return dataclasses.replace(source, problem=error.title)
    problem = None if key else "The keyring does not have this key."
    return dataclasses.replace(source, key=key, problem=problem)


def origin_text(origin: str, paths: Paths) -> str:
    """`origin` in the user's words, with the file where there is one."""
    kind, _, name = origin.partition(" ")
    if origin == FROM_KEY_FILE:
        return str(paths.keys_file)
    if origin == FROM_KEYRING:
        return "the system keyring"
    match kind:
        case "file":
            return str(paths.config_file)
        case ".env":
            return f"{name} in {paths.env_file}"
        case "environment":
            return f"{name} in the environment"
        case _:
            return "nowhere"


def _listed(backends: list[Backend]) -> str:
    return values.listed(backend.name for backend in backends)
