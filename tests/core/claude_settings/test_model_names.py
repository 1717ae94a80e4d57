"""Models that Claude Code's settings name: where their requests go, and what is said of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from offramp_core.claude_settings import model_names, scopes
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.settings import Route, Settings, default_backends, default_routes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from offramp_core.claude_settings.scopes import Scope

SETTINGS = Settings(backends=default_backends(), routes=default_routes())
VARIABLES = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_FABLE_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)


def read(
    root: Path, settings: Mapping[str, object], environ: Mapping[str, str]
) -> tuple[Scope, ...]:
    places = SettingsLocations.for_user(
        {}, home=root, folder=root / "project", managed=root / "none.json"
    )
    places.user.parent.mkdir(parents=True, exist_ok=True)
    places.user.write_text(json.dumps(settings))
    return scopes.read(places, environ)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("model", ["glm-5.3", "GLM-4.7", "glm-5.2[1m]", " glm-4.5-air "])
@pytest.mark.parametrize("is_in_shell", [False, True])
def test_delegates_model_by_name_is_warned_of_with_what_it_means(
    tmp_path, variable, model, is_in_shell
):
    set_here = {variable: model}
    found = read(tmp_path, {}, set_here) if is_in_shell else read(tmp_path, {"env": set_here}, {})
    [text] = model_names.warnings(found, SETTINGS)
    assert f"sets {variable} to {model.strip()!r}" in text
    assert "go to Z.ai by that name" in text
    assert "Claude has no such model" in text
    assert "Remove it to let Offramp's routes decide" in text


def test_model_of_the_settings_file_is_warned_of_too(tmp_path):
    [text] = model_names.warnings(read(tmp_path, {"model": "glm-5.3"}, {}), SETTINGS)
    assert "settings.json" in text
    assert "the main model's requests go to Z.ai" in text


@pytest.mark.parametrize(
    ("model", "backend"),
    [
        ("claude-sonnet-5-5", "zai"),
        ("haiku", "zai"),
        ("opus", "anthropic"),
        ("opusplan", "anthropic"),
        ("fable[1m]", "anthropic"),
        ("claude-nova-6", "anthropic"),
        ("inherit", "anthropic"),
    ],
)
def test_models_that_routes_or_claude_know_are_no_news(tmp_path, model, backend):
    found = read(tmp_path, {"env": {"ANTHROPIC_DEFAULT_SONNET_MODEL": model}}, {})
    assert [named.backend for named in model_names.find(found, SETTINGS)] == [backend]
    assert model_names.warnings(found, SETTINGS) == []


def test_model_that_nobody_knows_goes_to_anthropic_unless_a_route_names_it(tmp_path):
    found = read(tmp_path, {"model": "kimi-k3"}, {})
    [text] = model_names.warnings(found, SETTINGS)
    assert "go to Anthropic, which does not know it" in text
    route = Route(match="kimi", backend="zai")
    assert model_names.warnings(found, Settings(routes=(route,))) == []


def test_what_loses_is_no_warning(tmp_path):
    settings = {"env": {"ANTHROPIC_MODEL": "opus"}}
    found = read(tmp_path, settings, {"ANTHROPIC_MODEL": "glm-5.3"})
    assert model_names.warnings(found, SETTINGS) == []


def test_what_may_be_a_secret_is_not_shown(tmp_path):
    secret = "sk-ant-oat01-hunter2hunter2hunter2"
    [text] = model_names.warnings(read(tmp_path, {}, {"ANTHROPIC_MODEL": secret}), SETTINGS)
    assert secret not in text
