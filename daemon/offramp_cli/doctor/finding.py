"""What a check comes to: how it went, what was seen, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(Enum):
    """How a check went, the better first; the values are those of `--json`."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong, but the user may want to know."""
    WARNING = "warning"
    """It works, but not as well as it should, or not for long."""
    FAILURE = "failure"
    """Something does not work."""

    @property
    def severity(self) -> int:
        """0 for the best."""
        return list(Outcome).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that a check has to say, and what to do about it, both as whole sentences."""

    outcome: Outcome
    saw: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All that one check has to say, in its own order; at least one remark."""

    name: str
    group: str
    remarks: tuple[Remark, ...]
    took_s: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """The worst of its remarks."""
        return worst(remark.outcome for remark in self.remarks)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of them; OK where there are none."""
    return max(outcomes, key=lambda outcome: outcome.severity, default=Outcome.OK)


def ok(saw: str) -> Remark:
    """All is as it should be."""
    return Remark(outcome=Outcome.OK, saw=saw)


def note(saw: str, cure: str = "") -> Remark:
    """The user may want to know."""
    return Remark(outcome=Outcome.NOTE, saw=saw, cure=cure)


def warning(saw: str, cure: str) -> Remark:
    """It works, but should be mended."""
    return Remark(outcome=Outcome.WARNING, saw=saw, cure=cure)


def failure(saw: str, cure: str) -> Remark:
    """It does not work."""
    return Remark(outcome=Outcome.FAILURE, saw=saw, cure=cure)
