"""Estimates by which requests are kept from a delegate that has no room for them."""

from __future__ import annotations

import pytest

from offramp_daemon.routing import keep_rules


@pytest.mark.parametrize(("length", "tokens"), [(0, 1), (1, 1), (3, 1), (35, 10), (7_000, 2_000)])
def test_estimate_is_never_zero(length, tokens):
    assert keep_rules.estimate_tokens(length) == tokens
