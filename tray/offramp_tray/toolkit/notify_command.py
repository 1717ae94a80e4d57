"""Messages to the user by a command of the system's, for backends that have nothing better.

The command runs on a thread of its own: no main loop waits for it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from typing import TYPE_CHECKING

from offramp_core.child_environment import without_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_tray.view.view_model import Notification

logger = logging.getLogger(__name__)

_TIMEOUT_S = 10.0


def show_by(command: Sequence[str], message: Notification) -> threading.Thread:
    """Run `command` with the message's title and body behind it; a failure is logged."""
    thread = threading.Thread(
        target=_show, args=(command, message), name="notification", daemon=True
    )
    thread.start()
    return thread


def _show(command: Sequence[str], message: Notification) -> None:
    try:
        subprocess.run(
            [*command, message.title, message.body],
            check=True,
            env=without_keys(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        logger.warning(
            "A message to the user could not be shown.",
            extra={
                "title": message.title,
                "body": message.body,
                "reason": f"{command[0]}: {type(error).__name__}",
            },
        )
