"""Reads the limits in the headers of Anthropic's answers: pure, from headers to windows.

A subscription's are `anthropic-ratelimit-unified-…`: for each window a fraction, a reset in epoch
seconds, a status. The windows' names are an open set: whatever carries one of the suffixes below is
one. The overall status and reset are only about the representative claim, so they count for that
one window where it has none of its own, and for no other.

An API key's are `anthropic-ratelimit-requests-…` and the like: limit, remaining, and an RFC 3339
reset. What can't be read is skipped, each header by itself; no number is invented for it. Of a
header that comes twice the first legible value counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from offramp_core.quota.windows import REJECTED, QuotaWindow
from offramp_core.services.anthropic import KEY_WINDOWS
from offramp_daemon.services.plan_reading import MOST_WINDOWS, can_reset_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")

_PREFIX = b"anthropic-ratelimit-"
_PREFIX_LENGTH = len(_PREFIX)
_UNIFIED = "unified-"
_LONGEST_VALUE = 64
_MOST_USED = 100.0
"""A hundred times the limit: what is more is not a fraction."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,30}[a-z0-9])?")
_NO_WINDOW = re.compile(r"overage|fallback")
"""What is paid for beyond the plan is not a window of it, though its headers look like one's."""
_WORD = re.compile(r"[a-z][a-z_]{0,39}")
_FRACTION = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_SECONDS = re.compile(r"[0-9]{9,11}(?:\.[0-9]{1,9})?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_CLAIM = re.compile(r"([a-z]+)_(hour|day)(?:_([a-z0-9_]{1,24}))?")
_WORDS = "one two three four five six seven eight nine ten eleven twelve"
_NUMBERS = {word: number for number, word in enumerate(_WORDS.split(), start=1)}
_NUMBERS |= {"fourteen": 14, "thirty": 30}
_OVERAGE_INCLUDED = "_overage_included"
_OVERAGE_SUFFIX = "_oi"
"""How the same part of a plan is called in claims, and in the names of headers."""


@dataclass(slots=True)
class HeaderWindow:
    """What the headers say of one window, as far as it could be read."""

    used: float | None = None
    resets: datetime | None = None
    status: str | None = None
    threshold: float | None = None

    def is_known(self) -> bool:
        """Whether it says how much is used, or until when."""
        return self.used is not None or self.resets is not None


LimitHeaders = tuple[tuple[bytes, bytes], ...]
"""The headers about limits, as they came."""


def limit_headers(raw: Iterable[tuple[bytes, bytes]]) -> LimitHeaders:
    """Select the headers that are about limits; names may repeat, in any case."""
    return tuple([pair for pair in raw if pair[0][:_PREFIX_LENGTH].lower() == _PREFIX])


def read(headers: LimitHeaders, now: datetime) -> tuple[QuotaWindow, ...]:
    """Read the windows from `headers` at `now`; an empty tuple where they have none."""
    unified: list[tuple[str, str]] = []
    classic: list[tuple[str, str]] = []
    for raw_name, raw_value in headers:
        rest = raw_name[_PREFIX_LENGTH:].decode("utf-8", "surrogateescape").lower()
        value = raw_value.decode("utf-8", "surrogateescape")
        if rest.startswith(_UNIFIED):
            unified.append((rest.removeprefix(_UNIFIED), value[: _LONGEST_VALUE + 1].strip()))
        else:
            classic.append((rest, value[: _LONGEST_VALUE + 1].strip()))
    windows = [*_unified(unified, now), *_classic(classic, now)]
    return tuple(windows[:MOST_WINDOWS])


def window_of_claim(claim: str) -> str | None:
    """Return the name of a claim's window: `7d_opus` for `seven_day_opus`; None if it has none.

    It is the one that the window's headers carry: `7d_oi` for `seven_day_overage_included`.
    """
    found = _CLAIM.fullmatch(_header_name(claim))
    count = _NUMBERS.get(found[1]) if found else None
    if found is None or count is None:
        return None
    part = f"_{found[3]}" if found[3] else ""
    return f"{count}{found[2][0]}{part}"


def _header_name(name: str) -> str:
    """A window's name as headers have it."""
    plain = name.removesuffix(_OVERAGE_INCLUDED)
    return name if plain == name else plain + _OVERAGE_SUFFIX


def _unified(found: list[tuple[str, str]], now: datetime) -> Iterator[QuotaWindow]:
    windows: dict[str, HeaderWindow] = {}
    for key, value in found:
        for suffix, take in _TAKE.items():
            name = _header_name(key.removesuffix(suffix))
            if not key.endswith(suffix) or not _is_name(name):
                continue
            if name in windows or len(windows) < MOST_WINDOWS:
                take(windows.setdefault(name, HeaderWindow()), name, value, now)
            break
    _take_claim(found, windows, now)
    for name, window in windows.items():
        if window.is_known():
            yield _made(name, window, now)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _NO_WINDOW.match(name) is None


def _take_claim(
    found: list[tuple[str, str]], windows: dict[str, HeaderWindow], now: datetime
) -> None:
    """Take what a rejection says of the representative claim's window beyond its own headers.

    Where the claim's name is not that of any header, it speaks of the one window that is rejected.
    """
    status = _first(_word(value) for key, value in found if key == "status")
    claim = _first(_word(value) for key, value in found if key == "representative-claim")
    name = window_of_claim(claim) if claim else None
    if status != REJECTED:
        return
    rejected = [each for each, window in windows.items() if window.status == REJECTED]
    if name not in windows and rejected:
        name = rejected[0] if len(rejected) == 1 else None
    if name is None:
        return
    resets = _first(_moment(value, name, now) for key, value in found if key == "reset")
    window = windows.setdefault(name, HeaderWindow())
    if window.status in (None, REJECTED):
        window.status = REJECTED
        window.resets = window.resets or resets


def _take_used(window: HeaderWindow, _name: str, value: str, _now: datetime) -> None:
    window.used = _fraction(value) if window.used is None else window.used


def _take_threshold(window: HeaderWindow, _name: str, value: str, _now: datetime) -> None:
    window.threshold = _fraction(value) if window.threshold is None else window.threshold


def _take_resets(window: HeaderWindow, name: str, value: str, now: datetime) -> None:
    window.resets = window.resets or _moment(value, name, now)


def _take_status(window: HeaderWindow, _name: str, value: str, _now: datetime) -> None:
    window.status = window.status or _word(value)


_TAKE: dict[str, Callable[[HeaderWindow, str, str, datetime], None]] = {
    "-utilization": _take_used,
    "-reset": _take_resets,
    "-status": _take_status,
    "-surpassed-threshold": _take_threshold,
}


def _classic(found: list[tuple[str, str]], now: datetime) -> Iterator[QuotaWindow]:
    for name in KEY_WINDOWS:
        limit = _first(_count(value) for key, value in found if key == f"{name}-limit")
        left = _first(_count(value) for key, value in found if key == f"{name}-remaining")
        resets = _first(
            _rfc_3339(value, name, now) for key, value in found if key == f"{name}-reset"
        )
        if limit is not None and left is not None and 0 <= left <= limit and limit > 0:
            yield _made(name, HeaderWindow(used=1 - left / limit, resets=resets), now)


def _made(name: str, window: HeaderWindow, now: datetime) -> QuotaWindow:
    return QuotaWindow(
        name=name,
        used=window.used,
        resets=window.resets,
        status=window.status,
        threshold=window.threshold,
        read_at=now,
    )


def _fraction(value: str) -> float | None:
    """A fraction from 0 on; a negative zero is zero."""
    if not _FRACTION.fullmatch(value):
        return None
    number = float(value)
    return abs(number) if 0 <= number <= _MOST_USED else None


def _moment(value: str, name: str, now: datetime) -> datetime | None:
    """Epoch seconds, where a window of that name can reset then."""
    if not _SECONDS.fullmatch(value):
        return None
    try:
        moment = datetime.fromtimestamp(float(value), UTC)
    except (OverflowError, OSError, ValueError):  # beyond the calendar
        return None
    return moment if can_reset_at(moment, name, now) else None


def _rfc_3339(value: str, name: str, now: datetime) -> datetime | None:
    if not _RFC_3339.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (OverflowError, ValueError):  # no such day
        return None
    return moment if can_reset_at(moment, name, now) else None


def _count(value: str) -> int | None:
    return int(value) if _COUNT.fullmatch(value) else None


def _word(value: str) -> str | None:
    return value if _WORD.fullmatch(value) else None


def _first(values: Iterable[_T | None]) -> _T | None:
    """The first that could be read."""
    return next((value for value in values if value is not None), None)
