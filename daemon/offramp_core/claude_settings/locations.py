"""Where Claude Code keeps its settings: the user's file, and those that win over it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER_VARIABLE = "CLAUDE_CONFIG_DIR"
"""Environment variable that moves Claude Code's own folder."""

_FOLDER = ".claude"
_LINUX_MANAGED = Path("/etc/claude-code/managed-settings.json")
_MACOS_MANAGED = Path("/Library/Application Support/ClaudeCode/managed-settings.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsLocations:
    """The user's settings file, and those that win over it where they set the same."""

    user: Path
    project: Path
    local: Path
    managed: Path

    @classmethod
    def for_user(
        cls, environ: Mapping[str, str], *, home: Path, folder: Path, managed: Path | None = None
    ) -> SettingsLocations:
        """Locate the files as Claude Code finds them when it is started in `folder`."""
        own = environ.get(FOLDER_VARIABLE)
        user_folder = folder / Path(own).expanduser() if own else home / _FOLDER
        return cls(
            user=user_folder / "settings.json",
            project=folder / _FOLDER / "settings.json",
            local=folder / _FOLDER / "settings.local.json",
            managed=managed or managed_file(sys.platform),
        )

    def stronger(self) -> tuple[tuple[str, Path], ...]:
        """List what wins over the user's file, the strongest first, with what to call it."""
        named = (
            *(("managed settings", path) for path in managed_files(self.managed)),
            ("this folder's local settings", self.local),
            ("this folder's project settings", self.project),
        )
        return tuple((name, path) for name, path in named if path != self.user)


def managed_files(managed: Path) -> list[Path]:
    """List the managed file and those in the folder beside it, the strongest first: the last name.

    They are not all there.
    """
    folder = managed.with_suffix(".d")
    try:
        return [*sorted(folder.glob("*.json"), reverse=True), managed]
    except OSError:
        return [managed]


def managed_file(platform: str) -> Path:
    """Find where an organisation puts the settings that its people can't change."""
    return _MACOS_MANAGED if platform == "darwin" else _LINUX_MANAGED
