"""How many requests Claude has served that belong at another backend, in words, by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.wording.formatting import backend_name, format_moment, printable
from offramp_core.wording.trouble_text import model_title

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, tzinfo

    from offramp_core.control.api import StandIns

_LONGEST_NAME = 40
_WORDS = {
    api.LIMIT: "quota used up",
    api.ACCOUNT: "account or plan",
    api.BUSY: "too many at once",
    api.UNREACHABLE: "not reachable",
    api.FAILING: "failed",
}
"""For causes whose own names are not plain words; the others are shown as they are."""
_MOST_CAUSES = 4
_MOST_MODELS = 6
"""Models' names come from clients: they must not fill the screen."""


def stand_in_lines(counts: Iterable[StandIns], now: datetime, zone: tzinfo) -> list[str]:
    """`37 Sonnet 5.5 requests for Z.ai since Mon 09:00: refused 30, busy 7`, a line a model."""
    by_model: dict[tuple[str, str], list[StandIns]] = {}
    for each in counts:
        by_model.setdefault((each.backend, each.model), []).append(each)
    lines = [_line(found, now, zone) for found in by_model.values()]
    more = len(lines) - _MOST_MODELS
    return [*lines[:_MOST_MODELS], f"requests of {more} more models"] if more > 0 else lines


def _line(counts: list[StandIns], now: datetime, zone: tzinfo) -> str:
    total = sum(each.requests for each in counts)
    since = format_moment(min(each.since for each in counts), now, zone)
    ordered = sorted(counts, key=lambda each: -each.requests)
    causes = [f"{_cause(each)} {each.requests}" for each in ordered[:_MOST_CAUSES]]
    if rest := sum(each.requests for each in ordered[_MOST_CAUSES:]):
        causes.append(f"other causes {rest}")
    noun = "request" if total == 1 else "requests"
    whose = _shown(backend_name(counts[0].backend))
    return (
        f"{total} {model_title(counts[0].model)} {noun} for {whose} since {since}: "
        f"{', '.join(causes)}"
    )


def _cause(count: StandIns) -> str:
    return _WORDS.get(count.cause) or _shown(count.cause)


def _shown(name: str) -> str:
    return printable(name)[:_LONGEST_NAME]
