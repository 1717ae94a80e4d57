"""Running a test against services that refuse all that they may, and against lenient ones."""

from __future__ import annotations

import pytest

from offramp_simulator.refusals import EVERY, Refusals

NOTHING = Refusals(anthropic=frozenset(), zai=frozenset())

on_strict_and_lenient_services = pytest.mark.parametrize(
    "sim", [EVERY, NOTHING], ids=["strict", "lenient"], indirect=True
)
"""Marks a test, or a module as its `pytestmark`, to be run twice."""
