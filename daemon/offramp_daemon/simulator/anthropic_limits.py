"""The rate-limit headers of Anthropic's answers: a subscription's windows, an API key's limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_FIVE_HOURS_S = 5 * 3600
_WEEK_S = 7 * 86_400
_WARNING_AT = 0.9


@dataclass(slots=True, kw_only=True)
class UnifiedQuota:
    """A subscription's windows, as fractions used; at 1 requests are refused.

    `grows_by` is added to both with each answer, so that a demo has something to show.
    """

    five_hour: float = 0.42
    seven_day: float = 0.31
    grows_by: float = 0.0

    def use(self) -> None:
        """Count one answer."""
        self.five_hour += self.grows_by
        self.seven_day += self.grows_by / 10

    def claim(self) -> str:
        """The window that is nearest to its end, in the headers' word for it."""
        return "five_hour" if self.five_hour >= self.seven_day else "seven_day"

    def headers(self, now_s: float, *, rejected_claim: str | None = None) -> dict[str, str]:
        """The `anthropic-ratelimit-unified-…` headers at `now_s` (epoch seconds)."""
        claim = rejected_claim or self.claim()
        windows = {
            "5h": ("five_hour", self.five_hour, _FIVE_HOURS_S),
            "7d": ("seven_day", self.seven_day, _WEEK_S),
        }
        fields: dict[str, str] = {}
        overall, reset = "rejected" if rejected_claim else "allowed", 0
        for short, (name, fraction, length_s) in windows.items():
            used = 1.0 if name == rejected_claim else fraction
            ends = (int(now_s) // length_s + 1) * length_s
            status = _window_status(used)
            fields |= {
                f"{short}-status": status,
                f"{short}-reset": str(ends),
                f"{short}-utilization": f"{used:.4g}",
            }
            if status == "allowed_warning":
                fields[f"{short}-surpassed-threshold"] = str(_WARNING_AT)
            if name == claim or reset == 0:
                reset = ends
                overall = overall if rejected_claim else status
        fields |= {
            "status": overall,
            "representative-claim": claim,
            "reset": str(reset),
            "fallback-percentage": "0.5",
            "overage-status": "rejected",
            "overage-disabled-reason": "org_level_disabled",
        }
        return {f"anthropic-ratelimit-unified-{key}": value for key, value in fields.items()}


def key_limit_headers(now_s: float) -> dict[str, str]:
    """The `anthropic-ratelimit-…` headers that API-key traffic gets; times are RFC 3339."""
    reset = datetime.fromtimestamp(int(now_s) + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    limits = {
        "requests": 4000,
        "tokens": 480_000,
        "input-tokens": 400_000,
        "output-tokens": 80_000,
    }
    headers: dict[str, str] = {}
    for name, limit in limits.items():
        lead = f"anthropic-ratelimit-{name}"
        headers |= {
            f"{lead}-limit": str(limit),
            f"{lead}-remaining": str(limit - 1),
            f"{lead}-reset": reset,
        }
    return headers


def _window_status(used: float) -> str:
    if used >= 1:
        return "rejected"
    return "allowed_warning" if used >= _WARNING_AT else "allowed"
