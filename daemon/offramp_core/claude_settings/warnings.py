"""Sees what would keep a connected Claude Code from Offramp, or from its subscription login.

Every warning is a sentence or two for the user, and names a secret without showing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core import atomic_file
from offramp_core.claude_settings import bypasses, scopes
from offramp_core.claude_settings.editing import BASE_URL, ENV
from offramp_core.claude_settings.jsonc import Document, JsoncError, Value, parse, place
from offramp_core.config.values import shown
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from offramp_core.claude_settings.locations import Places

LOGIN_VARIABLES = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
"""Either silently takes the place of the subscription's login."""

KEY_HELPER = "apiKeyHelper"
"""The setting, a command, that does the same."""

_LOGIN_CURE = "Claude Code uses it instead of your subscription's login. Remove it."


def warnings(
    places: Places,
    user_text: str,
    environ: Mapping[str, str],
    *,
    url: str,
    is_own: Callable[[str], bool],
) -> list[str]:
    """What stands in the way of `url`, given the user's settings as they are to be.

    Files that can't be read are passed over: Claude Code passes them over too.
    """
    found = list(_of_user(places.user, user_text))
    for name, path in places.stronger():
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
    beside = scopes.read(places, environ)
    found += [f"{detour.saw} {detour.cure}" for detour in bypasses.find(beside, url)]
    return found


def leftovers(
    places: Places, environ: Mapping[str, str], *, is_own: Callable[[str], bool]
) -> list[str]:
    """What still leads to Offramp once the user's own settings don't."""
    found = []
    for name, path in places.stronger():
        url = _variable(_parsed(_text(path)), BASE_URL)
        if isinstance(url, str) and is_own(url):
            found.append(f"{path} ({name}) still sets {BASE_URL} to Offramp's address.")
    if is_own(environ.get(BASE_URL, "")):
        found.append(
            f"{BASE_URL} leads to Offramp in this environment: unset it, and take it out of your "
            "shell's start-up files."
        )
    return found


def _of_user(path: Path, text: str) -> Iterator[str]:
    document = _parsed(text)
    if document is None:
        return
    if document.beyond_json is not None:
        line, column = place(text, document.beyond_json)
        yield (
            f"{path} holds a comment or a trailing comma (line {line}, column {column}). Claude "
            "Code takes plain JSON alone and may pass over the whole file, this address with it."
        )
    yield from _of_login(path, document)


def _of_stronger(name: str, path: Path, is_own: Callable[[str], bool]) -> Iterator[str]:
    document = _parsed(_text(path))
    if document is None:
        return
    url = _variable(document, BASE_URL)
    if url is not None and not (isinstance(url, str) and is_own(url)):
        value = shown(url) if isinstance(url, str) else "no text"
        yield f"{path} ({name}) sets {BASE_URL} to {value}, which wins over your own settings."
    yield from _of_login(path, document)


def _of_login(path: Path, document: Document) -> Iterator[str]:
    for variable in LOGIN_VARIABLES:
        if _variable(document, variable):
            yield f"{path} sets {variable} in its env. {_LOGIN_CURE}"
    helper = document.root.last(KEY_HELPER) if document.root else None
    if helper is not None and document.decoded(helper.value):
        yield f"{path} sets {KEY_HELPER}. {_LOGIN_CURE}"


def _variable(document: Document | None, name: str) -> object:
    """The value of a variable in `env`; None where it is not set."""
    if document is None:
        return None
    value = _value(_value(document.root, ENV), name)
    return None if value is None else document.decoded(value)


def _value(container: Value | None, key: str) -> Value | None:
    member = container.last(key) if container else None
    return member.value if member else None


def _text(path: Path) -> str:
    try:
        return (atomic_file.read(path) or b"").decode()
    except (OfframpError, UnicodeDecodeError):
        return ""


def _parsed(text: str) -> Document | None:
    try:
        return parse(text)
    except JsoncError:
        return None
