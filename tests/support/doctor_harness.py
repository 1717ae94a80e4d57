"""What the doctor's tests share: surroundings of a test's own, and remarks in short."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from offramp_core import config
from offramp_core.config import ConfigError
from offramp_core.paths import Paths
from offramp_daemon.doctor import secret_files
from offramp_daemon.doctor.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offramp_core.control_api import Status
    from offramp_daemon.doctor.finding import Remark


def surroundings(
    home: Path, *, status: Status | None = None, platform: str = sys.platform, **environ: str
) -> Surroundings:
    """A user whose everything is below `home`, and whose shell has `environ` alone."""
    paths = Paths.under(home)
    loaded, problem = None, None
    open_files = secret_files.look(paths)
    try:
        loaded = config.load(paths, environ)
    except ConfigError as error:
        problem = error
    return Surroundings(
        environ=environ,
        home=home,
        folder=home,
        paths=paths,
        platform=platform,
        loaded=loaded,
        problem=problem,
        open_files=open_files,
        status=status,
        trouble=None,
    )


def outcomes(remarks: Iterable[Remark]) -> list[str]:
    return [remark.outcome.value for remark in remarks]


def said(remarks: Iterable[Remark]) -> str:
    """All that was seen, and all cures, as one text."""
    return "\n".join(f"{remark.saw}\n{remark.cure}" for remark in remarks)
