"""What a check comes to: how it went, what was seen, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How a check went, the best first; the values are those of `--json`."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong, but the user may want to know."""
    WARNING = "warning"
    """It works, but not as well as it should, or not for long."""
    FAILURE = "failure"
    """Something does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that a check has to say, and what to do about it, both as whole sentences."""

    severity: Severity
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
    def severity(self) -> Severity:
        """The worst of its remarks."""
        order = list(Severity)
        found = (remark.severity for remark in self.remarks)
        return max(found, key=order.index, default=Severity.OK)


def ok(saw: str) -> Remark:
    """Return a remark that all is as it should be."""
    return Remark(severity=Severity.OK, saw=saw)


def note(saw: str, cure: str = "") -> Remark:
    """Return a remark that the user may want to know."""
    return Remark(severity=Severity.NOTE, saw=saw, cure=cure)


def warning(saw: str, cure: str) -> Remark:
    """Return a remark on what works, but should be fixed."""
    return Remark(severity=Severity.WARNING, saw=saw, cure=cure)


def failure(saw: str, cure: str) -> Remark:
    """Return a remark on what does not work."""
    return Remark(severity=Severity.FAILURE, saw=saw, cure=cure)
