"""Settings that come from variables: the process's environment with `.env` behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.config import dotenv
from offramp_core.config.schema import (
    LISTS,
    PLAIN_VARIABLES,
    SECRETS,
    SETTINGS,
    SHORTHANDS,
    variable_name,
)
from offramp_core.config.values import ENVIRONMENT, ConfigError, Given, nearest, shown_key
from offramp_core.paths import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PREFIX = "OFFRAMP_"
_VARIABLES: Mapping[str, str] = {
    _PREFIX + key.upper(): key for key in (*SETTINGS, *SHORTHANDS) if key not in LISTS
}
"""Our own variables and the key that each sets."""


class Variables:
    """Both sources of variables; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str], env_file: Path) -> None:
        """Read `env_file`, which stands behind `environ`.

        Raises:
            ConfigError: the file can't be read, or sets what is ours but no setting.
        """
        self._environ = environ
        self._in_file = dotenv.read(env_file)
        self._env_file = env_file
        self._refuse_unknown()

    def settings(self) -> Iterator[tuple[str, Given]]:
        """List each setting that a variable holds, by full name, the stronger variable first."""
        for strongest, key in _VARIABLES.items():
            names = (strongest, key.upper()) if key in PLAIN_VARIABLES else (strongest,)
            for given in self._find(names, is_secret=key in SECRETS):
                yield SHORTHANDS.get(key, key), given

    def behind_key_env(self, key_env: Given) -> Given | str:
        """Find the key that a `key_env` leads to, or the name of the variable if that is unset."""
        name = variable_name(key_env)
        return next(self._find((name,), is_secret=True), name)

    def notes(self) -> Iterator[str]:
        """Say of each variable of the environment that is nearly one of ours what it should be."""
        for name in sorted(self._environ):
            if _is_unknown(name) and (hint := _hint(name)):
                yield f"The environment variable {shown_key(name)} has no effect. {hint}"

    def _find(self, names: tuple[str, ...], *, is_secret: bool) -> Iterator[Given]:
        for name in names:
            value = self._environ.get(name, "").strip()
            if value:
                yield _given(name, names[0], value, ENVIRONMENT, is_secret=is_secret)
        for name in names:
            variable = self._in_file.get(name)
            if variable is not None and variable.value.strip():
                place = f"{self._env_file} line {variable.line}"
                yield _given(name, names[0], variable.value, place, is_secret=is_secret)

    def _refuse_unknown(self) -> None:
        """`.env` is a file of ours, so that a wrong name there is a slip, as in `config.toml`."""
        for name, variable in self._in_file.items():
            if name == HOME_VARIABLE:
                hint = "It decides where this file is, so set it in the environment."
            elif _is_unknown(name):
                hint = _hint(name)
            else:
                continue
            raise ConfigError(
                f"{self._env_file} line {variable.line}: {shown_key(name)} can't be set here.",
                hint=hint or f"Variables of this file: {_PREFIX} and a setting's name.",
            )


def setting_variables() -> frozenset[str]:
    """List every variable that holds a setting."""
    return frozenset(_VARIABLES) | {key.upper() for key in PLAIN_VARIABLES}


def _given(name: str, strongest: str, value: str, place: str, *, is_secret: bool) -> Given:
    kind = "environment" if place == ENVIRONMENT else ".env"
    return Given(
        label=name,
        place=place,
        origin=f"{kind} {name}",
        value=value,
        is_text=True,
        is_secret=is_secret,
        rival="" if name == strongest else strongest,
    )


def _hint(name: str) -> str:
    """What was probably meant by a `name` that is not ours, or nothing."""
    key = name.removeprefix(_PREFIX).lower()
    if key in LISTS:
        return f"A list such as {key} can be set in config.toml only."
    # By what follows the prefix, which would make all names alike.
    near = nearest(key, _VARIABLES.values())
    return f"Did you mean {_PREFIX}{near.upper()}?" if near else ""


def _is_unknown(name: str) -> bool:
    return name.startswith(_PREFIX) and name not in _VARIABLES and name != HOME_VARIABLE
