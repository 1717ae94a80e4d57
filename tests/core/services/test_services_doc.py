"""The manual's table of services says what the presets say."""

from __future__ import annotations

from pathlib import Path

from offramp_core.services import PRESETS

MANUAL = Path(__file__).parents[3] / "docs" / "services.md"


def test_manual_lists_every_preset_with_its_address_and_models() -> None:
    lines = [line for line in MANUAL.read_text().splitlines() if line.startswith("| `")]
    assert len(lines) == len(PRESETS)
    for line, service in zip(lines, PRESETS, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name, title, address, key, models, _ = cells
        assert name == f"`{service.name}`"
        assert title == service.title
        assert address == f"`{service.backend.base_url}`"
        assert key == service.backend.auth
        own = [service.aliases[tier].name for tier in ("sonnet", "haiku") if service.aliases]
        assert models == (", ".join(own) or "yours to name")
