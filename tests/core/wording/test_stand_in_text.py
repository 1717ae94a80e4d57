"""What Claude has served instead of another backend, a line for each model, by cause."""

from __future__ import annotations

from datetime import UTC, timedelta

from trouble_samples import NOW

from offramp_core.control import api
from offramp_core.control.api import StandIns
from offramp_core.wording.stand_in_text import stand_in_lines


def count(
    cause: str, requests: int, *, model: str = "claude-sonnet-5-5", hours: int = 1
) -> StandIns:
    return StandIns(
        backend="zai",
        model=model,
        cause=cause,
        since=NOW - timedelta(hours=hours),
        requests=requests,
    )


def test_each_model_has_a_line_with_its_causes_the_most_first() -> None:
    counts = [
        count(api.BUSY, 7, hours=51),
        count(api.REFUSED, 30),
        count(api.OVERLOADED, 1, model="GLM-4.5-Air"),
    ]
    assert stand_in_lines(counts, NOW, UTC) == [
        "37 Sonnet 5.5 requests for Z.ai since Mon 09:00: refused 30, too many at once 7",
        "1 GLM-4.5-Air request for Z.ai since 11:00: overloaded 1",
    ]


def test_nothing_counted_is_no_line() -> None:
    assert stand_in_lines((), NOW, UTC) == []


def test_many_causes_and_models_are_added_up() -> None:
    causes = [count(f"cause {number}", number) for number in range(1, 8)]
    [line] = stand_in_lines(causes, NOW, UTC)
    assert line.endswith(": cause 7 7, cause 6 6, cause 5 5, cause 4 4, other causes 6")
    models = [count(api.REFUSED, 1, model=f"m{number}\n") for number in range(9)]
    lines = stand_in_lines(models, NOW, UTC)
    assert (len(lines), lines[-1]) == (7, "requests of 3 more models")
    assert all(line.isprintable() for line in lines)
