"""Sees what would keep a connected Claude Code from Offramp, or from its subscription login.

Every warning is a sentence or two for the user, and names a secret without showing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offramp_core import atomic_file
from offramp_core.claude_settings import bypasses, scopes
from offramp_core.claude_settings.editing import BASE_URL, ENV
from offramp_core.claude_settings.json_spans import SettingsTextError, read
from offramp_core.config.values import shown
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from offramp_core.claude_settings.locations import SettingsLocations

LOGIN_VARIABLES = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
"""Either silently takes the place of the subscription's login."""

KEY_HELPER = "apiKeyHelper"
"""The setting, a command, that does the same."""

_LOGIN_CURE = "Claude Code uses it instead of your subscription's login. Remove it."


def warnings(
    locations: SettingsLocations,
    user_text: str,
    environ: Mapping[str, str],
    *,
    url: str,
    is_own: Callable[[str], bool],
) -> list[str]:
    """List what stands in the way of `url`, given the user's settings as they are to be.

    Files that can't be read are skipped: Claude Code ignores them too.
    """
    found = list(_of_login(locations.user, _settings(user_text)))
    for name, path in locations.stronger():
        found += _of_stronger(name, path, is_own)
    for variable in LOGIN_VARIABLES:
        if environ.get(variable):
            found.append(f"{variable} is set in this environment. {_LOGIN_CURE}")
    exported = environ.get(BASE_URL)
    if exported and not is_own(exported):
        found.append(
            f"{BASE_URL} is {shown(exported)} in this environment. Claude Code goes by its settings"
            f" file, so by {url}; other programs go by the environment."
        )
    beside = scopes.read(locations, environ)
    found += [f"{bypass.saw} {bypass.cure}" for bypass in bypasses.find(beside, url)]
    return found


def leftovers(
    locations: SettingsLocations, environ: Mapping[str, str], *, is_own: Callable[[str], bool]
) -> list[str]:
    """List what still leads to Offramp once the user's own settings don't."""
    found = []
    for name, path in locations.stronger():
        url = _variable(_settings_of_file(path), BASE_URL)
        if isinstance(url, str) and is_own(url):
            found.append(f"{path} ({name}) still sets {BASE_URL} to Offramp's address.")
    if is_own(environ.get(BASE_URL, "")):
        found.append(
            f"{BASE_URL} leads to Offramp in this environment: unset it, and take it out of your "
            "shell's start-up files."
        )
    return found


def _of_stronger(name: str, path: Path, is_own: Callable[[str], bool]) -> Iterator[str]:
    settings = _settings_of_file(path)
    url = _variable(settings, BASE_URL)
    if url is not None and not (isinstance(url, str) and is_own(url)):
        value = shown(url) if isinstance(url, str) else "no text"
        yield f"{path} ({name}) sets {BASE_URL} to {value}, which wins over your own settings."
    yield from _of_login(path, settings)


def _of_login(path: Path, settings: Mapping[str, Any]) -> Iterator[str]:
    for variable in LOGIN_VARIABLES:
        if _variable(settings, variable):
            yield f"{path} sets {variable} in its env. {_LOGIN_CURE}"
    if settings.get(KEY_HELPER):
        yield f"{path} sets {KEY_HELPER}. {_LOGIN_CURE}"


def _variable(settings: Mapping[str, Any], name: str) -> object:
    """The value of a variable in `env`; None where it is not set."""
    env = settings.get(ENV)
    return env.get(name) if isinstance(env, dict) else None


def _settings_of_file(path: Path) -> Mapping[str, Any]:
    try:
        return _settings((atomic_file.read(path) or b"").decode())
    except (OfframpError, UnicodeDecodeError):
        return {}


def _settings(text: str) -> Mapping[str, Any]:
    """The settings in `text`; none where Claude Code can't read them."""
    try:
        values: dict[str, Any] = read(text).value
    except SettingsTextError:
        return {}
    return values
