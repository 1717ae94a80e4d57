"""Who serves a tier, and the routes that another choice makes."""

from __future__ import annotations

import pytest

from offramp_core.backend import Route
from offramp_core.config import tier_models
from offramp_core.config.tier_models import CLAUDE, ServingModel
from offramp_core.services import zai
from offramp_core.settings import default_routes
from offramp_core.setup import model_choices

AIR = ServingModel(backend="zai", model="GLM-4.5-Air")


@pytest.mark.parametrize(
    ("routes", "tier", "title"),
    [
        (default_routes(), "sonnet", "GLM-4.7"),
        (default_routes(), "haiku", "GLM-4.5-Air"),
        ((), "sonnet", "Claude"),
        ((Route(match="sonnet", backend="anthropic"),), "sonnet", "Claude"),
        ((Route(match="SONNET", backend="zai", send_model="glm-5"),), "sonnet", "glm-5"),
        ((Route(match="claude", backend="zai", send_model="GLM-5"),), "haiku", "GLM-5"),
        ((Route(match="sonnet-4-5", backend="zai"),), "sonnet", "Claude"),
        ((Route(match="sonnet", backend="mine"),), "sonnet", "mine"),
        ((Route(match="sonnet", backend="mine", send_model="small"),), "sonnet", "small at mine"),
    ],
)
def test_who_serves_a_tier_is_named_as_people_call_it(routes, tier, title):
    assert tier_models.serving(routes, tier).title == title


def test_choices_are_claude_and_the_models_of_the_services_in_use():
    titles = [choice.title for choice in tier_models.choices(("anthropic", "zai", "mine"))]
    assert titles == ["Claude", *(model.name for model in zai.SERVICE.models)]
    assert tier_models.choices(("anthropic",)) == (CLAUDE,)


def test_a_tiers_own_route_is_changed_in_its_place_and_without_the_old_models_limits():
    routes = (
        Route(match="Sonnet", backend="zai", send_model="x", max_output_tokens=9, images=True),
        Route(match="haiku", backend="zai"),
    )
    first, second = map(tier_models.table_of, tier_models.with_choice(routes, "sonnet", AIR))
    assert first == {"match": "Sonnet", "backend": "zai", "send_model": "GLM-4.5-Air"}
    assert second == {"match": "haiku", "backend": "zai"}


def test_a_wider_route_stays_behind_the_new_one():
    routes = (Route(match="opus", backend="anthropic"), Route(match="claude", backend="zai"))
    found = tier_models.with_choice(routes, "haiku", CLAUDE)
    assert [route.match for route in found] == ["opus", "haiku", "claude"]
    assert found[1] == Route(match="haiku", backend="anthropic")


def test_a_tier_without_a_route_gets_one_behind_those_for_some_of_its_models():
    routes = (Route(match="sonnet-4-5", backend="anthropic"),)
    found = tier_models.with_choice(routes, "sonnet", AIR)
    assert [route.match for route in found] == ["sonnet-4-5", "sonnet"]


@pytest.mark.parametrize("tier", ["sonnet", "haiku"])
def test_tray_and_set_up_write_the_same_routes_for_the_same_choice(tier: str) -> None:
    others = (Route(match="opus", backend="zai", send_model="GLM-5"),)
    before = (
        (),
        zai.SERVICE.routes,
        (*others, Route(match="claude", backend="zai")),
        (Route(match=tier.upper(), backend="zai", send_model="old", images=True), *others),
    )
    for routes in before:
        for choice in tier_models.choices(("anthropic", "zai")):
            key = model_choices.CLAUDE if choice == CLAUDE else choice.model
            if model_choices.chosen(routes, tier) != key:
                by_tray = tier_models.with_choice(routes, tier, choice)
                assert model_choices.with_choice(routes, tier, key) == by_tray
                assert tier_models.serving(by_tray, tier).is_same(choice)
                assert model_choices.chosen(by_tray, tier) == key


def test_route_with_a_dash_decides_for_the_whole_tier() -> None:
    routes = (Route(match="sonnet-4-5", backend="zai"), Route(match="Sonnet-", backend="zai"))
    assert tier_models.deciding(routes, "sonnet") == 1
    assert tier_models.deciding(routes, "haiku") is None
