"""What the tests of the stored keys share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from keyring_harness import FakeKeyring

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeKeyring]:
    """Make a keyring of that kind the one that processes of this test find."""

    def use(**kind: str) -> FakeKeyring:
        fake = FakeKeyring(tmp_path, **kind)
        for name, value in fake.variables.items():
            monkeypatch.setenv(name, value)
        return fake

    return use
