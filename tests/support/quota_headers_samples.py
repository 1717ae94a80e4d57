"""Headers as answers carry them, for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

UNIFIED = "anthropic-ratelimit-unified-"
CLASSIC = "anthropic-ratelimit-"


def unified(fields: Mapping[str, str]) -> dict[str, str]:
    """Headers by what stands behind a subscription's prefix."""
    return {UNIFIED + name: value for name, value in fields.items()}


def window(name: str, used: float, resets: datetime, status: str = "allowed") -> dict[str, str]:
    """One window's headers."""
    return unified(
        {
            f"{name}-utilization": f"{used:.4g}",
            f"{name}-reset": epoch(resets),
            f"{name}-status": status,
        }
    )


def plan_headers(
    five_hour: float, week: float, five_hour_resets: datetime, week_resets: datetime
) -> dict[str, str]:
    """What a subscription's answer tells while all is well."""
    return {
        **unified(
            {
                "status": "allowed",
                "representative-claim": "five_hour",
                "reset": epoch(five_hour_resets),
                "fallback-percentage": "0.5",
                "overage-status": "rejected",
                "overage-disabled-reason": "org_level_disabled",
            }
        ),
        **window("5h", five_hour, five_hour_resets),
        **window("7d", week, week_resets),
    }


def epoch(moment: datetime) -> str:
    """Epoch seconds, as headers have them."""
    return str(int(moment.timestamp()))
