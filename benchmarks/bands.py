"""How often forecast bands come true: of ten that say "10 to 90 %", eight should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.whatif.simulation import BAND_HOURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offramp_cli.whatif.drive import BandCheck

HEAD = "| forecast of | at hour | forecasts | came true | less | more | mean width |"

_TOLERANCE = 1e-6
"""A week that is used up reads as 1, whatever was forecast beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandLine:
    """The forecasts of one plan's week, made at one hour or at all of them."""

    plan: str
    hour: float | None
    """Of Claude's week; None for all."""
    forecasts: int
    true: int
    """How many truths lay within, the ends included."""
    below: int
    above: int
    width: float
    """From the lower end to the upper one, on average."""

    def row(self) -> str:
        """Return it as a row of the table."""
        count = self.forecasts or 1
        hour = "all" if self.hour is None else f"{self.hour:g}"
        return (
            f"| {self.plan} | {hour} | {self.forecasts} | {self.true / count:.1%} "
            f"| {self.below / count:.1%} | {self.above / count:.1%} | {self.width:.1%} |"
        )


def band_lines(checks: Iterable[tuple[str, BandCheck]]) -> list[BandLine]:
    """Return how the forecasts of each plan did, hour by hour and together.

    Each forecast comes with the name of the Z.ai plan beside Claude's.
    """
    found: dict[str, list[BandCheck]] = {}
    for plan, check in checks:
        found.setdefault("Claude" if check.is_claude else f"Z.ai {plan}", []).append(check)
        if not check.is_claude:
            found.setdefault("Z.ai", []).append(check)
    return [line for plan in sorted(found) for line in _lines_of(plan, found[plan])]


def _lines_of(plan: str, checks: list[BandCheck]) -> Iterator[BandLine]:
    yield _line(plan, None, checks)
    for hour in BAND_HOURS:
        at_hour = [check for check in checks if check.at_h == hour]
        if at_hour:
            yield _line(plan, hour, at_hour)


def _line(plan: str, hour: float | None, checks: list[BandCheck]) -> BandLine:
    below = sum(check.truth < check.band.low - _TOLERANCE for check in checks)
    above = sum(check.truth > check.band.high + _TOLERANCE for check in checks)
    return BandLine(
        plan=plan,
        hour=hour,
        forecasts=len(checks),
        true=len(checks) - below - above,
        below=below,
        above=above,
        width=sum(check.band.high - check.band.low for check in checks) / len(checks),
    )
