"""The icon on a private session bus, with a panel of the tests' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from notifier_watcher import panel
from private_bus import PrivateBus, private_bus
from running_host import running_host, sample_face

from offramp_tray.status_notifier import StatusNotifierBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    with private_bus(tmp_path) as running:
        yield running


async def test_icon_registers_with_a_panel_that_is_there(bus: PrivateBus) -> None:
    async with (
        panel(bus.address) as there,
        running_host(StatusNotifierBackend(bus.address), sample_face()) as running,
    ):
        item = await there.item()
        assert await running.next_presence()
        properties = await item.properties()
        assert properties["Title"] == "Z.ai 68 %, Claude 32 % this week"
        layout = await item.open()
        assert layout.words == []
