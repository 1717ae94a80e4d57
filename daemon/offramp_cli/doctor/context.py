"""What every check starts from: files' places, settings, and what the daemon says of itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.doctor.checks import check_file_modes
from offramp_core.config import loader
from offramp_core.config.loader import ConfigError, LoadedSettings
from offramp_core.control.client import ControlClient, ControlError
from offramp_core.paths import Paths
from offramp_core.settings import Settings, default_backends, default_routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_cli.doctor.checks.check_file_modes import OpenFile
    from offramp_core.control.api import Status
    from offramp_core.settings import Backend

_STATUS_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorContext:
    """This machine and this session, as the command finds them.

    Of `loaded` and `problem` one is None, and of `status` and `trouble`.
    """

    environ: Mapping[str, str]
    home: Path
    folder: Path
    paths: Paths
    platform: str
    loaded: LoadedSettings | None
    problem: ConfigError | None
    open_files: tuple[OpenFile, ...]
    status: Status | None
    trouble: ControlError | None

    @property
    def settings(self) -> Settings:
        """The settings, or the defaults where they are refused."""
        if self.loaded is not None:
            return self.loaded.settings
        return Settings(backends=default_backends(), routes=default_routes())

    @property
    def port(self) -> int:
        """Where the daemon listens if it runs, else where it would."""
        if self.status is not None:
            return urlsplit(self.status.address).port or self.settings.port
        return self.settings.port

    @property
    def log_dir(self) -> Path:
        """The folder of the request log."""
        return self.settings.log_dir or self.paths.log_dir

    @property
    def backends_in_use(self) -> tuple[Backend, ...]:
        """Anthropic, which everything can come to, and those that routes or failover lead to."""
        in_use = self.settings.delegates_in_use
        return tuple(
            backend
            for backend in self.settings.backends
            if backend.name in in_use or backend.auth == "client"
        )


def find(environ: Mapping[str, str]) -> DoctorContext:
    """Find all of it within two seconds; what is wrong is part of it, never an error."""
    paths = Paths.for_user(environ)
    # First, because loading the settings may correct the permissions of a file.
    open_files = check_file_modes.look(paths)
    loaded, problem = _load(paths, environ)
    status, trouble = _ask(paths)
    return DoctorContext(
        environ=environ,
        home=Path.home(),
        folder=Path.cwd(),
        paths=paths,
        platform=sys.platform,
        loaded=loaded,
        problem=problem,
        open_files=open_files,
        status=status,
        trouble=trouble,
    )


def _load(
    paths: Paths, environ: Mapping[str, str]
) -> tuple[LoadedSettings | None, ConfigError | None]:
    try:
        return loader.load(paths, environ), None
    except ConfigError as error:
        return None, error


def _ask(paths: Paths) -> tuple[Status | None, ControlError | None]:
    client = ControlClient(paths.control_socket, timeout_s=_STATUS_LIMIT_S)
    try:
        return client.status(), None
    except ControlError as error:
        return None, error
