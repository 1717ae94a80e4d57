"""Moves what only the shell knows to where a daemon finds it that a service manager starts.

Keys go into the key store, proxy and certificate variables into `.env`. Nothing that is set there
already is replaced. First a plan, then its application; no text of either shows a credential.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.config import dotenv, loader, proxy_variables
from offramp_core.config.env_variables import setting_variables
from offramp_core.config.stored_keys import FROM_KEYRING
from offramp_core.config.text_file import read_text
from offramp_core.config.values import shown
from offramp_core.errors import OfframpError
from offramp_core.keys import key_input
from offramp_core.keys.key_store import KeyStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths
    from offramp_core.settings import Backend, Secret

_ENVIRONMENT = "environment "
_OTHER_SETTINGS = setting_variables() - {"ZAI_API_KEY", "OFFRAMP_ZAI_API_KEY"}
_PRIVATE_MODE = 0o600
_HEADING = "# From the shell's environment, for the daemon, which does not see it."
_PLAIN = re.compile(r"[\w.:/@%+,*=\[\]-]+", re.ASCII)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class KeyMove:
    """A key that goes into the key store."""

    backend: str
    variable: str
    key: Secret


@dataclass(frozen=True, slots=True)
class VariableMove:
    """A variable that goes into `.env`."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """What would be moved; `remarks` are sentences on what stays though the shell has another."""

    paths: Paths
    keys: tuple[KeyMove, ...] = ()
    variables: tuple[VariableMove, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to move."""
        return not (self.keys or self.variables)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What `apply` would do, and the remarks."""
        keys = (
            f"The key for {move.backend} in {move.variable} ({move.key.masked()}), which only "
            "this shell has, is copied to the key store."
            for move in self.keys
        )
        variables = (
            f"{move.name} ({shown(move.value)}), which only this shell has, is copied to "
            f"{self.paths.env_file} (mode 0600)."
            for move in self.variables
        )
        return (*keys, *variables, *self.remarks)


def plan_move(paths: Paths, environ: Mapping[str, str]) -> MigrationPlan:
    """Plan to move the keys and proxies that only `environ` knows, given the settings in `paths`.

    Raises:
        ConfigError: the settings can't be read.
    """
    # Without the shell's other settings: what is wrong there is not the daemon's concern.
    in_shell = loader.load(paths, {n: v for n, v in environ.items() if n not in _OTHER_SETTINGS})
    without_shell = loader.load(paths, {})
    keys, remarks = _keys(in_shell, without_shell)
    variables, more = _variables(paths, environ)
    return MigrationPlan(
        paths=paths,
        keys=tuple(keys),
        variables=tuple(variables),
        remarks=(*remarks, *more),
    )


def apply(plan: MigrationPlan, store: KeyStore | None = None) -> tuple[str, ...]:
    """Do it, keys into `store`; return what was done, as sentences.

    Raises:
        OfframpError: something could not be written; what was moved before that stays moved, and
            the next plan leaves it out.
    """
    store = store or KeyStore(plan.paths)
    done = []
    for move in plan.keys:
        kept = store.set(move.backend, move.key)
        where = f"the system keyring ({kept.where})" if kept.place == "keyring" else kept.where
        why = f" {kept.obstacle.title}" if kept.obstacle and not kept.was_in_keyring else ""
        done.append(f"The key for {move.backend} from {move.variable} is now in {where}.{why}")
    if plan.variables:
        _write(plan.paths.env_file, plan.variables)
        done += [f"{move.name} is now in {plan.paths.env_file}." for move in plan.variables]
    return tuple(done)


def _keys(
    in_shell: LoadedSettings, without_shell: LoadedSettings
) -> tuple[list[KeyMove], list[str]]:
    moves, remarks = [], []
    for backend in filter(key_input.takes_key, in_shell.settings.backends):
        name = f"backend.{backend.name}.key"
        origin = in_shell.origins[name]
        if not origin.startswith(_ENVIRONMENT) or backend.key is None:
            continue
        variable = origin.removeprefix(_ENVIRONMENT)
        without = without_shell.settings.backend(backend.name)
        if without.key is None and without_shell.origins[name] != FROM_KEYRING:
            problem = _problem(backend.key, backend)
            if problem is None:
                moves.append(KeyMove(backend.name, variable, backend.key))
            else:
                remarks.append(f"{variable} is not copied. {problem}")
        elif without.key != backend.key and without_shell.origins[name] != FROM_KEYRING:
            remarks.append(
                f"{variable} has a different key for {backend.name} than the daemon uses, and is "
                f"not copied. To use it: offramp key set {backend.name}"
            )
    return moves, remarks


def _problem(key: Secret, backend: Backend) -> str | None:
    """Why this can't be a key for `backend`."""
    try:
        key_input.parse(key.reveal(), backend.name)
    except key_input.KeyTextError as error:
        return error.title
    return None


