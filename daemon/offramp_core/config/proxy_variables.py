"""The system's own variables for connections out, which `.env` may set as well.

A daemon that a service manager starts does not see the shell's. As with settings, the environment
wins over `.env`; here a variable that is set and empty counts as set, for it means "no proxy".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.config import dotenv
from offramp_core.redaction import mask_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
"""Known in lower case too, which is the one that counts where both are set."""

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
"""Paths of certificates to trust; the last is Node's, whose name users of Claude Code know."""


def spellings(name: str) -> tuple[str, ...]:
    """List all names of one variable, the strongest first."""
    return (name.lower(), name) if name in PROXIES else (name,)


def find(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Find the variable and its value in `environ`; None if it is not set."""
    return next(((each, environ[each]) for each in spellings(name) if each in environ), None)


def shown(name: str, value: str) -> str:
    """Return the `value` of the variable of this upper-case `name` without a login."""
    return value if name in CERTIFICATES else mask_address(value)


def all_shown(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set in `environ`, by upper-case names, without logins."""
    found = {name: find(name, environ) for name in (*PROXIES, *CERTIFICATES)}
    return {name: shown(name, variable[1]) for name, variable in found.items() if variable}


def from_file(env_file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Read what `env_file` sets and `environ` does not.

    Raises:
        ConfigError: the file can't be read.
    """
    in_file = {name: variable.value for name, variable in dotenv.read(env_file).items()}
    found = {}
    for name in (*PROXIES, *CERTIFICATES):
        setting = find(name, in_file)
        if setting is not None and setting[1] and find(name, environ) is None:
            found[setting[0]] = setting[1]
    return found
