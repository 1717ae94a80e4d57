"""What the window goes by in the settings: as they are now, or the default ones. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.config import loader
from offramp_core.quota import week_start
from offramp_core.services import SERVICES
from offramp_core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from offramp_core.paths import Paths
    from offramp_core.usage.weeks import WeekBoundary


class WindowSettings:
    """The settings when they were last read, and why they could not be."""

    def __init__(
        self, paths: Paths, environ: Mapping[str, str], zone: tzinfo, *, is_demo: bool
    ) -> None:
        """The default ones; nothing is read before `read`."""
        self._paths = paths
        self._environ = environ
        self._zone = zone
        self._is_demo = is_demo
        self._origins: dict[str, str] = {}
        self.current = Settings()
        self.problem = ""
        """Why the default ones count; empty where it is the user's."""

    def read(self) -> None:
        """Take what the files say now."""
        try:
            loaded = loader.load(self._paths, self._environ, is_demo=self._is_demo)
        except loader.ConfigError as error:
            self.problem = f"{error} Until this is fixed, the window uses the defaults."
            self.current, self._origins = Settings(), {}
        else:
            self.problem = ""
            self.current, self._origins = loaded.settings, dict(loaded.origins)

    def boundary(self) -> WeekBoundary:
        """When the week begins, as set, or as Claude has told by now."""
        file = self._paths.quota_file
        return week_start.find(self.current, self._origins, file, self._zone).boundary

    def asked(self) -> dict[str, bool]:
        """Which services have to be asked for their quota, and whether the settings allow it."""
        names = {backend.name for backend in self.current.backends}
        return {
            service.name: self.current.asks_quota_of(service.name)
            for service in SERVICES
            if service.quota_page is not None and service.name in names
        }

    def routed(self) -> dict[str, tuple[str, ...]]:
        """What the routes send to each backend, in their words."""
        found: dict[str, tuple[str, ...]] = {}
        for route in self.current.routes:
            found[route.backend] = (*found.get(route.backend, ()), route.match)
        return found
