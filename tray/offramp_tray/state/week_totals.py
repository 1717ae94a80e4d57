"""Has the running week's totals followed, in a thread of its own.

It reads only what is new: when it is nudged (the daemon told of a change), when the week is over,
and, as nobody tells of what another daemon writes, once in a long while by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GAP_S = 0.25
"""Between two looks at least, so four a second at most."""
LOOK_EVERY_S = 60.0
"""Between two looks at most; a machine that slept over the week's end is late by that."""

_LOG = logging.getLogger(__name__)


class WeekFollower:
    """Calls `look` when nudged and now and then, never two at a time nor too often."""

    def __init__(
        self,
        look: Callable[[], float | None],
        *,
        gap_s: float = GAP_S,
        look_every_s: float = LOOK_EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look` does the work, and may say in how many seconds it is due again."""
        self._monotonic = monotonic
        self._look = look
        self._gap_s = gap_s
        self._look_every_s = look_every_s
        self._is_asked = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="week", daemon=True)

    def start(self) -> None:
        """Look for the first time, and go on."""
        self._thread.start()

    def nudge(self) -> None:
        """Have it look soon; from any thread."""
        self._is_asked.set()

    def stop(self) -> None:
        """End it; waits for a look under way, a second at most."""
        self._is_over.set()
        self._is_asked.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._is_asked.clear()
            wait_s = self._look_every_s
            try:
                due_s = self._look()
            except Exception:  # noqa: BLE001 - the tray goes on, with older numbers
                _LOG.exception("The week's numbers could not be read")
            else:
                wait_s = wait_s if due_s is None else min(wait_s, max(due_s, self._gap_s))
            looked_s = self._monotonic()
            if self._is_asked.wait(wait_s):
                self._is_over.wait(max(0.0, looked_s + self._gap_s - self._monotonic()))
