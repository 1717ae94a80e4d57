"""Which headers pass from one side to the other: pure functions over header lists, in bytes.

Towards the backend that serves with the client's own credentials the list is open: all end-to-end
headers pass. Towards every other backend only an allow-list does, so that no credential that
nobody thought of leaks; and so it is with that backend's answers, which the client takes for those
of this machine. Names keep their case and their order. What can't stand in a head is left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offramp_core.redaction import Redactor
    from offramp_core.settings import Backend

RawHeaders = Collection[tuple[bytes, bytes]]
Passed = list[tuple[bytes, bytes]]
"""Names and values as they are written, in their order."""


TOKEN_HEADER = "x-offramp-token"
HOP_HEADER = "x-offramp-hop"
ANSWERED_BY = "x-offramp-answered-by"
"""Of a count of tokens: the delegate that answered, or `NOBODY` where it is Offramp's estimate."""
NOBODY = "nobody"

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 section 7.6.1, with the older names that are still sent."""

_NOT_FORWARDED = _HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"expect",
    HOP_HEADER.encode(),
    TOKEN_HEADER.encode(),
}
_NO_TRAILERS = _NOT_FORWARDED | {
    b"age",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"date",
    b"expires",
    b"location",
    b"retry-after",
    b"set-cookie",
    b"vary",
    b"warning",
    b"www-authenticate",
}
"""RFC 9110 section 6.5.1: a trailer must not say what has to be known before the body."""
_OF_DELEGATES_ANSWERS = frozenset(
    {
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"date",
        b"request-id",
        b"retry-after",
        b"server",
        b"vary",
        b"x-log-id",
        b"x-request-id",
        b"x-should-retry",
    }
)
"""No cookie, redirect or policy of a browser's; and no limits, which would be Claude's own."""
_CONTROL = bytes({*range(0x20), 0x7F} - {ord("\t")})
_NOT_IN_REASON = re.compile(r"[^\t\x20-\x7e]")
_RETRY_AFTER = re.compile(
    r"[0-9]{1,9}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
_HOPS = re.compile(r"[0-9a-f]+(?:,[0-9a-f]+)*")
_HOPS_CHARACTERS = 1024
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"cookie", b"proxy-authorization"})
_LONE_OPTIONS = (b"keep-alive", b"close")
"""What a Connection header says nearly always; it names no header that would pass."""


def to_client_backend(raw: RawHeaders) -> Passed:
    """The request headers for a backend that gets the client's request as it came."""
    return _end_to_end(raw, _NOT_FORWARDED)


def to_delegate(raw: RawHeaders, backend: Backend) -> Passed:
    """The request headers for `backend`: those it allows, and its own key in exactly one."""
    passed: Passed = []
    betas: list[str] = []
    may_pass = _allowed(tuple(backend.headers))
    for pair in _end_to_end(raw, _NOT_FORWARDED):
        lower = pair[0].lower()
        if lower == b"anthropic-beta":
            betas += [beta.strip() for beta in text(pair[1]).split(",")]
        elif lower in may_pass:
            passed.append(pair)
    allowed = [beta for beta in betas if beta in backend.betas]
    if allowed:
        passed.append((b"anthropic-beta", ",".join(allowed).encode()))
    if backend.key is not None:
        key = backend.key.reveal().encode()
        if backend.auth == "bearer":
            passed.append((b"Authorization", b"Bearer " + key))
        elif backend.auth == "x-api-key":
            passed.append((b"x-api-key", key))
    return passed


@functools.lru_cache(maxsize=16)
def _allowed(names: tuple[str, ...]) -> frozenset[bytes]:
    """The names of headers that a backend may get, as bytes; a credential is never among them."""
    return frozenset(name.encode() for name in names) - _CREDENTIALS


def to_client(
    raw: RawHeaders, *, is_delegates: bool = False, redactor: Redactor | None = None
) -> Passed:
    """The answer's headers for the client; Content-Length stays, the framing goes.

    Of a delegate's answer only those pass that a client of this API needs, and none that holds what
    `redactor` knows.
    """
    passed = _end_to_end(raw, _HOP_BY_HOP)
    if not is_delegates:
        return passed
    allowed = [
        (name, value)
        for name, value in passed
        if (lower := name.lower()) in _OF_DELEGATES_ANSWERS
        and (lower != b"retry-after" or retry_after(text(value)) is not None)
    ]
    if redactor is None or not redactor.holds(text(b"\n".join([each for _, each in allowed]))):
        return allowed  # as nearly always
    return [(name, value) for name, value in allowed if not redactor.holds(text(value))]


def without(passed: Passed, *lower_names: bytes) -> Passed:
    """`passed` without the headers of these names, which are in lower case."""
    return [pair for pair in passed if pair[0].lower() not in lower_names]


def trailers_to_client(raw: RawHeaders) -> Passed:
    """What may stand behind a body: nothing that a head would say of its frame, form or owner."""
    return _end_to_end(raw, _NO_TRAILERS)


def retry_after(value: str | None) -> str | None:
    """The value of a Retry-After header, if it is a number of seconds or a date."""
    return value if value is not None and _RETRY_AFTER.fullmatch(value.strip()) else None


@functools.lru_cache(maxsize=64)
def reason(phrase: str | None) -> str:
    """The reason phrase of an answer, without what can't stand in a status line."""
    return _NOT_IN_REASON.sub("", phrase) if phrase else ""


def hops(came: str | None, own: str) -> str:
    """The hop header for a request that is sent on: `own` behind what daemons before this wrote."""
    if not came or len(came) > _HOPS_CHARACTERS or not _HOPS.fullmatch(came):
        return own
    return f"{came},{own}"


def _end_to_end(raw: RawHeaders, excluded: frozenset[bytes]) -> Passed:
    """`raw` without `excluded`, what its Connection header names, and control characters."""
    passed: Passed = []
    options: list[bytes] = []
    for pair in raw:
        lower = pair[0].lower()
        if lower not in excluded:
            passed.append(pair)
        elif lower == b"connection" and pair[1].lower() not in _LONE_OPTIONS:
            options += pair[1].split(b",")
    if options:
        passed = without(passed, *[option.strip().lower() for option in options])
    values = b"".join([value for _, value in passed])
    if len(values.translate(None, _CONTROL)) < len(values):  # no head can hold them
        unfit = set(_CONTROL)
        passed = [pair for pair in passed if unfit.isdisjoint(pair[1])]
    return passed


def text(raw: bytes) -> str:
    """`raw` as text; what is not UTF-8 is escaped, and comes out as it was when it is written."""
    return raw.decode("utf-8", "surrogateescape")


def client_credential(headers: Mapping[str, str]) -> str | None:
    """The credential that the client sent, for its masked form on the console."""
    return next(iter(client_credentials(headers)), None)


def client_credentials(headers: Mapping[str, str]) -> tuple[str, ...]:
    """All credentials that the client sent, the one that counts first."""
    key = headers.get("x-api-key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return tuple(each for each in (key, token.strip() or scheme) if each)
