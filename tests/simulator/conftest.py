"""A simulator that takes any key, and may be left with requests under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offramp_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator.start() as running:
        yield running
