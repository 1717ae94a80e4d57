"""Asks the release page which version is the newest. Only `offramp version --check` does that.

The page's address is part of the installed package, if whoever published it has set one. It leads
to the newest release, as GitHub's `…/releases/latest` does: to JSON with a `tag_name`, or by a
redirect to the release's own page, whose address ends with the tag. No credential is sent.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from importlib import metadata
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from packaging.version import InvalidVersion, Version

from offramp_core.errors import OfframpError
from offramp_core.redaction import mask_address
from offramp_core.wording.formatting import printable
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.upstream.client import Upstream
from offramp_daemon.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Set

    from offramp_daemon.upstream.answer import Answer

LABEL: Final = "Releases"
"""What the package's metadata call the address."""

_LIMIT_S = 10.0
_CONNECT_LIMIT_S = 5.0
_MOST_REDIRECTS = 5
_MOST_BYTES = 1024 * 1024
_SHOWN_CHARACTERS = 60
_PAGE_CHARACTERS = 200
_HEADERS = (
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"offramp"),
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SCHEMES = frozenset({"http", "https"})
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~"
_TAG_IN_PATH = re.compile(r".*/(?:tags?|releases)/(.+?)/?")
_VERSION_IN_TAG = re.compile(
    r"(?:(?:offramp|release|version)[-_/ ]*)?v?[-_. ]?([0-9].{0,50})", re.IGNORECASE
)
_TRY_LATER = "Try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The newest release."""

    version: Version
    page: str
    """Where it is, for people."""

    @property
    def is_for_everybody(self) -> bool:
        """Whether it is not a pre-release, which package managers do not install unasked."""
        return not self.version.is_prerelease


def page_address() -> str | None:
    """Return the address that the installed package has; None if nobody has set one."""
    try:
        urls = metadata.metadata("offramp").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    pairs = (each.partition(",") for each in urls)
    return next((url.strip() for label, _, url in pairs if label.strip() == LABEL), None)


def find(address: str, *, limit_s: float = _LIMIT_S) -> Release:
    """Ask `address` for the newest release; blocks for `limit_s` at most.

    Raises:
        OfframpError: it could not be found out.
    """
    if not _is_usable(address):
        raise _failure(f"Its address can't be used: {_shown(address)}.")
    try:
        return asyncio.run(_find(address, limit_s))
    except TimeoutError:
        why = f"{_shown(address)} did not answer within {limit_s:g} s."
    except RequestFailedError as error:
        why = error.failure.message.removeprefix("Offramp: ")
    except UpstreamError as error:
        why = f"The answer of {_shown(address)} broke off: {error}."
    raise _failure(why, _TRY_LATER)


async def _find(address: str, limit_s: float) -> Release:
    async with asyncio.timeout(limit_s), Upstream() as upstream:
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await _ask(upstream, address)
            try:
                if answer.status in _REDIRECTS:
                    address = _redirected(address, answer)
                    continue
                return await _read(address, answer)
            finally:
                answer.close()
    raise _failure(f"The release page redirects more than {_MOST_REDIRECTS} times.", _TRY_LATER)


async def _ask(upstream: Upstream, address: str) -> Answer:
    parts = urlsplit(address)
    target = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    if parts.query:
        target += "?" + quote(parts.query, safe=f"{_SAFE_IN_PATH}?")
    return await upstream.send(
        "GET",
        f"{parts.scheme}://{parts.netloc}",
        target,
        headers=_HEADERS,
        body=b"",
        connect_timeout_s=_CONNECT_LIMIT_S,
    )


def _redirected(address: str, answer: Answer) -> str:
    """Return where the answer leads: to a web page, without a login, and never out of TLS."""
    location = answer.headers.get("Location", "")
    schemes = {"https"} if urlsplit(address).scheme == "https" else _SCHEMES
    try:
        there = urljoin(address, location)
    except ValueError:
        there = ""
    if not location or not _is_usable(there, schemes):
        shown = _shown(location) or "nowhere"
        raise _failure(f"{_shown(address)} redirects to an address that can't be used: {shown}.")
    return there


def _is_usable(address: str, schemes: Set[str] = _SCHEMES) -> bool:
    try:
        address.encode()  # a header may have bytes that are no text
        parts = urlsplit(address)
        return bool(parts.scheme in schemes and parts.hostname and parts.port != 0) and (
            parts.username is None
        )
    except ValueError:
        return False


async def _read(address: str, answer: Answer) -> Release:
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise _failure(
            f"There is no release at {_shown(address)} (HTTP {answer.status}).",
            "The page may have moved: look where you got Offramp from.",
        )
    if answer.status != HTTPStatus.OK:
        raise _failure(f"{_shown(address)} answered with HTTP {answer.status}.", _TRY_LATER)
    if "html" in answer.headers.get("Content-Type", "").lower():
        found = _TAG_IN_PATH.fullmatch(urlsplit(address).path)
        tag, page = (unquote(found[1]) if found else None), address
    else:
        tag, page = _in_json(address, await _body(address, answer))
    if tag is None:
        raise _failure(f"{_shown(address)} names no release.")
    return Release(version=_version(tag), page=_cut(page, _PAGE_CHARACTERS))


async def _body(address: str, answer: Answer) -> bytes:
    came = bytearray()
    while part := await answer.read():
        came += part
        if len(came) > _MOST_BYTES:
            raise _failure(f"The answer of {_shown(address)} is larger than 1 MiB.")
    return bytes(came)


def _in_json(address: str, body: bytes) -> tuple[str | None, str]:
    """Return the tag, and the release's page if it is on the web."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise _failure(f"The answer of {_shown(address)} can't be read as JSON.") from None
    tag = told.get("tag_name") if isinstance(told, dict) else None
    page = told.get("html_url") if isinstance(told, dict) else None
    if not isinstance(page, str) or not _is_usable(page):
        page = address
    return (tag if isinstance(tag, str) else None), page


def _version(tag: str) -> Version:
    found = _VERSION_IN_TAG.fullmatch(tag.strip())
    try:
        return Version(found[1] if found else "")
    except InvalidVersion:
        raise _failure(
            f"The newest release is called {_shown(tag)}, which is not a version.",
            "Look at the release page.",
        ) from None


def _failure(why: str, hint: str = "") -> OfframpError:
    return OfframpError(f"The newest version could not be found out. {why}", hint=hint)


def _shown(text: str) -> str:
    """Return a text from outside for a message, without a login."""
    return _cut(mask_address(text), _SHOWN_CHARACTERS)


def _cut(text: str, most: int) -> str:
    return printable(text if len(text) <= most else f"{text[:most]}…")
