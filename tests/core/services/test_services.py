"""What is known of the services fits together."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from offramp_core.backend import Route
from offramp_core.model_limits import limits_for
from offramp_core.services import DELEGATE, KNOWN, OTHER, ErrorKind, minimax, service_of, zai
from offramp_core.settings import ANTHROPIC, Settings

if TYPE_CHECKING:
    from offramp_core.services import Service


@pytest.mark.parametrize("service", KNOWN, ids=lambda service: service.name)
def test_known_service_is_found_by_its_backends_name(service: Service) -> None:
    assert service_of(service.name) is service
    assert service.title
    assert service.company
    assert service.backend.key is None
    re.compile(service.key_shape)


def test_backend_of_the_users_own_is_no_known_service() -> None:
    assert service_of("mine") is OTHER
    assert not OTHER.tells_quota
    assert not OTHER.is_clients_own


def test_only_claudes_service_gets_the_clients_credentials() -> None:
    assert [each.name for each in KNOWN if each.is_clients_own] == [ANTHROPIC]
    assert not DELEGATE.is_clients_own


def test_what_is_sent_by_default_is_a_known_model_within_its_context() -> None:
    models = {model.name: model for model in DELEGATE.models}
    assert DELEGATE.overflow_model in models
    for route in DELEGATE.routes:
        assert route.backend == DELEGATE.name
        sent = models[route.send_model or zai.GLM_4_7.name]
        assert route.context_tokens == sent.context_tokens


@pytest.mark.parametrize(
    ("name", "output", "context", "thinks"),
    [
        ("GLM-4.5-Air", 98_304, 128_000, False),
        ("glm-4.5", 98_304, 128_000, False),
        ("GLM-4.6", 131_072, 200_000, False),
        ("glm-4.7[1m]", 131_072, 200_000, False),
        ("GLM-5", 131_072, 200_000, False),
        ("glm-5.1", 131_072, 200_000, False),
        ("glm-5.2", 131_072, 200_000, False),
        ("glm-5.2[1M]", 131_072, 1_000_000, False),
        ("glm-5.3", 131_072, 200_000, True),
        ("GLM-5.3-Flash", 131_072, 1_000_000, True),
        ("glm-5.4", 128_000, 1_000_000, True),
        ("claude-sonnet-5-5", 131_072, 200_000, False),
        ("claude-haiku-5-5", 98_304, 128_000, False),
        ("glm-99", 32_000, None, False),
    ],
)
def test_model_is_known_by_its_name_in_any_case(
    name: str, output: int, context: int | None, thinks: bool
) -> None:
    limits = DELEGATE.limits_of(name)
    found = (limits.max_output_tokens, limits.context_tokens, limits.always_thinks)
    assert found == (output, context, thinks)


def test_route_overrides_each_limit_of_its_model() -> None:
    given = {
        "context_tokens": 5,
        "max_output_tokens": 6,
        "images": True,
        "documents": True,
        "always_thinks": True,
        "efforts": ("low",),
    }
    route = Route(match="x", backend="zai", send_model="GLM-4.7", **given)
    limits = limits_for(DELEGATE.backend, route, "claude-haiku-5-5")
    assert limits == dataclasses.replace(zai.GLM_4_7, **given)
    assert limits_for(DELEGATE.backend, None, "claude-haiku-5-5") == zai.GLM_4_5_AIR


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("1308", ErrorKind.QUOTA),
        ("1210", ErrorKind.INVALID),
        ("1211", ErrorKind.UNKNOWN_MODEL),
        (None, None),
    ],
)
def test_code_has_the_meaning_that_the_service_gives_it(
    code: str | None, kind: ErrorKind | None
) -> None:
    assert zai.SERVICE.error_kind(code) is kind


def test_setting_stops_the_one_service_from_being_asked_for_its_quota() -> None:
    settings = Settings(zai_quota=False)
    assert not settings.asks_quota_of(zai.NAME)
    assert settings.asks_quota_of("another")


@pytest.mark.parametrize("code", ["1000", "1002", "1004"])
def test_number_that_two_services_use_says_nothing_of_an_unknown_one(code: str) -> None:
    assert zai.SERVICE.error_kind(code) is ErrorKind.KEY
    assert minimax.SERVICE.error_kind(code) is not None
    assert OTHER.error_kind(code) is None


def test_unknown_service_s_quota_is_known_by_the_code_of_a_glm_plan() -> None:
    assert OTHER.error_kind("1308") is ErrorKind.QUOTA
