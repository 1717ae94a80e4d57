"""Sees what would keep a connected Claude Code from Offramp, or from its subscription login.

Every warning is a sentence or two for the user, and names a secret without showing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.claude_settings import bypasses, custom_headers, scopes
from offramp_core.claude_settings.custom_headers import HEADERS, TOKEN_HEADER
from offramp_core.claude_settings.editing import BASE_URL
from offramp_core.config.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from offramp_core.claude_settings.locations import SettingsLocations
    from offramp_core.claude_settings.scopes import Scope
    from offramp_core.settings import Secret

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
    """List what keeps Claude Code away from `url`, given the user's settings as they are to be.

    Files that can't be read are skipped: Claude Code ignores them too.
    """
    present = scopes.read(locations, environ)
    found = list(_of_login(scopes.of_text(scopes.OWN, locations.user, user_text)))
    for scope in _stronger(present):
        found += _of_stronger(scope, is_own)
    for variable in LOGIN_VARIABLES:
        if environ.get(variable):
            found.append(f"{variable} is set in this environment. {_LOGIN_CURE}")
    exported = environ.get(BASE_URL)
    if exported and not is_own(exported):
        found.append(
            f"{BASE_URL} is {shown(exported)} in this environment. Claude Code uses {url} from "
            "its settings file instead; other programs use the environment."
        )
    found += [f"{bypass.saw} {bypass.cure}" for bypass in bypasses.find(present, url)]
    return found


def of_token(locations: SettingsLocations, environ: Mapping[str, str], token: Secret) -> list[str]:
    """List what keeps Claude Code from sending `token` though its user's own settings hold it.

    What wins in the settings files takes the place of the whole list of headers.
    """
    found = [
        f"{scope.shown} sets {HEADERS}, which wins over your own settings: Claude Code does not "
        f"send Offramp's {TOKEN_HEADER}. Add the line there too."
        for scope in _stronger(scopes.read(locations, environ))
        if scope.variables.get(HEADERS)
        and not custom_headers.sends(scope.variables[HEADERS], token)
    ]
    if environ.get(HEADERS):
        found.append(
            f"{HEADERS} is set in this environment. Claude Code uses its settings file instead, "
            f"so add the lines that it still needs to {locations.user}."
        )
    return found


def of_leftover_token(
    locations: SettingsLocations, user_text: str, environ: Mapping[str, str]
) -> list[str]:
    """List who still has Claude Code send a token, given the user's settings as they are to be."""
    present = scopes.read(locations, environ)
    shell = (each for each in present if each.path is None)
    own = scopes.of_text(scopes.OWN, locations.user, user_text)
    return [
        f"{scope.shown} still makes Claude Code send {TOKEN_HEADER}, from now on to Anthropic. "
        f"Remove that line from {HEADERS}."
        for scope in (*_stronger(present), own, *shell)
        if TOKEN_HEADER in dict(custom_headers.named(scope.variables.get(HEADERS, "")))
    ]


def leftovers(
    locations: SettingsLocations, environ: Mapping[str, str], *, is_own: Callable[[str], bool]
) -> list[str]:
    """List what still leads to Offramp once the user's own settings don't."""
    found = [
        f"{scope.shown} still sets {BASE_URL} to Offramp's address."
        for scope in _stronger(scopes.read(locations, environ))
        if is_own(scope.variables.get(BASE_URL, ""))
    ]
    if is_own(environ.get(BASE_URL, "")):
        found.append(
            f"{BASE_URL} points to Offramp in this environment: unset it, and remove it from your "
            "shell's start-up files."
        )
    return found


def _stronger(present: tuple[Scope, ...]) -> Iterator[Scope]:
    """The files that win over the user's own."""
    return (each for each in present if each.path is not None and each.name != scopes.OWN)


def _of_stronger(scope: Scope, is_own: Callable[[str], bool]) -> Iterator[str]:
    url = scope.variables.get(BASE_URL)
    if url is not None and not is_own(url):
        yield f"{scope.shown} sets {BASE_URL} to {shown(url)}, which wins over your own settings."
    yield from _of_login(scope)


def _of_login(scope: Scope) -> Iterator[str]:
    for variable in LOGIN_VARIABLES:
        if scope.variables.get(variable):
            yield f"{scope.path} sets {variable} in its env. {_LOGIN_CURE}"
    if scope.settings.get(KEY_HELPER):
        yield f"{scope.path} sets {KEY_HELPER}. {_LOGIN_CURE}"
