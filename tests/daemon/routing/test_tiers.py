"""The short name of a model: the route's text, or Claude's tier."""

from __future__ import annotations

import pytest
from request_bodies import ask, read, settings_with_key

from offramp_core.settings import Settings, default_backends, default_routes
from offramp_daemon.routing import router, tiers

DEFAULTS = settings_with_key()
KEYLESS = Settings(backends=default_backends(), routes=default_routes())


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("claude-sonnet-4-5", "sonnet"),
        ("claude-haiku-4-5", "haiku"),
        ("claude-OPUS-4-6", "opus"),
        ("another-model", "another-model"),
        (None, "-"),
    ],
)
def test_tier_is_short_whether_delegated_or_not(model, tier):
    for found in (DEFAULTS, KEYLESS):
        body = read(ask(model))
        assert tiers.tier_of(body.model, router.decide(body, found)) == tier
    assert tiers.tier_of(model, None) == tier
