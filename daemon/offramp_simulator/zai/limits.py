"""What Z.ai's quota page tells: a coding plan's windows, and the page's ways to tell nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from offramp_core.services import zai
from offramp_simulator.service.events import json_bytes
from offramp_simulator.service.faults import UnknownFaultError

if TYPE_CHECKING:
    from offramp_simulator.service.request_view import JsonObject

QUOTA_PATH: Final = zai.QUOTA_PAGE.path

_FIVE_HOURS_S = 5 * 3600
_WEEK_S = 7 * 86_400
_FIVE_HOUR_CAP = 28_000
_WEEK_CAP = 140_000
_FULL = 100.0
_HUGE_BYTES = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class ZaiQuota:
    """A coding plan's windows in percent used; at 100 requests are refused.

    `is_idle`: the 5-hour window has not begun. `is_older_plan` and `has_tool_calls` give the
    answer's other known forms. `grows_by` percent is added with each answer.
    """

    five_hour_percent: float = 59.0
    week_percent: float = 23.0
    is_idle: bool = False
    is_older_plan: bool = False
    has_tool_calls: bool = False
    grows_by: float = 0.0
    five_hour_resets_ms: int | None = None
    """When the 5-hour window ends (epoch ms); else at a multiple of its length."""
    week_resets_ms: int | None = None

    def use(self) -> None:
        """Count one answer."""
        self.five_hour_percent = min(_FULL, self.five_hour_percent + self.grows_by)
        self.week_percent = min(_FULL, self.week_percent + self.grows_by / 10)

    def used_up_code(self) -> str | None:
        """The error code of a window that is used up."""
        if self.five_hour_percent >= _FULL:
            return "1308"
        return "1310" if self.week_percent >= _FULL else None

    def payload(self, now_s: float) -> JsonObject:
        """The quota endpoint's answer at `now_s` (epoch seconds)."""
        kind = "TOKENS_LIMIT" if self.is_older_plan else "CREDIT_LIMIT"
        five_hour = _limit(kind, (3, 5), _FIVE_HOUR_CAP, self.five_hour_percent)
        week = _limit(kind, (6, 1), _WEEK_CAP, self.week_percent)
        week["nextResetTime"] = self.week_resets_ms or _next_multiple_ms(now_s, _WEEK_S)
        if self.is_idle:
            five_hour |= {"currentValue": 0, "remaining": _FIVE_HOUR_CAP, "percentage": 0}
        else:
            ends_ms = self.five_hour_resets_ms or _next_multiple_ms(now_s, _FIVE_HOURS_S)
            five_hour["nextResetTime"] = ends_ms
        limits = [five_hour, week]
        if self.has_tool_calls:
            limits.insert(0, _limit("TIME_LIMIT", (5, 1), 4000, 7.0))
        return {"code": 200, "success": True, "data": {"level": "max", "limits": limits}}


def page(shape: str, payload: JsonObject) -> bytes:
    """The page in one of its `PAGES` shapes, with `payload` in it where there is room for one.

    Raises:
        UnknownFaultError: there is no such shape.
    """
    if shape == "no-percentage":
        return json_bytes(_with_limits(payload, percentage=None))
    if shape == "odd":
        return json_bytes(_with_limits(payload, unit=9, type=None, percentage="59"))
    if shape == "huge":
        return json_bytes(payload | {"padding": "x" * _HUGE_BYTES})
    if shape not in PAGES:
        raise UnknownFaultError(
            f"The simulator's quota page has no shape {shape!r}.",
            hint=f"It knows {', '.join(PAGES)}.",
        )
    return PAGES[shape]


PAGES: Final[dict[str, bytes]] = {
    "401": b'{"code":401,"msg":"token expired or incorrect","success":false}',
    "error": b'{"code":500,"msg":"Internal Error","success":false}',
    "html": b"<!DOCTYPE html><html><body>Bad Gateway</body></html>",
    "huge": b"",
    "no-limits": b'{"code":200,"success":true,"data":{"level":"max"}}',
    "no-percentage": b"",
    "null": b'{"code":200,"success":true,"data":null}',
    "nulls": b'{"code":200,"success":true,"data":{"level":null,"limits":[null,{"unit":null}]}}',
    "nested": b"[" * 100_000,
    "not-json": b"quota: plenty",
    "odd": b"",
}
"""The page's shapes; the empty ones are made of what it would tell."""


def _with_limits(payload: JsonObject, **fields: object) -> JsonObject:
    """`payload` with these fields in each limit; None takes a field away."""
    changed: JsonObject = json.loads(json.dumps(payload))
    for limit in changed["data"]["limits"]:
        for name, value in fields.items():
            if value is None:
                limit.pop(name, None)
            else:
                limit[name] = value
    return changed


def _limit(kind: str, window: tuple[int, int], cap: int, percent: float) -> JsonObject:
    used = round(cap * percent / _FULL)
    return {
        "type": kind,
        "unit": window[0],
        "number": window[1],
        "usage": cap,
        "currentValue": used,
        "remaining": cap - used,
        "percentage": round(percent),
    }


def _next_multiple_ms(now_s: float, length_s: int) -> int:
    return (int(now_s) // length_s + 1) * length_s * 1000
