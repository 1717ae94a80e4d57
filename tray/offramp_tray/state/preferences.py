"""The settings that the tray goes by, read again when their files change.

Settings that can't be used keep the old ones in force, at the start the defaults: a tray that
does not come up could not say what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_core.addresses import client_base_url
from offramp_core.config import loader
from offramp_core.config.loader import ConfigError
from offramp_core.quota import week_start
from offramp_core.settings import Settings, default_backends, default_routes
from offramp_core.usage.weeks import system_zone

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from offramp_core.paths import Paths
    from offramp_core.usage.weeks import WeekBoundary


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
        self._origins: Mapping[str, str] = {}
        self._seen_quota: Hashable = None
        self.boundary = self._week()
        """When the user's week begins: as set, or as Claude told."""
        self.refresh()

    def refresh(self) -> bool:
        """Read the files if they changed; whether what they say may be another now."""
        is_new = self._read_settings()
        seen = week_start.mark(self._paths.quota_file)
        if not is_new and seen == self._seen_quota:
            return False
        self._seen_quota = seen
        before = self.boundary
        self.boundary = self._week()
        return is_new or self.boundary != before

    def _week(self) -> WeekBoundary:
        file = self._paths.quota_file
        return week_start.find(self.settings, self._origins, file, self._zone).boundary

    def _read_settings(self) -> bool:
        seen = loader.fingerprint(self._paths)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            loaded = loader.load(self._paths, self._environ, is_demo=self._is_demo)
        except ConfigError as error:
            self.problem = f"Settings rejected: {error.title}"
        else:
            self.settings, self._origins, self.problem = loaded.settings, loaded.origins, ""
        return True

    @property
    def routed(self) -> Mapping[str, tuple[str, ...]]:
        """What the routes send to each backend, in their words."""
        found: dict[str, tuple[str, ...]] = {}
        for route in self.settings.routes:
            found[route.backend] = (*found.get(route.backend, ()), route.match)
        return found

    @property
    def log_folder(self) -> Path:
        """Where the request log is."""
        return self.settings.log_dir or self._paths.log_dir

    @property
    def address(self) -> str:
        """Where Claude Code is to find the daemon, unless that says otherwise."""
        return client_base_url(host=self.settings.host, port=self.settings.port)
