"""Says whether nobody has set Offramp up yet, and remembers that the set-up was offered.

It reads files and asks the daemon's control socket; the keyring is not asked. Blocks.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from offramp_core import private_files
from offramp_core.claude_settings import undo_state
from offramp_core.config import loader
from offramp_core.control.client import ControlClient, ControlError
from offramp_core.errors import OfframpError
from offramp_core.services import DELEGATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.config.loader import LoadedSettings
    from offramp_core.paths import Paths


def is_due(paths: Paths, environ: Mapping[str, str]) -> bool:
    """Whether nothing is set up: no settings file, no key from any source, no connection.

    False once `mark_offered` was called, and where a file can't be read: something is set up then.
    """
    if any(os.path.lexists(file) for file in (paths.setup_offered_file, paths.config_file)):
        return False
    try:
        has_key = _has_key(loader.load(paths, environ))
        connections = undo_state.recall_all(paths.claude_code_file)
    except OfframpError:
        return False
    return not (has_key or connections or _daemon_has_key(paths))


def mark_offered(paths: Paths) -> None:
    """Remember that the set-up was offered; where that can't be written, it is offered again."""
    file = paths.setup_offered_file
    with contextlib.suppress(OSError):
        private_files.make_folder(file.parent)
        os.close(private_files.open_file(file, os.O_WRONLY | os.O_CREAT))


def _has_key(loaded: LoadedSettings) -> bool:
    is_awaited = DELEGATE.name in loaded.awaited_keys
    return is_awaited or loaded.settings.backend(DELEGATE.name).key is not None


def _daemon_has_key(paths: Paths) -> bool:
    """Whether a daemon that runs has a key, from its own environment, say."""
    try:
        status = ControlClient(paths.control_socket, gap_s=0.0).status()
    except ControlError:
        return False
    return any(backend.key == "present" for backend in status.backends)
