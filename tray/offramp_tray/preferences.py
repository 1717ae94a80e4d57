"""The settings that the tray goes by, taken anew when their files change.

Settings that can't be used keep the old ones in force, at the start the defaults: a tray that
does not come up could not say what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_core import config
from offramp_core.addresses import client_base_url
from offramp_core.config import ConfigError
from offramp_core.settings import Settings, default_backends, default_routes
from offramp_core.weeks import WeekBoundary, system_zone

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from offramp_core.paths import Paths


class Preferences:
    """What the files said when they were last looked at. Used by one thread at a time."""

    def __init__(self, paths: Paths, environ: Mapping[str, str], *, is_demo: bool = False) -> None:
        """Read them."""
        self._paths = paths
        self._environ = environ
        self._is_demo = is_demo
        self._zone = system_zone(environ)
        self._seen: Hashable = None
        self.settings = msgspec.structs.replace(
            Settings(), backends=default_backends(), routes=default_routes()
        )
        self.problem = ""
        """Why the file's content is not in force."""
        self.refresh()

    def refresh(self) -> bool:
        """Read the files if they changed; whether they did."""
        seen = config.fingerprint(self._paths)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            loaded = config.load(self._paths, self._environ, is_demo=self._is_demo)
        except ConfigError as error:
            self.problem = f"Settings not taken: {error.title}"
        else:
            self.settings, self.problem = loaded.settings, ""
        return True

    @property
    def boundary(self) -> WeekBoundary:
        """When the user's week begins."""
        settings = self.settings
        return WeekBoundary(
            day=settings.week_start_day, hour=settings.week_start_hour, zone=self._zone
        )

    @property
    def log_folder(self) -> Path:
        """Where the request log is."""
        return self.settings.log_dir or self._paths.log_dir

    @property
    def address(self) -> str:
        """Where Claude Code is to find the daemon, unless that says otherwise."""
        return client_base_url(host=self.settings.host, port=self.settings.port)
