"""What is known of the services fits together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from offramp_core.services import DELEGATE, OTHER, SERVICES, ErrorKind, service_of, zai
from offramp_core.settings import ANTHROPIC, Settings

if TYPE_CHECKING:
    from offramp_core.services import Service


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
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
    assert [each.name for each in SERVICES if each.is_clients_own] == [ANTHROPIC]
    assert not DELEGATE.is_clients_own


def test_what_is_sent_by_default_is_a_known_model_within_its_context() -> None:
    models = {model.name: model for model in DELEGATE.models}
    assert DELEGATE.overflow_model in models
    for route in DELEGATE.routes:
        assert route.backend == DELEGATE.name
        sent = models[route.send_model or zai.GLM_4_7.name]
        assert route.context_tokens == sent.context_tokens


@pytest.mark.parametrize(
    ("code", "kind"), [("1308", ErrorKind.QUOTA), ("1211", ErrorKind.INVALID), (None, None)]
)
def test_code_has_the_meaning_that_the_service_gives_it(
    code: str | None, kind: ErrorKind | None
) -> None:
    assert zai.SERVICE.error_kind(code) is kind


def test_setting_stops_the_one_service_from_being_asked_for_its_quota() -> None:
    settings = Settings(zai_quota=False)
    assert not settings.asks_quota_of(zai.NAME)
    assert settings.asks_quota_of("another")
