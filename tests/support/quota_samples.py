"""What plans may have told of their limits, for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offramp_core.quota import state_file
from offramp_core.quota.windows import PlanQuota, QuotaWindow

if TYPE_CHECKING:
    from offramp_core.paths import Paths


def plan_of(backend: str, *windows: QuotaWindow, account: str = "a1b2") -> PlanQuota:
    """The plan of an account that told these windows."""
    read_at = max((window.read_at for window in windows), default=datetime(2026, 1, 1, tzinfo=UTC))
    return PlanQuota(backend=backend, account=account, windows=windows, read_at=read_at)


def claude_week(resets: datetime, *, used: float = 0.4) -> PlanQuota:
    """Claude's plan, its week as told two days before `resets`."""
    read_at = resets - timedelta(days=2)
    return plan_of("anthropic", QuotaWindow(name="7d", used=used, resets=resets, read_at=read_at))


def keep(paths: Paths, *plans: PlanQuota) -> None:
    """Write the file that the daemon keeps."""
    paths.quota_file.parent.mkdir(parents=True, exist_ok=True)
    paths.quota_file.write_bytes(state_file.encode(plans))


def next_reset() -> datetime:
    """An hour from two to three days ahead, on the hour, UTC."""
    soon = datetime.now(UTC) + timedelta(days=3)
    return soon.replace(minute=0, second=0, microsecond=0)
