"""Choosing the models that serve Sonnet and Haiku: the lines, the routes, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offramp_core.config import loader
from offramp_core.config.loader import ConfigError
from offramp_core.paths import Paths
from offramp_core.services import DELEGATE
from offramp_core.settings import Route
from offramp_core.setup import model_choices
from offramp_core.setup.model_choices import CLAUDE

if TYPE_CHECKING:
    from pathlib import Path

USUAL = {"sonnet": "GLM-4.7", "haiku": "GLM-4.5-Air"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path)


def write(paths: Paths, text: str) -> None:
    paths.config_dir.mkdir(parents=True)
    paths.config_file.write_text(text)


@pytest.mark.parametrize("tier", model_choices.TIERS)
def test_every_model_of_the_service_can_be_chosen_the_usual_first(tier: str) -> None:
    found = model_choices.choices(tier)
    assert {each.key for each in found} == {model.name for model in DELEGATE.models} | {CLAUDE}
    assert found[0].key == USUAL[tier]
    assert found[0].facts.endswith("(usual)")
    assert found[-1].key == CLAUDE


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("GLM-4.7", "200k tokens of context, no images"),
        ("GLM-5.3", "200k tokens of context, no images, always thinks"),
        ("GLM-5.4", "1M tokens of context, images, always thinks"),
    ],
)
def test_facts_name_context_images_and_thinking(model: str, line: str) -> None:
    assert model_choices.facts(DELEGATE.limits_of(model)) == line


@pytest.mark.parametrize("tier", model_choices.TIERS)
@pytest.mark.parametrize("key", [each.key for each in model_choices.choices("sonnet")])
def test_choice_that_is_saved_is_in_force(paths: Paths, tier: str, key: str) -> None:
    model_choices.save(paths, {}, {tier: key})
    assert model_choices.in_force(paths, {}).by_tier == {**USUAL, tier: key}
    # The other way round too, from what is in the file by now.
    model_choices.save(paths, {}, {tier: USUAL[tier]})
    assert model_choices.in_force(paths, {}).by_tier == USUAL
    assert loader.load(paths, {}).settings.routes == DELEGATE.routes


def test_routes_of_the_user_stay_as_they_are(paths: Paths) -> None:
    write(
        paths,
        '# mine\n[[route]]\nmatch = "fable"\nbackend = "zai"\nsend_model = "GLM-5.4"\n\n'
        '[[route]]\nmatch = "sonnet"\nbackend = "zai"\nimages = false\n',
    )
    model_choices.save(paths, {}, {"sonnet": "GLM-5.4", "haiku": CLAUDE})
    # Nothing leads Haiku elsewhere there: Claude serves it without a route.
    fable, sonnet = loader.load(paths, {}).settings.routes
    assert (fable.match, fable.send_model) == ("fable", "GLM-5.4")
    assert (sonnet.send_model, sonnet.context_tokens, sonnet.images) == ("GLM-5.4", 1_000_000, None)
    assert paths.config_file.read_text().startswith("# mine\n")


def test_broader_route_gives_way_to_the_choice(paths: Paths) -> None:
    write(paths, '[[route]]\nmatch = "claude-"\nbackend = "zai"\nsend_model = "GLM-5"\n')
    assert model_choices.in_force(paths, {}).by_tier == {"sonnet": "GLM-5", "haiku": "GLM-5"}
    model_choices.save(paths, {}, {"haiku": CLAUDE})
    assert model_choices.in_force(paths, {}).by_tier == {"sonnet": "GLM-5", "haiku": CLAUDE}


def test_choice_that_is_in_force_writes_nothing(paths: Paths) -> None:
    model_choices.save(paths, {}, USUAL)
    assert not paths.config_file.exists()


def test_without_routes_claude_serves_all(paths: Paths) -> None:
    write(paths, "route = []\n")
    assert model_choices.in_force(paths, {}).by_tier == {"sonnet": CLAUDE, "haiku": CLAUDE}


def test_model_that_is_not_listed_is_no_choice() -> None:
    routes = (Route(match="sonnet", backend="zai", send_model="glm-9"),)
    assert model_choices.chosen(routes, "sonnet") is None
    other = (Route(match="sonnet", backend="mine"),)
    assert model_choices.chosen(other, "sonnet") is None


@pytest.mark.parametrize("text", ["port = 3009\n", '[[route]]\nmatch = "x"\nbackend = "zai"\n'])
def test_what_was_there_can_be_put_back(paths: Paths, text: str) -> None:
    write(paths, text)
    before = model_choices.in_force(paths, {})
    model_choices.save(paths, {}, {"sonnet": "GLM-5.4"})
    model_choices.put_back(paths, {}, before.routes)
    assert model_choices.in_force(paths, {}) == before
    assert paths.config_file.read_text().strip() == text.strip()


def test_settings_that_are_wrong_are_not_touched(paths: Paths) -> None:
    write(paths, "port = 'many'\n")
    with pytest.raises(ConfigError):
        model_choices.save(paths, {}, {"sonnet": "GLM-5.4"})
    assert paths.config_file.read_text() == "port = 'many'\n"
