"""What the doctor's tests share: surroundings of a test's own, and remarks in short."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from offramp_cli.doctor.checks import check_file_modes
from offramp_cli.doctor.context import DoctorContext
from offramp_core.config import loader
from offramp_core.config.loader import ConfigError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import Status


def doctor_context(
    home: Path, *, status: Status | None = None, platform: str = sys.platform, **environ: str
) -> DoctorContext:
    """A user whose everything is below `home`, and whose shell has `environ` alone."""
    paths = Paths.under(home)
    loaded, problem = None, None
    open_files = check_file_modes.look(paths)
    try:
        loaded = loader.load(paths, environ)
    except ConfigError as error:
        problem = error
    return DoctorContext(
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


def severities(remarks: Iterable[Remark]) -> list[str]:
    return [remark.severity.value for remark in remarks]


def said(remarks: Iterable[Remark]) -> str:
    """All that was seen, and all cures, as one text."""
    return "\n".join(f"{remark.saw}\n{remark.cure}" for remark in remarks)
