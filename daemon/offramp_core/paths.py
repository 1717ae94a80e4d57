"""Every file location in one place; nothing else asks platformdirs or builds a path of ours.

It creates no folder: whoever writes a file makes its parent first.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from offramp_core import control_place
from offramp_core.control_place import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOME_VARIABLE", "TRAY_TOLD_FILE", "Paths"]

TRAY_TOLD_FILE = "tray-told"
"""In the runtime folder, which on Linux lasts as long as the session; on macOS it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The folders that Offramp uses, and the files in them."""

    config_dir: Path
    data_dir: Path
    diagnostics_dir: Path
    runtime_dir: Path
    cache_dir: Path
    """For what can be made again at any time."""

    @classmethod
    def for_user(
        cls,
        environ: Mapping[str, str],
        *,
        is_demo: bool = False,
        platform: str = sys.platform,
    ) -> Paths:
        """The user's own folders, or the demo's, which share nothing with them.

        `OFFRAMP_HOME` in `environ`, where set, replaces the system's folders; the demo then lives
        in its subfolder `demo`.
        """
        home = environ.get(HOME_VARIABLE)
        if home:
            root = Path(home).expanduser()
            return cls.under(root / control_place.DEMO_FOLDER if is_demo else root)
        name = control_place.app_name(is_demo=is_demo)
        folders = platformdirs.PlatformDirs(name, appauthor=False)
        data_dir = folders.user_data_path
        return cls(
            config_dir=folders.user_config_path,
            data_dir=data_dir,
            diagnostics_dir=folders.user_log_path,
            runtime_dir=Path(
                control_place.runtime_dir(environ, name, os.fspath(data_dir), platform)
            ),
            cache_dir=folders.user_cache_path,
        )

    @classmethod
    def under(cls, root: Path) -> Paths:
        """All folders below `root`."""
        return cls(
            config_dir=root / "config",
            data_dir=root / "data",
            diagnostics_dir=root / "diagnostics",
            runtime_dir=root / "run",
            cache_dir=root / "cache",
        )

    @property
    def config_file(self) -> Path:
        """The settings, TOML."""
        return self.config_dir / "config.toml"

    @property
    def env_file(self) -> Path:
        """Variables in `NAME=value` form that stand behind the real environment."""
        return self.config_dir / ".env"

    @property
    def keys_file(self) -> Path:
        """What `offramp key set` stored: keys, or that the system keyring holds them."""
        return self.config_dir / "keys.json"

    @property
    def claude_code_file(self) -> Path:
        """What `offramp connect` replaced in Claude Code's settings, for `disconnect`."""
        return self.config_dir / "claude-code.json"

    @property
    def log_dir(self) -> Path:
        """Where the request records go unless `log_dir` is set: the user's history."""
        return self.data_dir / "log"

    @property
    def diagnostics_file(self) -> Path:
        """The daemon's own messages: no content, no keys, rotated by size."""
        return self.diagnostics_dir / "daemon.log"

    @property
    def delegation_file(self) -> Path:
        """Whether delegation is paused: what outlives the daemon."""
        return self.data_dir / "delegation.json"

    @property
    def quota_file(self) -> Path:
        """What was last known of the plans' limits."""
        return self.data_dir / "quota.json"

    @property
    def troubles_file(self) -> Path:
        """What delegated requests Claude had to serve of late, and for what."""
        return self.data_dir / "troubles.json"

    @property
    def account_salt_file(self) -> Path:
        """What accounts are hashed with, so that their names mean nothing elsewhere."""
        return self.data_dir / "account-salt"

    @property
    def machine_id_file(self) -> Path:
        """What tells this machine from another one of the same name."""
        return self.data_dir / "machine-id"

    @property
    def autopilot_file(self) -> Path:
        """What the autopilot has learnt of each account's plan."""
        return self.data_dir / "autopilot.json"

    @property
    def tray_said_file(self) -> Path:
        """Which notifications the tray has sent, so that its next start repeats none."""
        return self.data_dir / "tray-said.json"

    @property
    def setup_offered_file(self) -> Path:
        """That the set-up window was offered, so that it is not opened again unasked."""
        return self.data_dir / "setup-offered"

    @property
    def tray_told_file(self) -> Path:
        """That the user was told what to do about an icon that nothing shows."""
        return self.runtime_dir / TRAY_TOLD_FILE

    @property
    def tray_lock_file(self) -> Path:
        """What the one tray of this user has locked, and says of itself."""
        return self.runtime_dir / "tray.lock"

    @property
    def model_fallbacks_file(self) -> Path:
        """Which names of models the backends do not know, and what is sent for them."""
        return self.data_dir / "model-fallbacks.json"

    @property
    def folded_months(self) -> Path:
        """Folder of the months that the charts have counted already."""
        return self.cache_dir / "months"

    @property
    def charts_selection_file(self) -> Path:
        """What the charts show and hide, as the user left it."""
        return self.data_dir / "charts-selection.json"

    @property
    def control_socket(self) -> Path:
        """Where the daemon takes commands; the same for every process of this user.

        Below a folder whose path is too long for a socket, a short one in `/tmp` stands for it.
        """
        return _short(self.runtime_dir / control_place.CONTROL_SOCKET)

    @property
    def charts_socket(self) -> Path:
        """Where the charts window hears that it was opened again; as short as the daemon's."""
        return _short(self.runtime_dir / "charts.sock")

    @property
    def setup_socket(self) -> Path:
        """Where the set-up window hears that it was opened again."""
        return _short(self.runtime_dir / "setup.sock")

    @property
    def charts_window_file(self) -> Path:
        """Where the charts window stood, and how large it was."""
        return self.data_dir / "charts-window.json"


def _short(socket: Path) -> Path:
    return Path(control_place.short(os.fspath(socket)))
