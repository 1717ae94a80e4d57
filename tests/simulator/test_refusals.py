"""Choosing refusals by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from offramp_simulator import refusals
from offramp_simulator.anthropic import rules as anthropic_rules
from offramp_simulator.refusals import Refusals, UnknownRefusalError
from offramp_simulator.zai import strictness as zai_strictness


def choose(*, is_lenient: bool = False, allow: str = "", refuse: str = "") -> Refusals:
    return refusals.choose(is_lenient=is_lenient, allow=allow.split(), refuse=refuse.split())


def test_nothing_chosen_is_every_refusal() -> None:
    assert choose() == Refusals(anthropic=anthropic_rules.ALL, zai=zai_strictness.ALL)


def test_single_refusals_are_switched_off_and_on() -> None:
    chosen = choose(allow="zai:fields anthropic:threads", refuse="zai:claude-names")
    assert chosen.zai == zai_strictness.ALL - {"fields"} | {"claude-names"}
    assert chosen.anthropic == anthropic_rules.ALL - {"threads"}


def test_lenient_services_refuse_only_what_is_named() -> None:
    chosen = choose(is_lenient=True, refuse="anthropic:call-ids")
    assert chosen == Refusals(anthropic=frozenset({"call-ids"}), zai=frozenset())


@pytest.mark.parametrize("name", ["fields", "zai:", "zai:call-ids", "other:fields"])
def test_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownRefusalError, match="anthropic:call-ids") as raised:
        choose(allow=name)
    assert name in str(raised.value)


def test_every_refusal_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/simulator.md").read_text(encoding="utf-8")
    zai, anthropic = page.split("## Z.ai\n")[1].split("## Anthropic\n")
    documented = {
        f"{service}:{name}"
        for service, part in (("zai", zai), ("anthropic", anthropic.split("\nAn empty")[0]))
        for row in part.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    assert documented == refusals.NAMES
