"""Reads the answer of Z.ai's quota endpoint: pure, from bytes to windows.

Windows are distinguished by unit and number (3 counts hours, 5 months, 6 weeks), never by type,
which has changed; only the monthly calls of tools, which stand beside them, go by theirs. `usage`
is the cap, `currentValue` what is used, `percentage` the used part. Errors come under HTTP 200
as well. What is wrong becomes a sentence that quotes nothing of the answer. Source: published
captures.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from offramp_core.quota.windows import MONTHLY_TOOLS, QuotaWindow
from offramp_core.services import ErrorKind, zai
from offramp_daemon.services.plan_reading import (
    MOST_BYTES,
    MOST_WINDOWS,
    NoQuotaError,
    PlanReading,
    can_reset_at,
)

_TOOLS = "TIME_LIMIT"
_UNITS = {3: (1, "h"), 5: (1, "mo"), 6: (7, "d")}
"""What a unit stands for; a week is seven days, as Anthropic names it."""
_MOST_UNITS = 366
_MOST_PERCENT = 10_000
_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}", re.ASCII)
_CODE = re.compile(r"[0-9]{1,6}", re.ASCII)
_REFUSALS = {code for code, kind in zai.ERROR_CODES.items() if kind is ErrorKind.KEY} | {"403"}
_OK = (200, 0, "200", "0", None)


def read(status: int, body: bytes, now: datetime) -> PlanReading:
    """Read the plan from an answer with HTTP `status`, at `now`; `body` is decompressed.

    Raises:
        NoQuotaError: it holds no window.
    """
    if len(body) > MOST_BYTES:
        raise NoQuotaError("Z.ai's quota page returned too much data for a quota.")
    answer = _decode(body)
    if status in (401, 403) or (isinstance(answer, dict) and _code(answer) in _REFUSALS):
        raise NoQuotaError("Z.ai's quota page refuses the key.", refuses_key=True)
    if status != 200:
        raise NoQuotaError(f"Z.ai's quota page answered with HTTP {status}.")
    if not isinstance(answer, dict):
        raise NoQuotaError("Z.ai's quota page did not return a quota.")
    if answer.get("success") is False or answer.get("code") not in _OK:
        code = _code(answer)
        said = f" (code {code})" if code else ""
        raise NoQuotaError(f"Z.ai's quota page answered with an error{said}.")
    return _read_data(answer.get("data"), now)


def _read_data(data: object, now: datetime) -> PlanReading:
    limits = data.get("limits") if isinstance(data, dict) else None
    windows: dict[str, QuotaWindow] = {}
    for limit in limits[:MOST_WINDOWS] if isinstance(limits, list) else ():
        window = _window(limit, now) if isinstance(limit, dict) else None
        if window is not None:
            windows.setdefault(window.name, window)
    if not windows:
        raise NoQuotaError("Z.ai's quota page shows no limit that Offramp knows.")
    level = data.get("level") if isinstance(data, dict) else None
    is_shown = isinstance(level, str) and _LEVEL.fullmatch(level) is not None
    return PlanReading(windows=tuple(windows.values()), level=level if is_shown else None)


def _window(limit: dict[str, Any], now: datetime) -> QuotaWindow | None:
    """One window; None where it is not clear which, or it holds nothing."""
    name = _name(limit)
    if name is None:
        return None
    used, resets = _used(limit), _moment(limit.get("nextResetTime"), name, now)
    if used is None and resets is None:
        return None
    cap = _number(limit.get("usage")) or None
    return QuotaWindow(name=name, used=used, resets=resets, cap=cap, read_at=now)


def _name(limit: dict[str, Any]) -> str | None:
    unit, number = _whole(limit.get("unit")), _whole(limit.get("number"))
    if unit is None or number is None or unit not in _UNITS or not 0 < number <= _MOST_UNITS:
        return None
    factor, letter = _UNITS[unit]
    name = f"{number * factor}{letter}"
    is_tools = limit.get("type") == _TOOLS and letter == "mo"
    return f"{name}{MONTHLY_TOOLS.removeprefix('1mo')}" if is_tools else name


def _used(limit: dict[str, Any]) -> float | None:
    percent = _number(limit.get("percentage"))
    if percent is not None:
        return percent / 100 if percent <= _MOST_PERCENT else None
    cap, value = _number(limit.get("usage")), _number(limit.get("currentValue"))
    if not cap or value is None or value / cap > _MOST_PERCENT / 100:
        return None
    return value / cap


def _moment(value: object, name: str, now: datetime) -> datetime | None:
    """Epoch milliseconds, where a window of that name can reset then."""
    milliseconds = _number(value)
    if milliseconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):  # beyond the calendar
        return None
    return moment if can_reset_at(moment, name, now) else None


def _number(value: object) -> float | None:
    """A finite number from 0 on; a negative zero is zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return abs(number) if math.isfinite(number) and number >= 0 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _code(answer: dict[str, Any]) -> str | None:
    """The answer's own code, if it is one that may be quoted."""
    code = answer.get("code")
    text = str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""
    return text if _CODE.fullmatch(text) else None


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
