"""Which headers pass from one side to the other: pure functions over header lists.

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

from multidict import CIMultiDict, istr

if TYPE_CHECKING:
    from offramp_core.redaction import Redactor
    from offramp_core.settings import Backend

RawHeaders = Collection[tuple[bytes, bytes]]


TOKEN_HEADER = "x-offramp-token"
HOP_HEADER = "x-offramp-hop"
ANSWERED_BY = "x-offramp-answered-by"
"""Of a count of tokens: the delegate that answered, or `NOBODY` where it is Offramp's estimate."""
NOBODY = "nobody"

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 section 7.6.1, with the older names that are still sent."""

_NOT_FORWARDED = _HOP_BY_HOP | {"host", "content-length", "expect", HOP_HEADER, TOKEN_HEADER}
_NO_TRAILERS = _NOT_FORWARDED | {
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "date",
    "expires",
    "location",
    "retry-after",
    "set-cookie",
    "vary",
    "warning",
    "www-authenticate",
}
"""RFC 9110 section 6.5.1: a trailer must not say what has to be known before the body."""
_OF_DELEGATES_ANSWERS = frozenset(
    {
        "cache-control",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "request-id",
        "retry-after",
        "server",
        "vary",
        "x-log-id",
        "x-request-id",
        "x-should-retry",
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
_CREDENTIALS = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})


def to_client_backend(raw: RawHeaders) -> CIMultiDict[str]:
    """The request headers for a backend that gets the client's request as it came."""
    return _end_to_end(raw, _NOT_FORWARDED)


def to_delegate(raw: RawHeaders, backend: Backend) -> CIMultiDict[str]:
    """The request headers for `backend`: those it allows, and its own key in exactly one."""
    passed: CIMultiDict[str] = CIMultiDict()
    betas: list[str] = []
    for name, value in _end_to_end(raw, _NOT_FORWARDED).items():
        lower = name.lower()
        if lower == "anthropic-beta":
            betas += (beta.strip() for beta in value.split(","))
        elif lower in backend.headers and lower not in _CREDENTIALS:
            passed.add(name, value)
    allowed = [beta for beta in betas if beta in backend.betas]
    if allowed:
        passed["anthropic-beta"] = ",".join(allowed)
    if backend.key is not None:
        if backend.auth == "bearer":
            passed["Authorization"] = f"Bearer {backend.key.reveal()}"
        elif backend.auth == "x-api-key":
            passed["x-api-key"] = backend.key.reveal()
    return passed


def to_client(
    raw: RawHeaders, *, is_delegates: bool = False, redactor: Redactor | None = None
) -> CIMultiDict[str]:
    """The answer's headers for the client; Content-Length stays, the framing goes.

    Of a delegate's answer only those pass that a client of this API needs, and none that holds what
    `redactor` knows.
    """
    passed = _end_to_end(raw, _HOP_BY_HOP)
    if not is_delegates:
        return passed
    allowed: CIMultiDict[str] = CIMultiDict(
        (name, value)
        for name, value in passed.items()
        if (lower := name.lower()) in _OF_DELEGATES_ANSWERS
        and (lower != "retry-after" or retry_after(value) is not None)
    )
    if redactor is None or not redactor.holds("\n".join(allowed.values())):  # nearly always
        return allowed
    return CIMultiDict(
        (name, value) for name, value in allowed.items() if not redactor.holds(value)
    )


def trailers_to_client(raw: RawHeaders) -> CIMultiDict[str]:
    """What may stand behind a body: nothing that a head would say of its frame, form or owner."""
    return _end_to_end(raw, _NO_TRAILERS)


def retry_after(value: str | None) -> str | None:
    """The value of a Retry-After header, if it is a number of seconds or a date."""
    return value if value is not None and _RETRY_AFTER.fullmatch(value.strip()) else None


def reason(phrase: str | None) -> str:
    """The reason phrase of an answer, without what can't stand in a status line."""
    return _NOT_IN_REASON.sub("", phrase) if phrase else ""


def hops(came: str | None, own: str) -> str:
    """The hop header for a request that is sent on: `own` behind what daemons before this wrote."""
    if not came or len(came) > _HOPS_CHARACTERS or not _HOPS.fullmatch(came):
        return own
    return f"{came},{own}"


def _end_to_end(raw: RawHeaders, excluded: frozenset[str]) -> CIMultiDict[str]:
    """`raw` without `excluded`, what its Connection header names, and control characters."""
    try:
        passed = CIMultiDict([(_name(name), value.decode()) for name, value in raw])
    except UnicodeDecodeError:
        passed = CIMultiDict([(_name(name), _text(value)) for name, value in raw])
    for options in passed.getall("connection", ()):
        for option in options.split(","):
            passed.popall(option.strip(), None)
    for name in excluded:
        passed.popall(name, None)
    values = b"".join([value for _, value in raw])
    if len(values.translate(None, _CONTROL)) < len(values):  # no head can hold them
        unfit = set(_CONTROL.decode())
        passed = CIMultiDict([pair for pair in passed.items() if unfit.isdisjoint(pair[1])])
    return passed


@functools.lru_cache(maxsize=256)
def _name(raw: bytes) -> istr:
    """`raw` as text that compares without regard to case; the usual names come every time."""
    return istr(_text(raw))


def _text(raw: bytes) -> str:
    """`raw` as text; what is no UTF-8 is escaped, and comes out as it was when it is written."""
    return raw.decode("utf-8", "surrogateescape")


def client_credential(headers: Mapping[str, str]) -> str | None:
    """The credential that the client sent, for its masked form on the console."""
    return next(iter(client_credentials(headers)), None)


def client_credentials(headers: Mapping[str, str]) -> tuple[str, ...]:
    """All credentials that the client sent, the one that counts first."""
    key = headers.get("x-api-key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return tuple(each for each in (key, token.strip() or scheme) if each)