def _variables(paths: Paths, environ: Mapping[str, str]) -> tuple[list[VariableMove], list[str]]:
    in_file = {name: each.value for name, each in dotenv.read(paths.env_file).items()}
    moves, remarks = [], []
    for name in (*proxy_variables.PROXIES, *proxy_variables.CERTIFICATES):
        found = proxy_variables.find(name, environ)
        if found is None or not found[1].strip():
            continue
        variable, value = found[0], found[1].strip()
        if name in proxy_variables.CERTIFICATES:
            value = _absolute(value)
        present = proxy_variables.find(name, in_file)
        if present is None or not present[1]:
            problem = _obstacle(name, value)
            if problem:
                remarks.append(f"{variable} ({shown(value)}) is not copied: {problem}.")
            else:
                moves.append(VariableMove(variable, value))
        elif present[1] != value:
            remarks.append(
                f"{variable} is {shown(value)} in this shell and {shown(present[1])} in "
                f"{paths.env_file}: the daemon uses the latter."
            )
    return moves, remarks


def _obstacle(name: str, value: str) -> str | None:
    """Why the daemon would be worse off with this than without it."""
    if not value.isprintable():
        return "it contains a control character"
    if name in proxy_variables.CERTIFICATES:
        is_there = any(Path(each).exists() for each in value.split(os.pathsep))
        return None if is_there else "there is no such file"
    scheme, separator, _ = value.partition("://")
    if name != "NO_PROXY" and separator and scheme.lower() not in {"http", "https"}:
        return "the daemon supports only http:// and https:// proxies, and would reach nothing"
    return None


def _absolute(value: str) -> str:
    """Paths that hold wherever the daemon starts; SSL_CERT_DIR may be a list of them."""
    return os.pathsep.join(str(Path(each).absolute()) for each in value.split(os.pathsep))


def _write(env_file: Path, moves: tuple[VariableMove, ...]) -> None:
    """Add a line for each to a file that only its owner may read: a proxy's may hold a password."""
    before = atomic_file.read(env_file)
    text = read_text(env_file) or ""
    lines = [_HEADING, *(f"{move.name}={quoted(move.value)}" for move in moves)]
    gap = "" if not text or text.endswith("\n") else "\n"
    added = gap + ("\n" if text else "") + "\n".join(lines) + "\n"
    if before is not None:
        _make_private(env_file)
    atomic_file.write(env_file, (before or b"") + added.encode(), before=before)


def _make_private(env_file: Path) -> None:
    try:
        env_file.chmod(_PRIVATE_MODE)
    except OSError as error:
        raise OfframpError(
            f"{env_file} can't be made private: {error.strerror}. Nothing was written to it.",
            hint="Others must not be able to read it: check whose file it is.",
        ) from error


def quoted(value: str) -> str:
    """`value` as `.env` takes it back unchanged."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    return '"' + "".join(_ESCAPES.get(each, each) for each in value) + '"'
