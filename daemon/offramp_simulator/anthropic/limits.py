"""The rate-limit headers of Anthropic's answers: a subscription's windows, an API key's limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offramp_simulator.service.faults import Faults

UNIFIED = "anthropic-ratelimit-unified-"

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
    families: dict[str, float] = field(default_factory=dict)
    """Windows of a model family, by the names of their claims (`seven_day_opus`); at 1 that family
    alone is refused."""
    tells_families: bool = True
    """Whether these windows have headers of their own, or only a claim that rejects."""
    resets: dict[str, int] = field(default_factory=dict)
    """When windows end (epoch seconds), by claim; the others at multiples of their length."""

    def use(self) -> None:
        """Count one answer."""
        self.five_hour += self.grows_by
        self.seven_day += self.grows_by / 10

    def claim(self) -> str:
        """The window that is nearest to its end, in the headers' word for it."""
        return "five_hour" if self.five_hour >= self.seven_day else "seven_day"

    def refused_claim(self, model: str) -> str | None:
        """The window that refuses `model`; None where it is served."""
        if max(self.five_hour, self.seven_day) >= 1:
            return self.claim()
        return next(
            (
                claim
                for claim, used in self.families.items()
                if used >= 1 and claim.rpartition("_")[2] in model.lower()
            ),
            None,
        )

    def headers(self, now_s: float, *, rejected_claim: str | None = None) -> dict[str, str]:
        """The `anthropic-ratelimit-unified-…` headers at `now_s` (epoch seconds)."""
        claim = rejected_claim or self.claim()
        windows = {"five_hour": self.five_hour, "seven_day": self.seven_day}
        if self.tells_families:
            windows |= self.families
        fields: dict[str, str] = {}
        overall = "rejected"
        for name, fraction in windows.items():
            used = max(fraction, 1.0) if name == rejected_claim else fraction
            status = _window_status(used)
            short = short_name(name)
            fields |= {
                f"{short}-status": status,
                f"{short}-reset": str(self._ends(name, now_s)),
                f"{short}-utilization": f"{used:.4g}",
            }
            if status == "allowed_warning":
                fields[f"{short}-surpassed-threshold"] = str(_WARNING_AT)
            if name == claim:
                overall = status
        fields |= {
            "status": overall,
            "representative-claim": claim,
            "reset": str(self._ends(claim, now_s)),
            "fallback-percentage": "0.5",
            "overage-status": "rejected",
            "overage-disabled-reason": "org_level_disabled",
        }
        return {f"{UNIFIED}{key}": value for key, value in fields.items()}

    def _ends(self, claim: str, now_s: float) -> int:
        length_s = _FIVE_HOURS_S if claim.startswith("five_hour") else _WEEK_S
        return self.resets.get(claim) or (int(now_s) // length_s + 1) * length_s


def short_name(claim: str) -> str:
    """The window's name in its own headers: `7d_opus` for `seven_day_opus`."""
    return claim.replace("five_hour", "5h").replace("seven_day", "7d")


def overridden(headers: dict[str, str], faults: Faults) -> dict[str, str]:
    """`headers` with what `unified=KEY:VALUE` faults put there; an empty VALUE leaves KEY out."""
    changed = dict(headers)
    for fault in faults.items:
        if fault.name == "unified":
            key, _, value = fault.value.partition(":")
            changed.pop(f"{UNIFIED}{key}", None)
            if value:
                changed[f"{UNIFIED}{key}"] = value
    return changed


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
