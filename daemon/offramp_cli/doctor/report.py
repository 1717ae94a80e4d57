"""Findings as text for people, in groups and columns, and as plain data for scripts."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from typing import TYPE_CHECKING, Any

from offramp_cli.doctor.finding import Severity
from offramp_core import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from offramp_cli.doctor.finding import Finding, Remark

Line = tuple[Severity | None, str]
"""One line of the report; its outcome where it begins with one, for the colour."""

_OUTCOME_WIDTH = max(len(severity.value) for severity in Severity)
_NARROWEST_TEXT = 30
_CURE = "Cure: "
_PLURALS = {
    Severity.FAILURE: ("failure", "failures"),
    Severity.WARNING: ("warning", "warnings"),
    Severity.NOTE: ("note", "notes"),
    Severity.OK: ("ok", "ok"),
}


def lines(findings: Sequence[Finding], *, width: int, home: Path | None = None) -> Iterator[Line]:
    """The whole report, in lines of `width` characters at most where words are short enough.

    What is below `home` is shown as `~/...`.
    """
    name_width = max((len(finding.name) for finding in findings), default=0)
    group = None
    for finding in findings:
        if finding.group != group:
            if group is not None:
                yield None, ""
            yield None, finding.group
            group = finding.group
        for number, remark in enumerate(finding.remarks):
            name = finding.name if number == 0 else ""
            shown = remark if home is None else _from_home(remark, home)
            yield from _remark_lines(name, shown, name_width=name_width, width=width)
    yield None, ""
    yield None, _summary(findings)


def _remark_lines(name: str, remark: Remark, *, name_width: int, width: int) -> Iterator[Line]:
    """What was seen beside the name; the cure below it, from under the name on."""
    severity = f"  {remark.severity.value:<{_OUTCOME_WIDTH}}  "
    lead = f"{severity}{name:<{name_width}}  "
    first, *others = _wrapped(remark.saw, width - len(lead))
    yield remark.severity, lead + first
    for text in others:
        yield None, " " * len(lead) + text
    if remark.cure:
        for text in _wrapped(f"{_CURE}{remark.cure}", width - len(severity)):
            yield None, " " * len(severity) + text


def _from_home(remark: Remark, home: Path) -> Remark:
    """`remark` with `~` for `home`, but for quoted paths, which a shell would not expand."""
    start = re.compile(rf"(?<![\w'/.]){re.escape(str(home))}(?=/)")
    saw, cure = (start.sub("~", text) for text in (remark.saw, remark.cure))
    return dataclasses.replace(remark, saw=saw, cure=cure)


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines, with its own line ends; paths and commands are never broken in a word."""
    room = max(width, _NARROWEST_TEXT)
    wrapped: list[str] = []
    for line in text.splitlines():
        wrapped += textwrap.wrap(
            _printable(line.strip()), room, break_long_words=False, break_on_hyphens=False
        )
    return wrapped or [""]


def _printable(text: str) -> str:
    """`text` with nothing in it that could move the cursor or colour the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _summary(findings: Sequence[Finding]) -> str:
    parts = [
        f"{count} {_PLURALS[severity][count != 1]}"
        for severity, count in _counts(findings).items()
        if count
    ]
    checks = "1 check" if len(findings) == 1 else f"{len(findings)} checks"
    return f"{checks}: {', '.join(parts)}."


def _counts(findings: Sequence[Finding]) -> dict[Severity, int]:
    """How many findings there are of each outcome, the worst first."""
    return {
        severity: sum(finding.severity is severity for finding in findings)
        for severity in reversed(Severity)
    }


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """What `--json` prints. Keys are only ever added; a check's name never changes its meaning."""
    return {
        "version": __version__,
        "ok": all(finding.severity is not Severity.FAILURE for finding in findings),
        "counts": {severity.value: count for severity, count in _counts(findings).items()},
        "checks": [
            {
                "name": finding.name,
                "group": finding.group,
                "outcome": finding.severity.value,
                "took_s": round(finding.took_s, 3),
                "remarks": [
                    {
                        "outcome": remark.severity.value,
                        "saw": remark.saw,
                        "cure": remark.cure or None,
                    }
                    for remark in finding.remarks
                ],
            }
            for finding in findings
        ],
    }
