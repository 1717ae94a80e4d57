"""Whether requests are delegated: which missing keys count."""

from __future__ import annotations

from datetime import UTC

import pytest
from trouble_samples import NOW, status_with

from offramp_core.control import api
from offramp_core.control.api import BackendStatus
from offramp_core.wording import delegation_text


def said(backend: BackendStatus) -> str:
    return delegation_text.delegation_text(status_with(backend=backend), NOW, UTC)


def test_missing_key_of_a_service_in_use_is_named():
    backend = BackendStatus(name="kimi", key="missing")
    assert said(backend) == "on, but no key for Kimi"


@pytest.mark.parametrize(
    "backend",
    [
        BackendStatus(name="zai", key="present"),
        BackendStatus(name="zai", key="missing", is_used=False),
        BackendStatus(name="kimi", key="missing", is_used=False),
        BackendStatus(name="zai", key="missing", key_note=api.KEY_AWAITED),
        BackendStatus(name="ollama", key="not needed"),
    ],
)
def test_other_keys_leave_delegation_on(backend: BackendStatus):
    assert said(backend) == "on"
