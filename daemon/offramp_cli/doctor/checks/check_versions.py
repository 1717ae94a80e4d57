"""Whether the command line and the daemon are of one version, and on what they run."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import ok, warning
from offramp_core import __version__
from offramp_core.control.client import OtherVersionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What runs here; `daemon` is None where none answers."""

    own: str
    daemon: str | None
    python: str
    system: str


def look(context: DoctorContext) -> Versions:
    """Ask Python, and what the daemon said."""
    daemon = None
    if context.status is not None:
        daemon = context.status.version
    elif isinstance(context.trouble, OtherVersionError):
        daemon = context.trouble.daemon.version
    return Versions(
        own=__version__,
        daemon=daemon,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} ({platform.machine()})",
    )


def judge(versions: Versions) -> Iterator[Remark]:
    """Warn where the daemon is of another version."""
    yield ok(f"Offramp {versions.own}, Python {versions.python}, {versions.system}.")
    if versions.daemon is not None and versions.daemon != versions.own:
        yield warning(
            f"The daemon is Offramp {versions.daemon}, but this command is Offramp {versions.own}.",
            "Start the daemon again: offramp restart",
        )
