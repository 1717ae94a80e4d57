"""What `offramp uninstall` does first and last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.claude_code import edit_plan
from offramp_cli.service import steps
from offramp_cli.service.uninstall import Removal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@dataclass
class NamedPlan:
    """A plan that says its name."""

    name: str

    def describe(self) -> list[str]:
        return [self.name]


def test_service_manager_is_reloaded_after_the_trays_autostart_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Systemd makes a unit of the autostart file, and forgets it only when it reloads."""
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    removal = Removal(
        setup=edit_plan.find_setup(tolerant=True),
        change=None,
        obstacle="Claude Code's settings stay.",
        daemon=NamedPlan("daemon-reload"),
        tray=NamedPlan("autostart file"),
        purged=(),
        programs=(),
    )
    steps.describe(removal.steps())
    said = capsys.readouterr()
    assert said.out.index("autostart file") < said.out.index("daemon-reload")
