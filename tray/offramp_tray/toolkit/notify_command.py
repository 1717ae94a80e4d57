"""Messages to the user by a command of the system's, for backends that have nothing better.

The command runs on a thread of its own: no main loop waits for it. That it ends well does not mean
that anybody saw the message, so nothing may depend on it.
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
_MOST_LETTERS = 200


class NotifyCommand:
    """One command, which gets a message's title and body behind its own words."""

    def __init__(self, command: Sequence[str], *, timeout_s: float = _TIMEOUT_S) -> None:
        """Run `command` for each message, for `timeout_s` at most."""
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._failure = ""
        """Why the last message could not be shown; logged once for as long as it stays so."""

    def show(self, message: Notification) -> threading.Thread:
        """Show `message` soon."""
        thread = threading.Thread(
            target=self._show, args=(message,), name="notification", daemon=True
        )
        thread.start()
        return thread

    def _show(self, message: Notification) -> None:
        failure = self._run(message.title, message.body)
        before, self._failure = self._failure, failure
        if failure and failure != before:
            logger.warning(
                "A message to the user could not be shown.",
                extra={"title": message.title, "body": message.body, "reason": failure},
            )

    def _run(self, *words: str) -> str:
        """Run it; why it failed, or nothing."""
        program = self._command[0]
        try:
            ended = subprocess.run(
                [*self._command, *words],
                check=False,
                env=without_keys(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout_s,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"{program}: {type(error).__name__}"
        if ended.returncode == 0:
            return ""
        said = " ".join(ended.stderr.decode(errors="replace").split())[:_MOST_LETTERS]
        return f"{program} ended with {ended.returncode}: {said}"
