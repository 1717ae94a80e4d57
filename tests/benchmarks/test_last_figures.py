"""A run of the benchmark says which figures got worse since the last ones were kept."""

from __future__ import annotations

import dataclasses

import pytest

import last_figures
import report
from case import Case, Figure

RATIO = Figure(key="cpu", label="", unit="µs", most_ratio=0.75)
NGINX = Figure(key="cpu", label="", unit="µs", most_ratio=0.75, most_nginx_ratio=3)
ABSOLUTE = Figure(key="cpu", label="", unit="MB", most=60)
FREE = Figure(key="cpu", label="", unit="% of the core")


class Sample(Case):
    name = "small1"

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self.figures = (figure,)

    async def measure(self, proxy, upstream, share):
        raise NotImplementedError


def line(figure: Figure, *daemon: float, bare: float = 100, nginx: float = 10) -> report.Line:
    rounds = {
        "daemon": [{"cpu": value} for value in daemon],
        "bare": [{"cpu": bare} for _ in daemon],
        "nginx": [{"cpu": nginx} for _ in daemon],
    }
    (found,) = report.lines_of(Sample(figure), rounds)
    return found


@pytest.fixture
def kept(tmp_path):
    def keep(figure: Figure, *daemon: float) -> dict[str, object]:
        last_figures.keep([line(figure, *daemon)], "a machine", tmp_path / "kept.json")
        return last_figures.read(tmp_path / "kept.json")

    return keep


@pytest.mark.parametrize(
    ("figure", "before", "now", "is_worse"),
    [
        (RATIO, (100, 101, 102), (120, 121, 140), True),
        (RATIO, (100, 101, 102), (105, 106, 107), False),
        (RATIO, (100, 101, 102), (99, 130, 140), False),
        (RATIO, (100, 101, 102), (50, 51, 52), False),
        (ABSOLUTE, (40,), (55,), True),
        (ABSOLUTE, (1.0,), (2.0,), False),
        (ABSOLUTE, (0.0,), (4.0,), True),
        (FREE, (10,), (90,), False),
    ],
    ids=[
        "every round above",
        "within a tenth",
        "one round as good as before",
        "better",
        "absolute, above",
        "absolute, a small part of the goal",
        "absolute, from nothing",
        "no goal",
    ],
)
def test_figure_is_called_worse_when_it_moved_by_more_than_the_rounds_differ(
    kept, figure, before, now, is_worse
):
    sentences = report.worse_cases([line(figure, *now)], kept(figure, *before))
    assert bool(sentences) is is_worse
    assert all("small1" in sentence for sentence in sentences)


def test_ratio_on_a_slower_machine_is_not_called_worse(kept):
    slower = line(RATIO, 1000, 1010, 1020, bare=1000)
    assert not last_figures.is_worse(slower, kept(RATIO, 100, 101, 102))


def test_figure_without_the_bare_proxy_is_compared_with_nothing(kept):
    (found,) = report.lines_of(Sample(RATIO), {"daemon": [{"cpu": 900.0}], "bare": [{}]})
    assert found.ratio is None
    assert not last_figures.is_worse(found, kept(RATIO, 100))


def test_figures_of_other_cases_stay_when_some_are_kept(tmp_path):
    file = tmp_path / "kept.json"
    one = line(RATIO, 100)
    last_figures.keep([one], "a machine", file)
    last_figures.keep([dataclasses.replace(one, case="burst1")], "another", file)
    assert {name: case["machine"] for name, case in last_figures.read(file).items()} == {
        "small1": "a machine",
        "burst1": "another",
    }


def test_first_run_without_kept_figures_says_nothing(tmp_path):
    nothing = last_figures.read(tmp_path / "none.json")
    assert report.worse_cases([line(RATIO, 900)], nothing) == []
    assert "worse" not in report.table([line(RATIO, 900)], nothing)


@pytest.mark.parametrize(
    ("nginx", "is_reached"), [(30, True), (10, False)], ids=["both goals", "only one goal"]
)
def test_figure_with_two_goals_is_reached_when_both_are(nginx, is_reached):
    assert line(NGINX, 60, nginx=nginx).is_reached is is_reached
